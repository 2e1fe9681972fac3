"""Who may read and write what, over the doors of the running service."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import pytest
from feature_definitions import DAY_0, event, model, registered, requested, source, view
from feature_process import Feature

from pelton.contracts.registry import TeamChanged, TeamRemoved
from pelton.eventkit.clock import utc_now
from pelton.eventkit.identity import Role, load_or_create_key, mint
from pelton.testkit import eventually

PERSON = "Βέρα 李/雷"


class People:
    """Clients of people by their names; each has a token of a role."""

    def __init__(self, feature: Feature, stack: AsyncExitStack) -> None:
        self._feature = feature
        self._stack = stack

    async def __call__(self, name: str, role: Role = Role.CONTRIBUTOR) -> httpx.AsyncClient:
        key = load_or_create_key(self._feature.home / "secrets" / "token.key")
        token = mint(key, name, role, utc_now(), timedelta(hours=1))
        client = httpx.AsyncClient(
            base_url=self._feature.client.base_url,
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=30,
        )
        return await self._stack.enter_async_context(client)


@pytest.fixture
async def people(feature: Feature) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        yield People(feature, stack)


@pytest.fixture
async def admin(people: People) -> httpx.AsyncClient:
    return await people("root", Role.ADMIN)


async def done(answer: httpx.Response, status: int = 204) -> None:
    assert answer.status_code == status, answer.text


async def test_only_administrators_change_grants_and_everybody_sees_them(
    feature: Feature, people: People, admin: httpx.AsyncClient, unique: str
) -> None:
    await feature.declare(source(unique), view(unique, unique))
    place = f"/v1/access/feature-views/{unique}"
    for role in (Role.VIEWER, Role.CONTRIBUTOR, Role.APPROVER):
        somebody = await people(PERSON, role)
        await done(await somebody.put(f"{place}/people/x", json={}), 403)
    await done(await admin.put("/v1/access/feature-views/nowhere/people/x", json={}), 404)
    await done(await admin.put(f"{place}/people/x", json={"actions": []}), 422)
    await done(await admin.put(f"{place}/people/{PERSON}", json={"sensitive": True}))
    shown = [one for one in (await feature.client.get("/v1/access")).json() if one["name"] == unique]
    assert [(one["kind"], len(one["grants"])) for one in shown] == [("feature view", 1)]
    told = shown[0]["grants"][0]
    assert (told["grantee"], told["actions"], told["sensitive"]) == (PERSON, ["read"], True)
    assert told["granted_by"] == "root"
    await done(await admin.delete(f"{place}/people/nobody?reason=x"), 404)
    await done(await admin.delete(f"{place}/people/{PERSON}?reason=left"))
    closed = [one for one in (await feature.client.get("/v1/access")).json() if one["name"] == unique]
    assert closed == [{"kind": "feature view", "name": unique, "grants": []}]
    await done(await admin.delete(f"{place}?reason=public"))
    await done(await admin.delete(f"{place}?reason=public"), 404)
    assert unique not in {one["name"] for one in (await feature.client.get("/v1/access")).json()}


async def served(feature: Feature, name: str, **changes: object) -> None:
    """A source and a view of the same name, with an event that is counted."""
    await feature.declare(source(name), view(name, name, **changes))
    sent = {"source": name, "events": [{"id": "1", "data": event(1, DAY_0, delay=30.0)}]}
    await done(await feature.client.post("/v1/events", json=sent), 202)
    await feature.counted(name, 1)


def asked(name: str, *features: str) -> dict[str, object]:
    at = [(DAY_0 + timedelta(minutes=1)).isoformat()]
    return {"entities": {"carrier": ["UA"]}, "features": [f"{name}:{one}" for one in features], "at": at}


async def test_a_view_is_for_the_granted_alone_on_both_online_doors_and_a_revoked_grant_ends_at_once(
    feature: Feature, people: People, admin: httpx.AsyncClient, unique: str
) -> None:
    await served(feature, unique)
    insider, outsider = await people(PERSON, Role.VIEWER), await people("mallory", Role.APPROVER)
    body = asked(unique, "flights_1h")
    doors = ("/get-online-features", "/v1/online-features")
    for door in doors:
        await done(await outsider.post(door, json=body), 200)
    await done(await admin.put(f"/v1/access/feature-views/{unique}/people/{PERSON}", json={}))
    for door in doors:
        refused = await outsider.post(door, json=body)
        await done(refused, 403)
        assert f"mallory has no grant to read feature view {unique}" in refused.text
        for somebody in (insider, admin, await people("service:server")):
            await done(await somebody.post(door, json=body), 200)
    assert "FeastPermissionError" in (await outsider.post(doors[0], json=body)).json()
    await done(await admin.delete(f"/v1/access/feature-views/{unique}/people/{PERSON}?reason=left"))
    for door in doors:
        await done(await insider.post(door, json=body), 403)


async def test_the_members_of_a_team_of_the_registry_are_granted_what_it_is(
    feature: Feature, people: People, admin: httpx.AsyncClient, unique: str
) -> None:
    await served(feature, unique)
    member = await people(PERSON)
    await done(await admin.put(f"/v1/access/feature-views/{unique}/teams/{unique}", json={}))

    async def becomes(status: int) -> None:
        async def answered() -> bool:
            await done(await member.post("/v1/online-features", json=asked(unique, "flights_1h")), status)
            return True

        await eventually(answered, timeout=30)

    await becomes(403)
    await feature.hears(TeamChanged(team=unique, members={PERSON: "viewer"}, models=()))
    await becomes(200)
    await feature.hears(TeamRemoved(team=unique))
    await becomes(403)


async def test_sensitive_features_are_null_for_whoever_was_not_granted_them_and_what_is_made_of_them_is_too(
    feature: Feature, people: People, admin: httpx.AsyncClient, unique: str
) -> None:
    await served(feature, unique, sensitive=("worst_6h",))
    twice = {"name": f"{unique}-twice", "inputs": {"worst": f"{unique}:worst_6h"}, "features": {"x": "worst * 2"}}
    await done(await feature.client.post("/v1/transformations", json=twice), 200)
    body = asked(unique, "worst_6h", "least_6h")
    body["features"] = [f"{unique}:worst_6h", f"{unique}:least_6h", f"{unique}-twice:x"]
    somebody = await people("mallory", Role.VIEWER)

    async def values(person: httpx.AsyncClient) -> tuple[list[object], list[str]]:
        feast = (await person.post("/get-online-features", json=body)).json()["results"][1:]
        told = (await person.post("/v1/online-features", json=body)).json()["features"].values()
        assert [one["values"] for one in feast] == [one["values"] for one in told]
        return [one["values"][0] for one in feast], [one["statuses"][0] for one in feast]

    assert await values(somebody) == ([None, 30.0, None], ["NULL_VALUE", "PRESENT", "NULL_VALUE"])
    assert await values(admin) == ([30.0, 30.0, 60.0], ["PRESENT"] * 3)
    await done(await admin.put(f"/v1/access/feature-views/{unique}/people/mallory", json={"sensitive": True}))
    assert await values(somebody) == ([30.0, 30.0, 60.0], ["PRESENT"] * 3)
    await done(await admin.put(f"/v1/access/feature-views/{unique}/people/mallory", json={}))
    assert (await values(somebody))[0] == [None, 30.0, None]
    rows = {"rows": {"carrier": ["UA"], "event_time": body["at"]}, "features": [f"{unique}:worst_6h"]}
    refused = await somebody.post("/v1/historical-features", json=rows)
    await done(refused, 403)
    assert f"{unique}__worst_6h are sensitive" in refused.text


async def test_events_are_taken_of_the_granted_alone_on_every_door(
    feature: Feature, people: People, admin: httpx.AsyncClient, unique: str
) -> None:
    await feature.declare(source(unique), view(unique, unique))
    sent = {"source": unique, "events": [{"id": "1", "data": event(1, DAY_0)}]}
    rows = {name: [value] for name, value in event(2, DAY_0).items()}
    doors = {
        "/v1/events": sent,
        "/push": {"push_source_name": unique, "df": rows, "to": "online"},
        "/write-to-online-store": {"feature_view_name": unique, "df": rows},
    }
    writer, reader = await people(PERSON), await people("mallory")
    for kind in ("sources", "feature-views"):
        await done(await admin.put(f"/v1/access/{kind}/{unique}/people/{PERSON}", json={"actions": ["write"]}))
        await done(await admin.put(f"/v1/access/{kind}/{unique}/people/mallory", json={"actions": ["read"]}))
    for door, body in doors.items():
        await done(await reader.post(door, json=body), 403)
        assert (await writer.post(door, json=body)).is_success


async def test_a_dataset_and_its_statistics_are_for_whoever_may_read_all_that_is_in_it(
    feature: Feature, people: People, admin: httpx.AsyncClient, unique: str
) -> None:
    await served(feature, unique, sensitive=("worst_6h",))
    later = {"source": unique, "events": [{"id": "2", "data": event(2, DAY_0 + timedelta(minutes=30))}]}
    await done(await feature.client.post("/v1/events", json=later), 202)
    await feature.counted(unique, 2)
    span = {"start": DAY_0.isoformat(), "end": (DAY_0 + timedelta(days=1)).isoformat()}
    features = [f"{unique}:worst_6h", f"{unique}:flights_1h"]
    query = {"name": unique, "rows": {"source": unique, **span, "fields": ["flight"]}, "features": features}
    insider, outsider = await people(PERSON), await people("mallory")
    await done(await outsider.post("/v1/datasets", json=query), 403)
    for kind in ("feature-views", "sources"):
        await done(await admin.put(f"/v1/access/{kind}/{unique}/people/{PERSON}", json={"sensitive": True}))
    request = (await insider.post("/v1/datasets", json=query)).json()["id"]

    async def made() -> str:
        found = (await insider.get(f"/v1/dataset-requests/{request}")).json()
        assert found["status"] == "made", found["failure"]
        return str(found["dataset"])

    dataset = await eventually(made, timeout=60)
    paths = (f"/v1/datasets/{dataset}", f"/v1/datasets/{dataset}/diff/{dataset}", f"/v1/datasets/{dataset}/content")
    again = {"name": "again", "rows": dataset, "features": [f"{unique}:flights_1h"]}
    for path in paths:
        await done(await insider.get(path), 200)
        await done(await outsider.get(path), 403)
    shown = (await insider.get(paths[0])).json()["statistics"]["columns"]
    assert shown[f"{unique}__worst_6h"]["maximum"] == 30.0
    for kind in ("feature-views", "sources"):
        await done(await admin.put(f"/v1/access/{kind}/{unique}/people/mallory", json={}))
    rest = (await outsider.get(paths[0])).json()["statistics"]["columns"]
    assert set(shown) - set(rest) == {f"{unique}__worst_6h"}
    refused = await outsider.get(paths[2])
    await done(refused, 403)
    assert f"{unique}__worst_6h are sensitive" in refused.text
    # Rows that hold what is sensitive are as sensitive in a dataset of them.
    await done(await outsider.post("/v1/datasets", json=again), 403)
    fields = query | {"rows": {"source": unique, **span, "fields": ["delay"]}, "features": features[1:]}
    await done(await outsider.post("/v1/datasets", json=fields), 403)
    for person, seen in ((insider, {"worst_6h", "flights_1h"}), (outsider, {"flights_1h"})):
        told = (await person.get(f"/v1/catalogue/feature-views/{unique}")).json()["statistics"]
        assert set(told) == seen


async def test_records_that_are_set_aside_are_shown_and_replayed_by_the_granted_alone(
    feature: Feature, people: People, admin: httpx.AsyncClient, unique: str
) -> None:
    await feature.declare(source(unique), view(unique, unique, sensitive=("worst_6h",)))
    bad = {"source": unique, "events": [{"id": "1", "data": event(1, DAY_0, delay="secret")}]}
    await done(await feature.client.post("/v1/events", json=bad), 422)
    place = f"/v1/quarantine?source={unique}"
    somebody = await people("mallory")
    (hidden,) = (await somebody.get(place)).json()["records"]
    (whole,) = (await admin.get(place)).json()["records"]
    assert hidden["raw"] is None
    assert "secret" not in str(hidden)
    assert "secret" in whole["raw"]
    one = f"/v1/quarantine/{whole['id']}"
    assert (await somebody.get(one)).json()["raw"] is None
    await done(await admin.put(f"/v1/access/sources/{unique}/people/{PERSON}", json={}))
    for method, path, body in (
        ("GET", place, None),
        ("GET", one, None),
        ("POST", f"{one}/replay", None),
        ("POST", f"{one}/discard", {"reason": "x"}),
        ("POST", f"/v1/quarantine/replay?source={unique}", None),
        ("POST", f"/v1/quarantine/discard?source={unique}", {"reason": "x"}),
    ):
        await done(await somebody.request(method, path, json=body), 403)
    reader = await people(PERSON)
    await done(await reader.get(one), 200)
    await done(await reader.post(f"{one}/replay"), 403)


async def test_no_view_shows_what_its_source_was_closed_for_or_what_another_marks(
    feature: Feature, people: People, admin: httpx.AsyncClient, unique: str
) -> None:
    marked = view(unique, unique, sensitive=("worst_6h",))
    await feature.declare(source(unique), marked)
    somebody = await people("mallory")
    bare = view(unique, unique, tile="2h").model_dump(mode="json")
    for body in (bare, bare | {"name": f"{unique}-mine"}):
        refused = await somebody.post("/v1/feature-views", json=body)
        await done(refused, 403)
        assert f"delay of source {unique} are sensitive" in refused.text
    await done(await somebody.post("/v1/feature-views", json=marked.model_dump(mode="json")), 200)
    await done(await admin.put(f"/v1/access/sources/{unique}/people/{PERSON}", json={}))
    names = [one for one in marked.feature_names if one != "worst_6h"]
    other = marked.model_copy(update={"name": f"{unique}-mine", "sensitive": tuple(names)})
    await done(await somebody.post("/v1/feature-views", json=other.model_dump(mode="json")), 403)
    await done(await somebody.post("/v1/sources", json=source(unique, description="x").model_dump(mode="json")), 403)
    await done(await admin.put(f"/v1/access/feature-views/{unique}/people/{PERSON}", json={}))
    await done(await somebody.delete(f"/v1/feature-views/{unique}?reason=x"), 403)
    await done(await somebody.put(f"/v1/feature-views/{unique}/deprecation", json={"reason": "x"}), 403)


async def test_a_training_reads_what_who_registered_the_model_was_granted(
    feature: Feature, admin: httpx.AsyncClient, unique: str
) -> None:
    await served(feature, unique, sensitive=("worst_6h",))
    place = f"/v1/access/feature-views/{unique}/people/{PERSON}"
    await done(await admin.put(f"/v1/access/feature-views/{unique}/people/x", json={}))
    definition = model(unique, unique, [f"{unique}:worst_6h"], name=unique)
    await feature.hears(registered(definition), actor=PERSON)

    async def reason(number: int) -> str:
        training = f"{unique}-{number}"
        await feature.hears(requested(training, definition, DAY_0, DAY_0 + timedelta(days=1)))

        async def told() -> str | None:
            found = await feature.facts("dataset_failed", training_id=training)
            return str(found[0]["reason"]) if found else None

        return str(await eventually(told, timeout=40))

    assert f"was registered by {PERSON}" in (refused := await reason(1))
    assert f"none to read feature view {unique}" in refused
    await done(await admin.put(place, json={}))
    assert f"none of them lets {unique}__worst_6h be seen" in await reason(2)
