"""The graph of what was made of what: told by facts, walked up and down, and made anew."""

from datetime import timedelta

import pytest
from lineage_facts import (
    SOURCE,
    START,
    VIEW,
    attributes,
    hear,
    keys,
    logged,
    materialized,
    record,
    requested,
    roles,
    shifted,
    source,
    tell_everything,
    view,
)
from registry_door import Door
from registry_facts import CODE, ENVIRONMENT, define, trained
from sqlalchemy import text

from pelton.contracts.canonical import digest, sha256
from pelton.contracts.registry import (
    LoggedRun,
    ModelVersionDeleted,
    RegisteredModelDeleted,
    RegisteredModelRenamed,
)
from pelton.contracts.values import ModelVersion
from pelton.registry.lineage import projector, queries, store
from pelton.registry.lineage.graph import Edge, Graph, Key, Kind, Node, Role

DATASET = sha256(b"dataset 1")


async def contents(door: Door) -> list[list[tuple[object, ...]]]:
    async with door.units.engine.connect() as connection:
        return [
            sorted(map(tuple, await connection.execute(text(f"SELECT * FROM {table}"))), key=repr)  # noqa: S608
            for table in ("lineage_nodes", "lineage_edges")
        ]


async def test_a_version_leads_up_to_all_that_it_was_made_of(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await tell_everything(door)
    answer = await door.get("/lineage/version/late@1")
    assert keys(answer) == {
        ("version", "late@1"),
        ("run", "late-1"),
        ("dataset", DATASET),
        ("source", SOURCE.digest),
        ("schema", digest(SOURCE.json_schema)),
        ("view", VIEW.digest),
        ("code", CODE.digest),
        ("definition", define().digest),
        ("rules", digest(define().gates)),
        ("environment", digest(ENVIRONMENT)),
        ("lock", ENVIRONMENT.lock_digest),
        ("decision", "drift-1"),
    }
    assert roles(answer) == {
        ("version", "produced_by", "run"),
        ("run", "trained_on", "dataset"),
        ("run", "triggered_by", "decision"),
        ("run", "used", "code"),
        ("run", "used", "definition"),
        ("run", "used", "environment"),
        ("run", "used", "view"),
        ("dataset", "derived_from", "source"),
        ("dataset", "derived_from", "view"),
        ("definition", "includes", "rules"),
        ("environment", "includes", "lock"),
        ("source", "includes", "schema"),
    }
    assert answer["nodes"][0]["key"] == {"kind": "version", "id": "late@1"}
    assert attributes(answer, "dataset")["offsets"] == [
        {"topic": "pelton.data.departures", "partition": 0, "start": 0, "end": 1200}
    ]
    assert attributes(answer, "source")["definition"] == SOURCE.model_dump(mode="json")
    assert attributes(answer, "lock") == {}
    assert not answer["truncated"]


async def test_a_source_leads_down_to_the_predictions_of_a_window(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await tell_everything(door)
    details = (await door.get("/models/late/versions/1"))["details"]
    version = ModelVersion.model_validate(details)
    for revision in (1, 2):
        await hear(door, shifted(revision, version), at=START + timedelta(days=revision))
    answer = await door.get(f"/lineage/source/{SOURCE.digest}", direction="down")
    assert ("predictions", "late:1") in keys(answer)
    windows = {
        node["key"]["id"]: (node["attributes"]["since"], node["attributes"]["until"])
        for node in answer["nodes"]
        if node["key"]["kind"] == "predictions"
    }
    first, second = ((START + timedelta(days=day)).isoformat() for day in (1, 2))
    assert windows == {"late:1": (first, second), "late:2": (second, None)}


async def test_a_canary_served_and_a_shadow_only_watched(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    for number in (1, 2):
        await door.receive(trained(number))
    one, two = [ModelVersion.model_validate((await door.get(f"/models/late/versions/{n}"))["details"]) for n in (1, 2)]
    await hear(door, shifted(1, one, two).model_copy(update={"mode": "shadow"}))
    await hear(door, shifted(2, one, two))
    answer = await door.get("/lineage/version/late@2", direction="down")
    assert {(edge["role"], edge["child"]["id"]) for edge in answer["edges"]} == {
        ("shadowed_by", "late:1"),
        ("served_by", "late:2"),
    }


async def test_depth_and_direction_bound_what_is_shown(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await tell_everything(door)
    near = await door.get("/lineage/run/late-1", depth=1)
    assert ("dataset", DATASET) in keys(near)
    assert ("source", SOURCE.digest) not in keys(near)
    assert ("version", "late@1") not in keys(near)
    both = await door.get("/lineage/run/late-1", direction="both", depth=1)
    assert keys(both) == keys(near) | {("version", "late@1")}


async def test_a_circle_that_somebody_declared_ends(door: Door) -> None:
    for version, parent in ((1, 2), (2, 1)):
        await record(door, logged("ring", version, tags={"pelton.parent": f"ring@{parent}"}))
    answer = await door.get("/lineage/version/ring@1", depth=50)
    assert keys(answer) == {("version", "ring@1"), ("version", "ring@2")}
    assert len(answer["edges"]) == 2


async def test_more_than_can_be_shown_is_said_to_be_cut(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    await door.declare(define(), CODE.digest)
    await tell_everything(door)
    monkeypatch.setattr(queries, "MOST_NODES", 3)
    answer = await door.get("/lineage/version/late@1")
    assert answer["truncated"]
    assert len(answer["nodes"]) == 3
    ends = {tuple(edge[end].values()) for edge in answer["edges"] for end in ("child", "parent")}
    assert ends <= keys(answer)


@pytest.mark.parametrize("path", ["version/late@1", "run/1/2", "dataset/sha256:ff"])
async def test_what_no_fact_told_of_is_not_found(door: Door, path: str) -> None:
    answer = await door.ask("GET", f"/lineage/{path}")
    assert answer.status_code == 404, answer.text
    assert answer.json()["type"] == "urn:pelton:problem:unknown-node"


async def test_an_id_that_no_text_can_be_is_refused(door: Door) -> None:
    assert (await door.ask("GET", "/lineage/run/%00")).status_code == 422


async def test_a_logged_version_leads_to_its_run_its_commit_and_its_parent(door: Door) -> None:
    await record(door, logged("bert", 1))
    run = LoggedRun(run_id="r1", parameters={"pelton.parent": "bert@1"}, commit="c0ffee")
    await record(door, logged("bert-ähnlich 模型", 1, run=run))
    answer = await door.get("/lineage/version/bert-ähnlich 模型@1")
    assert keys(answer) == {
        ("version", "bert-ähnlich 模型@1"),
        ("run", "r1"),
        ("code", "c0ffee"),
        ("version", "bert@1"),
    }
    assert ("version", "derived_from", "version") in roles(answer)


@pytest.mark.parametrize("named", ["", "bert", "bert@0", "run:r1", "self@1", "sha256:" + "0" * 64])
async def test_a_parent_that_names_no_other_version_is_no_edge(door: Door, named: str) -> None:
    await record(door, logged("self", 1, tags={"pelton.parent": named}))
    assert (await door.get("/lineage/version/self@1", direction="both"))["edges"] == []


async def test_a_rename_takes_the_versions_along_and_frees_the_name(door: Door) -> None:
    await record(door, logged("old", 1, run=LoggedRun(run_id="r1")))
    await record(door, logged("older", 1, tags={"pelton.parent": "old@1"}))
    await record(door, RegisteredModelRenamed(model="old", to="new%_"))
    answer = await door.get("/lineage/version/older@1")
    assert keys(answer) == {("version", "older@1"), ("version", "new%_@1"), ("run", "r1")}
    assert (await door.ask("GET", "/lineage/version/old@1")).status_code == 404


async def test_a_deleted_version_leaves_the_graph_and_its_run_stays(door: Door) -> None:
    for model in ("a", "a-b"):
        for version in (1, 2):
            await record(door, logged(model, version, run=LoggedRun(run_id=f"{model}{version}", commit="c")))
    await record(door, ModelVersionDeleted(model="a", version=1))
    assert (await door.ask("GET", "/lineage/version/a@1")).status_code == 404
    assert ("code", "c") in keys(await door.get("/lineage/run/a1"))
    await record(door, RegisteredModelDeleted(model="a"))
    assert (await door.ask("GET", "/lineage/version/a@2")).status_code == 404
    assert ("run", "a-b2") in keys(await door.get("/lineage/version/a-b@2"))


async def test_what_depends_on_a_version_are_its_children(door: Door) -> None:
    await record(door, logged("base", 1))
    await record(door, logged("tuned", 1, tags={"pelton.parent": "base@1"}))
    async with door.units.engine.connect() as connection:
        assert await queries.dependents(connection, Kind.VERSION, "base@1") == [
            Edge(Key.version("tuned", 1), Role.DERIVED_FROM, Key.version("base", 1))
        ]
        assert await queries.dependents(connection, Kind.VERSION, "tuned@1") == []


async def test_of_two_descriptions_the_earlier_stays_in_whatever_order_they_come(door: Door) -> None:
    early = materialized(1)
    late = materialized(1, offsets=())
    for first, second in (((early, 1), (late, 2)), ((late, 2), (early, 1))):
        async with door.units.engine.begin() as connection:
            await connection.execute(text("TRUNCATE lineage_nodes, lineage_edges"))
        for fact, hour in (first, second):
            await hear(door, fact, at=START + timedelta(hours=hour))
        found = attributes(await door.get(f"/lineage/dataset/{DATASET}", depth=1), "dataset")
        assert found["offsets"], first


async def test_a_fact_told_twice_tells_nothing_new(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await tell_everything(door)
    once = await contents(door)
    for fact in (source(), view(), materialized(1), requested(1)):
        await hear(door, fact, at=START + timedelta(days=9))
    assert await contents(door) == once


async def test_made_anew_the_graph_is_the_one_that_was_kept_live(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    await door.declare(define(), CODE.digest)
    for number in (2, 1):
        await tell_everything(door, number)
    live = await contents(door)
    assert all(live)
    async with door.units.begin() as unit:
        await store.tell(
            unit.connection,
            Graph((Node(Key(Kind.RUN, "nobody's")),), (Edge(Key.version("late", 1), Role.USED, Key(Kind.RUN, "x")),)),
            START,
            unit._new_id(),
        )
    assert await contents(door) != live
    monkeypatch.setattr(projector, "PAGE", 2)
    assert (await door.ask("POST", "/projections/rebuild")).status_code == 200
    assert await contents(door) == live
