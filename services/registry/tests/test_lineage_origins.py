"""Where the code of declared models came from, and under which rules their versions entered a stage."""

from typing import Any

import pytest
from lineage_facts import keys, roles, tell_everything
from registry_door import Door
from registry_facts import CODE, define, succeeded, trained
from sqlalchemy import text

from pelton.contracts.canonical import sha256
from pelton.eventkit.identity import Role

COMMIT, OTHER = "c" * 40, "d" * 40


async def declare(door: Door, origin: dict[str, Any], code: str = CODE.digest, **changes: Any) -> Any:  # noqa: ANN401
    body = {"definition": define(**changes).model_dump(mode="json"), "code": code, "origin": origin}
    return await door.ask("POST", "/models", json=body)


async def set_policy(door: Door, stage: str, policy: dict[str, Any] | None) -> None:
    path = f"/models/late/policies/{stage}"
    if policy is None:
        answer = await door.ask("DELETE", path, params={"reason": "enough"})
    else:
        answer = await door.ask("PUT", path, json={"policy": policy, "reason": "more"})
    assert answer.status_code in {200, 204}, answer.text


async def rules_of(door: Door, version: int) -> dict[str, dict[str, Any]]:
    """The policies that a version entered its stages under, by stage."""
    found = await door.get(f"/lineage/version/late@{version}", depth=1)
    judged = {tuple(edge["parent"].values()) for edge in found["edges"] if edge["role"] == "judged_by"}
    told = [node["attributes"] for node in found["nodes"] if tuple(node["key"].values()) in judged]
    assert len(told) == len(judged)
    return {one["stage"]: one["policy"] for one in told}


async def lineage_tables(door: Door) -> list[list[tuple[object, ...]]]:
    async with door.units.engine.connect() as connection:
        return [
            sorted(map(tuple, await connection.execute(text(f"SELECT * FROM {table}"))), key=repr)  # noqa: S608
            for table in ("lineage_nodes", "lineage_edges")
        ]


async def test_code_leads_to_its_commit_to_what_differed_and_to_its_notebooks(door: Door) -> None:
    diff, notebook = [await door.backend.objects.put(content) for content in (b"a patch", b"{}")]
    origin = {"commit": COMMIT, "dirty": True, "diff": diff, "notebooks": {"explore.ipynb": notebook}}
    assert (await declare(door, origin)).status_code == 201
    await tell_everything(door)
    found = await door.get("/lineage/version/late@1")
    assert {("code", CODE.digest), ("code", COMMIT), ("diff", diff), ("notebook", notebook)} < keys(found)
    assert {
        ("code", "derived_from", "code"),
        ("code", "derived_from", "diff"),
        ("code", "includes", "notebook"),
    } < roles(found)
    attributes = {(node["key"]["kind"], node["key"]["id"]): node["attributes"] for node in found["nodes"]}
    assert attributes["notebook", notebook] == {"name": "explore.ipynb"}
    assert attributes["code", CODE.digest]["dirty"] is True
    down = await door.get(f"/lineage/code/{COMMIT}", direction="down")
    assert ("version", "late@1") in keys(down)


async def test_another_commit_of_the_same_content_changes_nothing(door: Door) -> None:
    assert (await declare(door, {"commit": COMMIT, "dirty": False})).status_code == 201
    again = await declare(door, {"commit": OTHER, "dirty": False})
    assert again.json()["status"] == "unchanged"
    assert [fact["type"] for fact in await door.facts()] == ["model_registered"]


async def test_versions_from_different_commits_differ_in_them(door: Door) -> None:
    code = await door.backend.objects.put(b"other code")
    diff = await door.backend.objects.put(b"a patch")
    await declare(door, {"commit": COMMIT, "dirty": False})
    await door.receive(trained(1))
    await declare(door, {"commit": OTHER, "dirty": True, "diff": diff}, code)
    await door.receive(trained(2, code=code))
    answer = await door.get("/diff", a="late@1", b="late@2")
    assert [(one["path"], one["before"], one["after"]) for one in answer["sections"]["code"]] == [
        (["bundle"], CODE.digest, code),
        (["commit"], COMMIT, OTHER),
        (["diff"], None, diff),
        (["dirty"], False, True),
    ]


async def test_a_bundle_declared_from_two_commits_came_from_both(door: Door) -> None:
    await declare(door, {"commit": OTHER, "dirty": False})
    await declare(door, {"commit": COMMIT, "dirty": False}, threshold=0.4)
    await door.receive(trained(1, define(threshold=0.4)))
    await declare(door, {"commit": OTHER, "dirty": False}, code=await door.backend.objects.put(b"other code"))
    await door.receive(trained(2, code=sha256(b"other code")))
    answer = await door.get("/diff", a="late@1", b="late@2")
    (commit,) = (one for one in answer["sections"]["code"] if one["path"] == ["commit"])
    assert (commit["before"], commit["after"]) == (f"{COMMIT}, {OTHER}", OTHER)


@pytest.mark.parametrize(
    ("origin", "where"),
    [
        ({"diff": sha256(b"gone")}, "origin.diff"),
        ({"notebooks": {"a.ipynb": sha256(b"gone")}}, "origin.notebooks.a.ipynb"),
        ({"commit": "HEAD"}, "origin.commit"),
        ({"notebooks": {"../a.ipynb": CODE.digest}}, "origin.notebooks"),
    ],
)
async def test_an_origin_that_cannot_be_kept_is_refused(door: Door, origin: dict[str, Any], where: str) -> None:
    answer = await declare(door, {"commit": COMMIT, "dirty": True} | origin)
    assert answer.status_code == 422
    assert where in str(answer.json()["errors"])
    assert await door.facts() == []


async def test_a_version_leads_to_the_rules_of_each_stage_that_it_entered(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await set_policy(door, "staging", {"gates": {"floors": {"auc": 0.5}}})
    await door.receive(trained(1))
    await set_policy(door, "staging", {"gates": {"floors": {"auc": 0.55}}})
    await set_policy(door, "production", {"gates": {"floors": {"auc": 0.5}}})
    await door.receive(succeeded(1))
    await door.receive(trained(2))
    await set_policy(door, "staging", None)
    await door.receive(trained(3))
    first, second, third = [await rules_of(door, version) for version in (1, 2, 3)]
    assert {stage: one["gates"]["floors"] for stage, one in first.items()} == {
        "staging": {"auc": 0.5},
        "production": {"auc": 0.5},
    }
    assert {stage: one["gates"]["floors"] for stage, one in second.items()} == {"staging": {"auc": 0.55}}
    assert third == {}
    answer = await door.get("/diff", a="late@1", b="late@2")
    told = {".".join(map(str, one["path"])): (one["before"], one["after"]) for one in answer["sections"]["rules"]}
    assert told["staging.gates.floors.auc"] == (0.5, 0.55)
    assert told["production"][1] is None
    live = await lineage_tables(door)
    assert (await door.ask("POST", "/projections/rebuild")).status_code == 200
    assert await lineage_tables(door) == live


async def test_a_champion_that_is_taken_back_is_judged_by_nothing_new(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    for version in (1, 2):
        await door.receive(trained(version))
        await door.receive(succeeded(version))
    await set_policy(door, "production", {"gates": {"floors": {"auc": 0.99}}})
    answer = await door.ask("POST", "/models/late/rollback", role=Role.APPROVER, json={"reason": "worse"})
    assert answer.status_code == 200, answer.text
    assert (await door.get("/models/late"))["champion"] == 1
    assert await rules_of(door, 1) == {}
