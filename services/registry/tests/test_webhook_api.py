import json
import logging
from typing import Any
from uuid import uuid4

import pytest
from registry_door import Door
from webhook_delivering import deliveries, delivering, publish, register
from webhook_receiver import receiving, resolver, status

from pelton.contracts.registry import ModelDescribed
from pelton.eventkit.identity import Role
from pelton.testkit import eventually

GOOD = {"name": "hook", "url": "http://127.0.0.1:9/hook?token=s3cr3t", "events": ["Model*"]}


async def test_a_secret_is_shown_once_and_stands_in_no_fact_no_answer_and_no_log(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with receiving([status(500)] * 2) as receiver:
        hook = await register(door, receiver.url)
        path = f"/webhooks/{hook['webhook']}"
        rotated = (await door.ask("POST", f"{path}/secret")).json()["secret"]
        await publish(door, "models/late", ModelDescribed(model="late", description="one"))
        async with delivering(door):
            await eventually(lambda: len(receiver.got) > 2)
        shown = [
            json.dumps(await door.get("/webhooks")),
            json.dumps(await door.get(path)),
            json.dumps(await deliveries(door, hook["webhook"])),
            (await door.ask("PATCH", path, json={"name": "other"})).text,
            json.dumps(await door.facts()),
            caplog.text,
        ]
    for secret in (hook["secret"], rotated):
        assert secret.startswith("whsec_")
        assert all(secret not in text for text in shown)


async def test_facts_and_other_people_see_where_a_webhook_leads_only_to_its_host(door: Door) -> None:
    hook = await register(door, GOOD["url"])
    mine = (await door.ask("GET", f"/webhooks/{hook['webhook']}")).json()
    assert mine["url"] == GOOD["url"]
    theirs = (await door.ask("GET", "/webhooks", "bob", Role.APPROVER)).json()["webhooks"][0]
    assert (theirs["url"], theirs["origin"], theirs["owner"]) == (None, "http://127.0.0.1:9", "ann")
    (fact,) = await door.facts()
    assert (fact["type"], fact["data"]["origin"]) == ("webhook_registered", "http://127.0.0.1:9")
    assert "s3cr3t" not in json.dumps(fact)


async def test_every_change_of_a_webhook_is_a_fact_and_what_is_the_same_is_none(door: Door) -> None:
    hook = await register(door, GOOD["url"])
    path = f"/webhooks/{hook['webhook']}"
    for change in ({"active": False}, {"active": False}, {"url": "http://127.0.0.2/"}, {"events": ["*"]}):
        assert (await door.ask("PATCH", path, json=change)).status_code == 200
    assert (await door.ask("DELETE", path)).status_code == 204
    types = [fact["type"] for fact in await door.facts()]
    assert types == ["webhook_registered", "webhook_registered", "webhook_registered", "webhook_removed"]
    assert (await door.ask("GET", path)).status_code == 404
    assert (await door.get("/webhooks"))["webhooks"] == []


async def test_after_a_rotation_both_secrets_sign_and_after_a_day_the_newest_alone(door: Door) -> None:
    async with receiving() as receiver:
        hook = await register(door, receiver.url)
        path = f"/webhooks/{hook['webhook']}"
        rotated = (await door.ask("POST", f"{path}/secret")).json()["secret"]
        assert (await door.ask("POST", f"{path}/test")).json()["delivered"] is True
        assert [receiver.got[0].signatures(one) for one in (hook["secret"], rotated)] == [True, True]
        async with door.units.begin() as unit:
            await unit.connection.exec_driver_sql(
                "UPDATE webhook_secrets SET expires_at = expires_at - interval '1 day'"
            )
        await door.ask("POST", f"{path}/test")
        assert [receiver.got[1].signatures(one) for one in (hook["secret"], rotated)] == [False, True]


async def test_a_webhook_is_tried_out_and_says_what_came_of_it(door: Door) -> None:
    async with receiving([status(503, body="busy")]) as receiver:
        hook = await register(door, receiver.url)
        tried = (await door.ask("POST", f"/webhooks/{hook['webhook']}/test")).json()
        assert tried == {"delivered": False, "status": 503, "error": None, "response": "busy"}
        (got,) = receiver.got
        assert got.json["type"] == "pelton.registry.webhook_tried.v1"
        assert await deliveries(door, hook["webhook"]) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": "https://ann:pw@127.0.0.1/"}, "url"),
        ({"url": "gopher://127.0.0.1/"}, "url"),
        ({"events": ["ModelFlown"]}, "events"),
        ({"events": []}, "events"),
        ({"name": "a\x00b"}, "name"),
        ({"secret": "mine"}, "secret"),
    ],
)
async def test_a_webhook_that_cannot_work_is_refused_with_its_field(
    door: Door, change: dict[str, Any], field: str
) -> None:
    answer = await door.ask("POST", "/webhooks", json=GOOD | change)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert await door.facts() == []


async def test_a_name_that_leads_inside_is_refused_when_it_is_registered(door: Door) -> None:
    door.sender.resolve = resolver(["169.254.169.254"])
    answer = await door.ask("POST", "/webhooks", json=GOOD | {"url": "https://metadata.test/"})
    assert "169.254.169.254, which is not public" in answer.json()["errors"][0]["detail"]


async def test_a_viewer_registers_for_the_models_of_their_team_alone(door: Door) -> None:
    team = {"members": {"vera": "contributor"}, "models": ["fraud-*"]}
    assert (await door.ask("PUT", "/teams/fraud", json=team)).status_code == 204
    for models, code in (("fraud-eu", 201), ("fraud-*", 403), ("late", 403), ("*", 403)):
        body = GOOD | {"models": models}
        answer = await door.ask("POST", "/webhooks", "vera", Role.VIEWER, json=body)
        assert answer.status_code == code, (models, answer.text)
    own = (await door.get("/webhooks"))["webhooks"][0]["webhook"]
    widened = await door.ask("PATCH", f"/webhooks/{own}", "vera", Role.VIEWER, json={"models": "*"})
    assert widened.status_code == 403


async def test_a_webhook_is_its_owners_and_the_administrators(door: Door) -> None:
    body = GOOD | {"models": "late"}
    hook = (await door.ask("POST", "/webhooks", "bob", Role.CONTRIBUTOR, json=body)).json()["webhook"]
    path = f"/webhooks/{hook}"
    for method, tail, content in (
        ("PATCH", "", {"name": "mine"}),
        ("POST", "/secret", None),
        ("POST", "/test", None),
        ("GET", "/deliveries", None),
        ("POST", f"/deliveries/{uuid4()}/redeliver", None),
        ("DELETE", "", None),
    ):
        answer = await door.ask(method, path + tail, "carl", Role.APPROVER, json=content)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json"), tail
    assert (await door.ask("PATCH", path, "root", json={"name": "kept in order"})).json()["owner"] == "bob"


async def test_what_there_is_not_of_webhooks_is_404(door: Door) -> None:
    hook = await register(door, GOOD["url"])
    for method, path in (
        ("GET", f"/webhooks/{uuid4()}"),
        ("DELETE", f"/webhooks/{uuid4()}"),
        ("GET", f"/webhooks/{uuid4()}/deliveries"),
        ("POST", f"/webhooks/{hook['webhook']}/deliveries/{uuid4()}/redeliver"),
    ):
        assert (await door.ask(method, path)).status_code == 404, path


async def test_webhooks_and_deliveries_are_read_page_by_page(door: Door) -> None:
    for name in ("a", "b", "c"):
        await register(door, GOOD["url"], name=name)
    first = await door.get("/webhooks", limit=2)
    rest = await door.get("/webhooks", limit=2, page=first["next_page"])
    assert [one["name"] for one in first["webhooks"] + rest["webhooks"]] == ["a", "b", "c"]
    assert rest["next_page"] is None
    hook = rest["webhooks"][0]["webhook"]
    await publish(door, "models/late", *(ModelDescribed(model="late", description=str(count)) for count in range(3)))
    async with delivering(door):

        async def all_there() -> bool:
            return len(await deliveries(door, hook)) == 3

        await eventually(all_there)
    newest = (await door.ask("GET", f"/webhooks/{hook}/deliveries", params={"limit": 2})).json()
    page = {"limit": 2, "page": newest["next_page"]}
    oldest = (await door.ask("GET", f"/webhooks/{hook}/deliveries", params=page)).json()
    positions = [one["position"] for one in newest["deliveries"] + oldest["deliveries"]]
    assert positions == sorted(positions, reverse=True)
    assert len(positions) == 3
