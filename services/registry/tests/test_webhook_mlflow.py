"""MLflow's webhooks: its routes, its events, and the signature that its receivers verify."""

import base64
import hashlib
import hmac
from typing import Any

from registry_door import Door
from webhook_delivering import delivering, publish
from webhook_receiver import Got, receiving, status

from pelton.contracts.registry import (
    ModelAliasSet,
    ModelDescribed,
    ModelTagged,
    ModelVersionLogged,
    RegisteredModelCreated,
)
from pelton.eventkit.identity import Role
from pelton.registry.webhooks.messages import MLFLOW_EVENTS
from pelton.testkit import eventually

HOOKS = "2.0/mlflow/webhooks"
SECRET = "a shared secret"


def event(name: str) -> dict[str, str]:
    entity, _, action = name.partition(".")
    return {"entity": entity.upper(), "action": action.upper()}


async def create(door: Door, url: str, **changes: object) -> dict[str, Any]:
    body = {"name": "hook", "url": url, "events": [event(one) for one in MLFLOW_EVENTS], "secret": SECRET} | changes
    answer = await door.mlflow("POST", HOOKS, json=body)
    assert answer.status_code == 200, answer.text
    webhook: dict[str, Any] = answer.json()["webhook"]
    return webhook


def verified(got: Got, secret: str) -> bool:
    """As the documentation of MLflow's webhooks has it."""
    headers = got.headers
    signed = f"{headers['x-mlflow-delivery-id']}.{headers['x-mlflow-timestamp']}.{got.body.decode()}"
    expected = base64.b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()).decode()
    return headers["x-mlflow-signature"] == f"v1,{expected}"


async def test_each_fact_that_mlflow_has_an_event_for_is_told_in_its_words(door: Door) -> None:
    async with receiving() as receiver:
        await create(door, receiver.url)
        await publish(
            door,
            "models/late",
            RegisteredModelCreated(model="late", description="of flights", tags={"a": "b"}),
            ModelVersionLogged(model="late", version=1, source="models:/m-1", tags={"c": "d"}),
            ModelTagged(model="late", version=1, name="reviewed", value="yes"),
            ModelTagged(model="late", version=1, name="reviewed", value=None),
            ModelAliasSet(model="late", alias="champion", version=1),
            ModelAliasSet(model="late", alias="champion", version=None),
            ModelTagged(model="late", name="no", value="event"),
            ModelDescribed(model="late", description="none either"),
        )
        async with delivering(door):
            await eventually(lambda: len(receiver.got) == len(MLFLOW_EVENTS))
    told = [(f"{one.json['entity']}.{one.json['action']}", one.json["data"]) for one in receiver.got]
    assert told == [
        ("registered_model.created", {"name": "late", "tags": {"a": "b"}, "description": "of flights"}),
        (
            "model_version.created",
            {
                "name": "late",
                "version": "1",
                "source": "models:/m-1",
                "run_id": None,
                "tags": {"c": "d"},
                "description": None,
            },
        ),
        ("model_version_tag.set", {"name": "late", "version": "1", "key": "reviewed", "value": "yes"}),
        ("model_version_tag.deleted", {"name": "late", "version": "1", "key": "reviewed"}),
        ("model_version_alias.created", {"name": "late", "alias": "champion", "version": "1"}),
        ("model_version_alias.deleted", {"name": "late", "alias": "champion"}),
    ]
    assert all(verified(got, SECRET) for got in receiver.got)
    assert not any(verified(got, "another") for got in receiver.got)


async def test_only_the_events_that_were_asked_for_are_told(door: Door) -> None:
    async with receiving() as receiver:
        await create(door, receiver.url, events=[event("model_version_alias.created")])
        await publish(
            door,
            "models/late",
            RegisteredModelCreated(model="late"),
            ModelAliasSet(model="late", alias="champion", version=1),
        )
        async with delivering(door):
            await eventually(lambda: receiver.got)
    assert [got.json["entity"] for got in receiver.got] == ["model_version_alias"]


async def test_a_webhook_is_read_changed_and_deleted_as_mlflow_has_it(door: Door) -> None:
    made = await create(door, "http://127.0.0.1:9/hook", events=[event("model_version.created")])
    assert made == {
        "webhook_id": made["webhook_id"],
        "name": "hook",
        "description": "",
        "url": "http://127.0.0.1:9/hook",
        "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}],
        "status": "ACTIVE",
        "creation_timestamp": made["creation_timestamp"],
        "last_updated_timestamp": made["creation_timestamp"],
    }
    path = f"{HOOKS}/{made['webhook_id']}"
    assert (await door.mlflow("GET", path)).json()["webhook"] == made
    changed = await door.mlflow("PATCH", path, json={"description": "new", "status": "DISABLED"})
    webhook = changed.json()["webhook"]
    assert (webhook["name"], webhook["description"], webhook["status"]) == ("hook", "new", "DISABLED")
    assert (await door.mlflow("DELETE", path)).status_code == 200
    gone = await door.mlflow("GET", path)
    assert (gone.status_code, gone.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_webhooks_are_listed_page_by_page_and_others_see_no_more_than_the_host(door: Door) -> None:
    await door.ask("POST", "/webhooks", json={"name": "x", "url": "http://127.0.0.1/", "events": ["*"]})
    for name in ("a", "b", "c"):
        await create(door, "http://127.0.0.1/hook?token=s3cr3t", name=name)
    first = (await door.mlflow("GET", HOOKS, params={"max_results": 2})).json()
    token = {"max_results": 2, "page_token": first["next_page_token"]}
    rest = (await door.mlflow("GET", HOOKS, params=token)).json()
    assert [one["name"] for one in first["webhooks"] + rest["webhooks"]] == ["a", "b", "c"]
    assert "next_page_token" not in rest
    seen = (await door.mlflow("GET", HOOKS, "bob", Role.VIEWER)).json()["webhooks"]
    assert {one["url"] for one in seen} == {"http://127.0.0.1"}


async def test_a_webhook_is_tried_out_by_an_example_of_its_event(door: Door) -> None:
    async with receiving([status(200, body="thanks"), status(500)]) as receiver:
        made = await create(door, receiver.url)
        path = f"{HOOKS}/{made['webhook_id']}/test"
        good = await door.mlflow("POST", path, json={"event": event("model_version_tag.set")})
        assert good.json()["result"] == {"success": True, "response_status": 200, "response_body": "thanks"}
        bad = await door.mlflow("POST", path, json={})
        assert (bad.json()["result"]["success"], bad.json()["result"]["response_status"]) == (False, 500)
    assert [got.json["entity"] for got in receiver.got] == ["model_version_tag", "registered_model"]


async def test_a_new_secret_takes_the_place_of_the_old_and_an_empty_one_signs_nothing(door: Door) -> None:
    async with receiving() as receiver:
        made = await create(door, receiver.url)
        path = f"{HOOKS}/{made['webhook_id']}"
        for secret in ("another", ""):
            assert (await door.mlflow("PATCH", path, json={"secret": secret})).status_code == 200
            assert (await door.mlflow("POST", f"{path}/test", json={})).json()["result"]["success"]
    signed, plain = receiver.got
    assert verified(signed, "another")
    assert "x-mlflow-signature" not in plain.headers


async def test_what_cannot_be_is_refused_as_mlflow_would(door: Door) -> None:
    good = {"name": "hook", "url": "http://127.0.0.1/", "events": [event("model_version.created")]}
    for change in (
        {"name": "-hook"},
        {"name": "h" * 64},
        {"url": "http://10.0.0.1/"},
        {"events": []},
        {"events": [event("prompt.created")]},
        {"events": [event("model_version.exceeded")]},
        {"status": "ASLEEP"},
        {"secret": "s" * 1001},
    ):
        answer = await door.mlflow("POST", HOOKS, json=good | change)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), change
    made = await create(door, "http://127.0.0.1/")
    own = {"name": "x", "url": "http://127.0.0.1/", "events": ["*"]}
    other = (await door.ask("POST", "/webhooks", json=own)).json()["webhook"]
    assert (await door.mlflow("DELETE", f"{HOOKS}/{other}")).status_code == 404
    for method, path, code in (
        ("GET", f"{HOOKS}/no-id", 404),
        ("DELETE", f"{HOOKS}/{made['webhook_id']}", 403),
        ("PATCH", f"{HOOKS}/{made['webhook_id']}", 403),
    ):
        answer = await door.mlflow(method, path, "bob", json={} if method == "PATCH" else None)
        assert answer.status_code == code, path
