import pytest
from registry_door import Door
from registry_facts import CODE, aborted, artifact, breached, define, evaluation, person, succeeded, trained
from sqlalchemy import text

from pelton.eventkit.identity import Role
from pelton.registry import projections

TABLES = ("models", "runs", "versions", "stage_changes", "approvals")


async def contents(door: Door) -> dict[str, list[tuple[object, ...]]]:
    async with door.units.engine.connect() as connection:
        return {
            table: sorted(map(tuple, await connection.execute(text(f"SELECT * FROM {table}"))), key=repr)  # noqa: S608
            for table in TABLES
        }


async def eventful_life(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    for number in (1, 2):
        await door.receive(trained(number))
        await door.receive(succeeded(number))
    await door.receive(breached(2))
    await door.receive(trained(3, evaluation=evaluation(0.3)))
    await door.declare(person(), CODE.digest)
    for number in (4, 5, 6, 7):
        await door.receive(trained(number, person()))
    for version in (4, 5, 6):
        await door.receive(succeeded(version))
    for version, word in ((4, "approve"), (5, "deny")):
        body = {"artifact": artifact(version), "reason": "a person's word"}
        assert (await door.ask("POST", f"/models/late/versions/{version}/{word}", json=body)).status_code == 200
    await door.receive(aborted(6, "superseded"))
    move = {"to": "production", "reason": "urgent"}
    assert (await door.ask("POST", "/models/late/versions/7/stage", json=move)).status_code == 200
    assert (await door.ask("POST", "/models/late/rollback", json={"reason": "slow"})).status_code == 200


async def test_rebuilt_from_the_first_fact_the_tables_are_those_kept_live(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    await eventful_life(door)
    live = await contents(door)
    assert all(live[table] for table in TABLES)
    assert {row[8] for row in live["approvals"]} == {"pending", "granted", "denied", "withdrawn"}
    async with door.units.begin() as unit:
        await unit.connection.execute(text("UPDATE versions SET stage = 'nowhere'"))
        await unit.connection.execute(text("DELETE FROM stage_changes"))
        await unit.connection.execute(text("DELETE FROM approvals WHERE status = 'pending'"))
        await unit.connection.execute(text("UPDATE models SET champion = 99, former = '{}'"))
    assert await contents(door) != live
    # pages smaller than the history, so that going on from one to the next is part of it
    monkeypatch.setattr(projections, "PAGE", 7)
    answer = await door.ask("POST", "/projections/rebuild", role=Role.ADMIN)
    assert answer.json() == {"facts": len(await door.facts())}
    assert await contents(door) == live


async def test_only_an_admin_rebuilds(door: Door) -> None:
    assert (await door.ask("POST", "/projections/rebuild", role=Role.APPROVER)).status_code == 403


async def test_after_a_rebuild_an_approval_still_follows_from_its_request(door: Door) -> None:
    await door.declare(person(), CODE.digest)
    await door.receive(trained(1, person()))
    await door.receive(succeeded(1))
    await door.ask("POST", "/projections/rebuild")
    body = {"artifact": artifact(1), "reason": "fine"}
    assert (await door.ask("POST", "/models/late/versions/1/approve", json=body)).status_code == 200
    requested, *decided = [fact for fact in await door.facts() if fact["type"] != "model_registered"][-4:]
    assert requested["type"] == "approval_requested"
    assert {fact["causation_id"] for fact in decided} == {requested["id"]}
