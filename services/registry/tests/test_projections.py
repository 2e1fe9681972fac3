import pytest
from registry_door import Door
from registry_facts import CODE, aborted, artifact, breached, define, evaluation, person, succeeded, trained
from sqlalchemy import text

from pelton.contracts.values import Artifact
from pelton.eventkit.identity import Role
from pelton.registry import commands, projections
from pelton.registry.domain.catalogue import Draft

TABLES = (
    "models",
    "runs",
    "versions",
    "stage_changes",
    "approvals",
    "agreements",
    "comments",
    "model_tags",
    "version_tags",
    "aliases",
    "policies",
    "evidence",
    "variants",
    "deprecations",
    "former_models",
)


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


async def life_of_logged_models(door: Door) -> None:
    """What programs and people do to models that they train themselves: each kind of fact, and names that move on."""

    async def ask(method: str, path: str, body: dict[str, object], who: str = "ann") -> None:
        said = {"params": body} if method == "DELETE" else {"json": body}
        answer = await door.ask(method, path, who, **said)
        assert answer.status_code in {200, 204}, answer.text

    artifact_of = {"artifact": artifact(1), "reason": "looked"}
    for name in ("gone", "loans"):
        async with door.units.begin(actor="ann") as unit:
            await commands.create_model(unit, name, tags={"domain": "credit"})
            for number in range(1, 5):
                content = Artifact(digest=artifact(1), size=1, format="onnx") if name == "loans" else None
                draft = Draft("s3://elsewhere", artifact=content, tags={"number": str(number)})
                await commands.create_version(unit, name, draft)
            await commands.tag_model(unit, name, "owner", "risk")
            await commands.tag_model(unit, name, "domain", None)
            await commands.describe_model(unit, name, "who pays back")
            await commands.describe_version(unit, name, 1, "the first")
            await commands.tag_version(unit, name, 1, "number", None)
            await commands.tag_version(unit, name, 1, "seen", "yes")
            await commands.set_alias(unit, name, "old", 1)
            await commands.set_alias(unit, name, "next", 2)
            await commands.remove_alias(unit, name, "old")
            await commands.delete_version(unit, name, 4)
        for number in (1, 2):
            await ask("POST", f"/models/{name}/versions/{number}/stage", {"to": "production", "reason": "go"})
        await ask("PUT", f"/models/{name}/versions/1/deprecation", {"reason": "old", "successor": 2})
        await ask("PUT", f"/models/{name}/deprecation", {"reason": "all of it"})
        await ask("DELETE", f"/models/{name}/deprecation", {"reason": "no"})
    arms = [{"name": "a", "version": 1, "weight": 0.5}, {"name": "b", "version": 2, "weight": 0.5}]
    await ask("PUT", "/models/loans/variants", {"variants": arms, "key": "id", "salt": "s", "reason": "compare"})
    await ask("POST", "/models/loans/versions/3/evidence", {"metrics": {"auc": 0.8}})
    await ask("DELETE", "/models/gone/versions/1/deprecation", {"reason": "no"})
    for stage in ("archived", "development", "production"):
        await ask("POST", "/models/gone/versions/2/stage", {"to": stage, "reason": "back and forth"})
    await ask("POST", "/models/gone/rollback", {"reason": "worse"})
    for number in (1, 2):
        await ask("POST", f"/models/gone/versions/{number}/stage", {"to": "archived", "reason": "over"})
    async with door.units.begin(actor="ann") as unit:
        await commands.remove_alias(unit, "gone", "next")
        await commands.delete_model(unit, "gone", "nobody needs it")
        await commands.rename_model(unit, "loans", "credit")
        await commands.create_model(unit, "loans")
        await commands.create_version(unit, "loans", Draft("s3://elsewhere"))
    for approvals in ({"count": 2}, {"count": 3}):
        body = {"policy": {"approvals": approvals, "gates": {"floors": {"auc": 0.5}}}, "reason": "rules"}
        await ask("PUT", "/models/late/policies/production", body)
    await door.receive(trained(8, person()))
    await door.receive(succeeded(8))
    await ask("POST", "/models/late/versions/8/comments", {"text": "why?"}, "bob")
    await ask("POST", "/models/late/versions/8/approve", artifact_of | {"artifact": artifact(8)}, "bob")
    await ask("PUT", "/models/late/policies/staging", {"policy": {}, "reason": "rules"})
    await ask("DELETE", "/models/late/policies/staging", {"reason": "no rules"})


async def test_rebuilt_from_the_first_fact_the_tables_are_those_kept_live(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    await eventful_life(door)
    await life_of_logged_models(door)
    live = await contents(door)
    assert [table for table in TABLES if not live[table]] == []
    assert {row[8] for row in live["approvals"]} >= {"pending", "granted", "denied", "withdrawn"}
    async with door.units.begin() as unit:
        await unit.connection.execute(text("UPDATE versions SET stage = 'nowhere'"))
        await unit.connection.execute(text("DELETE FROM stage_changes"))
        await unit.connection.execute(text("DELETE FROM approvals WHERE status = 'pending'"))
        await unit.connection.execute(text("UPDATE models SET champion = 99, former = '{}'"))
        for table in ("former_models", "model_tags", "version_tags", "aliases", "policies", "evidence", "variants"):
            await unit.connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
        await unit.connection.execute(text("UPDATE deprecations SET reason = 'none'"))
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
