"""What may not be read is not found, on `/v1` and on MLflow's routes alike."""

from typing import Any

import pytest
from registry_door import Door
from registry_facts import CODE, artifact, define, person, succeeded, trained

from pelton.contracts.registry import ModelAliasSet, ModelTagged
from pelton.eventkit.identity import Role
from pelton.registry.commands import load
from pelton.registry.projections import record

LATE = "/models/late"


@pytest.fixture
async def two_models(door: Door) -> None:
    """`late` with a version that waits for approval and one that is tagged, and `other`."""
    for definition in (person(), define(name="other")):
        assert (await door.declare(definition, CODE.digest)).status_code == 201
    for number in (1, 2):
        await door.receive(trained(number, person()))
        await door.receive(succeeded(number))
    async with door.units.begin(actor="ann") as unit:
        model = await load(unit, "late")
        await record(unit, model, [ModelTagged(model="late", version=2, name="pii", value="yes")])


async def restrict(door: Door, **body: Any) -> None:  # noqa: ANN401
    body = {"models": ["late"], "actions": ["read"], "users": ["bob"], "reason": "patients' data"} | body
    answer = await door.ask("PUT", "/restrictions/hidden", json=body)
    assert answer.status_code == 204, answer.text


async def found(door: Door, path: str, key: str, who: str, role: Role = Role.CONTRIBUTOR) -> list[dict[str, Any]]:
    answer = await door.ask("GET", path, who, role)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()[key]
    return rows


@pytest.mark.usefixtures("two_models")
async def test_every_route_about_a_restricted_model_refuses_with_the_reason(door: Door) -> None:
    await restrict(door)
    paths = [
        *("", "/versions", "/versions/1", "/lineage/1", "/history", "/versions/1/history", "/policies", "/variants"),
        *("/usage", "/policies/staging"),
    ]
    for path in paths:
        answer = await door.ask("GET", LATE + path, "carl", Role.APPROVER)
        assert (answer.status_code, "patients' data" in answer.text) == (403, True), path
        assert (await door.ask("GET", LATE + path, "bob", Role.VIEWER)).status_code != 403, path
        other = await door.ask("GET", "/models/other" + path, "carl", Role.APPROVER)
        assert other.status_code != 403, path


@pytest.mark.usefixtures("two_models")
async def test_lists_leave_out_what_may_not_be_read_and_go_on_after_it(door: Door) -> None:
    await restrict(door)
    for who, role, whole in (("carl", Role.APPROVER, False), ("bob", Role.VIEWER, True), ("root", Role.ADMIN, True)):
        models = [one["model"] for one in await found(door, "/models", "models", who, role)]
        assert models == (["late", "other"] if whole else ["other"])
        assert len(await found(door, "/runs", "runs", who, role)) == (2 if whole else 0)
        assert len(await found(door, "/approvals", "approvals", who, role)) == (2 if whole else 0)
    first = (await door.ask("GET", "/models?limit=1", "carl", Role.VIEWER)).json()
    assert first["models"] == []
    rest = (await door.ask("GET", f"/models?limit=1&page={first['next_page']}", "carl", Role.VIEWER)).json()
    assert [one["model"] for one in rest["models"]] == ["other"]


@pytest.mark.usefixtures("two_models")
async def test_a_tag_of_one_version_hides_that_version_alone(door: Door) -> None:
    await restrict(door, when={"tags": {"pii": None}})
    versions = [one["version"] for one in await found(door, f"{LATE}/versions", "versions", "carl")]
    assert versions == [1]
    assert [one["version"] for one in await found(door, "/approvals", "approvals", "carl")] == [1]
    for version, status in ((1, 200), (2, 403)):
        answer = await door.ask("GET", f"{LATE}/versions/{version}", "carl", Role.VIEWER)
        assert answer.status_code == status
    assert (await door.ask("GET", LATE, "carl", Role.VIEWER)).status_code == 200


@pytest.mark.usefixtures("two_models")
async def test_a_restricted_versions_bytes_are_restricted_by_their_digest(door: Door) -> None:
    await restrict(door, when={"tags": {"pii": None}})
    for version, status in ((1, 404), (2, 403)):
        answer = await door.ask("GET", f"/artifacts/{artifact(version)}", "carl", Role.APPROVER)
        assert answer.status_code == status  # nobody uploaded them: who may read is told that
    assert (await door.ask("GET", f"/artifacts/{artifact(2)}", "bob", Role.VIEWER)).status_code == 404


@pytest.mark.usefixtures("two_models")
async def test_an_explanation_knows_the_tags_and_aliases_that_there_are(door: Door) -> None:
    async with door.units.begin(actor="ann") as unit:
        model = await load(unit, "late")
        await record(unit, model, [ModelAliasSet(model="late", alias="blue", version=2)])
    await restrict(door, actions=["delete"], when={"tags": {"pii": "yes"}, "aliases": ["blue"]})
    question: dict[str, Any] = {"model": "late", "user": "carl", "role": "approver"}
    for asked, allowed in (
        ({"action": "delete", "version": 2}, False),
        ({"action": "delete", "version": 1}, True),
        ({"action": "delete"}, False),
        ({"action": "write", "version": 2}, True),
        ({"action": "tag", "version": 2, "tag": "pii"}, False),
        ({"action": "tag", "version": 2, "tag": "owner", "value": "x"}, True),
        ({"action": "set_alias", "alias": "blue"}, False),
        ({"action": "set_alias", "alias": "green", "version": 2}, True),
        ({"action": "set_alias", "alias": "blue", "version": 1}, False),
    ):
        answer = await door.get("/access/check", **question, **asked)
        assert answer["allowed"] is allowed, asked
