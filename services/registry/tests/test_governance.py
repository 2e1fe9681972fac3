"""Policies, approvals, variants, deprecation and history, as people meet them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from registry_door import Door
from registry_facts import CODE, define, succeeded, trained

from pelton.contracts.registry import LoggedRun
from pelton.eventkit.identity import Role
from pelton.registry import commands
from pelton.registry.catalogue.contents import artifact_at
from pelton.registry.domain.catalogue import Draft
from pelton.registry.governance import usage
from pelton.registry.governance.expiry import Expiry

MODEL = "loans"
LOCATION = "mlflow-artifacts:/1/abc/artifacts/model"
SIGNED = b"""
signature:
  inputs: '[{"type": "double", "name": "income", "required": true}]'
"""


async def put(door: Door, path: str, data: bytes) -> None:
    answer = await door.mlflow("PUT", f"2.0/mlflow-artifacts/artifacts/1/abc/artifacts/model/{path}", content=data)
    assert answer.status_code == 200, answer.text


async def logged(door: Door, metrics: dict[str, float] | None = None, versions: int = 1) -> None:
    await put(door, "MLmodel", SIGNED)
    async with door.units.begin(actor="ann") as unit:
        await commands.create_model(unit, MODEL)
        for _ in range(versions):
            artifact = await artifact_at(unit.connection, door.backend.objects, LOCATION)
            run = LoggedRun(run_id="abc", metrics=metrics or {"auc": 0.8})
            await commands.create_version(unit, MODEL, Draft(LOCATION, artifact=artifact, run=run))


async def policy(door: Door, stage: str, **content: object) -> None:
    body = {"policy": content, "reason": "the rules"}
    answer = await door.ask("PUT", f"/models/{MODEL}/policies/{stage}", json=body)
    assert answer.status_code == 200, answer.text


async def move(door: Door, to: str, who: str = "ann", version: int = 1) -> Any:  # noqa: ANN401
    path = f"/models/{MODEL}/versions/{version}/stage"
    return await door.ask("POST", path, who, Role.CONTRIBUTOR, json={"to": to, "reason": "ready"})


async def decide(door: Door, who: str, word: str = "approve", role: Role = Role.APPROVER) -> Any:  # noqa: ANN401
    version = await door.get(f"/models/{MODEL}/versions/1")
    body = {"artifact": version["artifact"], "reason": "looked at it"}
    return await door.ask("POST", f"/models/{MODEL}/versions/1/{word}", who, role, json=body)


async def waiting(door: Door, **approvals: object) -> None:
    await logged(door)
    await policy(door, "production", approvals=approvals)
    assert (await move(door, "staging")).json()["stage"] == "staging"
    assert (await move(door, "production")).json()["stage"] == "staging"


async def test_a_gate_refuses_with_its_reason_until_evidence_is_given(door: Door) -> None:
    await logged(door)
    gates = {"floors": {"auc": 0.75}, "latency": {"p99_ms": 5}}
    await policy(door, "staging", gates=gates)
    refused = await move(door, "staging")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:pelton:problem:gates-failed")
    assert f"POST /v1/models/{MODEL}/versions/1/evidence" in refused.json()["detail"]
    evidence = {"latency": {"rows": 100, "p50_ms": 1, "p99_ms": 4}}
    path = f"/models/{MODEL}/versions/1"
    assert (await door.ask("POST", f"{path}/evidence", role=Role.CONTRIBUTOR, json=evidence)).status_code == 200
    moved = await move(door, "staging")
    assert moved.json()["stage"] == "staging"
    assert [(gate["name"], gate["passed"]) for gate in moved.json()["gates"]] == [
        ("auc_floor", True),
        ("latency_p99_ms", True),
        ("safe_formats", True),
    ]


async def test_inputs_that_callers_do_not_send_are_seen_when_somebody_moves_a_version(door: Door) -> None:
    await logged(door, versions=2)
    await policy(door, "production", gates={"compatible_inputs": True})
    for number in (1, 2):
        assert (await move(door, "staging", version=number)).status_code == 200
    assert (await move(door, "production", version=1)).json()["stage"] == "production"
    more = SIGNED.replace(b'[{"type"', b'[{"type": "double", "name": "age"}, {"type"')
    # the version in production keeps its files: another place holds the challenger's
    other = "2.0/mlflow-artifacts/artifacts/1/def/artifacts/model/MLmodel"
    assert (await door.mlflow("PUT", other, content=more)).status_code == 200
    async with door.units.begin(actor="ann") as unit:
        location = "mlflow-artifacts:/1/def/artifacts/model"
        assert await commands.create_version(unit, MODEL, Draft(location)) == 3
    assert (await move(door, "staging", version=3)).status_code == 200
    refused = await move(door, "production", version=3)
    assert refused.status_code == 409
    assert "callers of v1 do not send age" in refused.json()["detail"]


async def test_several_different_people_must_agree_and_none_of_them_who_asked(door: Door) -> None:
    await waiting(door, count=2)
    assert (await decide(door, "ann")).json()["type"] == "urn:pelton:problem:own-request"
    assert (await decide(door, "bob")).json()["stage"] == "staging"
    assert (await decide(door, "bob")).json()["type"] == "urn:pelton:problem:agreed-already"
    assert (await decide(door, "eve", role=Role.CONTRIBUTOR)).status_code == 403
    (request,) = (await door.get("/approvals"))["approvals"]
    assert (request["needed"], request["request"]) == (2, "ready")
    assert [one["by"] for one in request["agreed"]] == ["bob"]
    version = (await decide(door, "carl")).json()
    assert (version["stage"], version["aliases"]) == ("production", ["champion"])
    assert version["approvals"][0]["status"] == "granted"
    assert (await door.get("/approvals"))["approvals"] == []


async def test_a_request_for_a_team_is_decided_by_its_members(door: Door) -> None:
    await waiting(door, team="risk")
    assert (await decide(door, "bob")).status_code == 403
    team = {"members": {"bob": "approver"}, "models": ["*"]}
    assert (await door.ask("PUT", "/teams/risk", json=team)).status_code == 204
    assert (await decide(door, "bob")).json()["stage"] == "production"


async def test_people_talk_about_a_request_and_who_asked_takes_it_back(door: Door) -> None:
    await waiting(door)
    path = f"/models/{MODEL}/versions/1"
    said = await door.ask("POST", f"{path}/comments", "bob", Role.CONTRIBUTOR, json={"text": "why now?"})
    assert said.status_code == 200
    (request,) = (await door.get("/approvals"))["approvals"]
    assert [(one["by"], one["text"]) for one in request["comments"]] == [("bob", "why now?")]
    body = {"reason": "too early"}
    refused = await door.ask("POST", f"{path}/withdraw", "bob", Role.CONTRIBUTOR, json=body)
    assert refused.json()["type"] == "urn:pelton:problem:not-your-request"
    version = await door.ask("POST", f"{path}/withdraw", "ann", Role.CONTRIBUTOR, json=body)
    assert version.json()["approvals"][0]["status"] == "withdrawn"
    assert (await door.ask("POST", f"{path}/comments", json={"text": "late"})).status_code == 409


async def test_a_late_approval_is_refused_and_the_request_expires(door: Door) -> None:
    await waiting(door, expires="1s")
    late = await decide(door, "bob")
    assert late.json()["type"] == "urn:pelton:problem:request-expired"

    class Led:
        async def confirm(self, connection: object) -> None:
            """Nobody else is there."""

    await Expiry(door.units, Led()).look()  # type: ignore[arg-type]
    version = await door.get(f"/models/{MODEL}/versions/1")
    assert version["approvals"][0]["status"] == "expired"
    assert (await decide(door, "bob")).json()["type"] == "urn:pelton:problem:nothing-to-decide"


async def test_content_that_changed_voids_the_request_and_the_refusal_says_so(door: Door) -> None:
    await logged(door)
    await policy(door, "staging", approvals={})
    assert (await move(door, "staging")).json()["stage"] == "development"
    await put(door, "weights.txt", b"0.5")
    answer = await decide(door, "bob")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:pelton:problem:version-changed")
    assert "every approval of it is void" in answer.json()["detail"]
    version = await door.get(f"/models/{MODEL}/versions/1")
    assert (version["stage"], version["approvals"][0]["status"]) == ("development", "void")
    assert (await move(door, "staging")).json()["approvals"][1]["artifact"] == version["artifact"]
    assert (await decide(door, "bob")).json()["stage"] == "staging"


async def test_another_policy_voids_what_was_asked_under_the_former(door: Door) -> None:
    await waiting(door)
    await policy(door, "production", approvals={"count": 3})
    assert (await decide(door, "bob")).json()["type"] == "urn:pelton:problem:nothing-to-decide"
    version = await door.get(f"/models/{MODEL}/versions/1")
    assert version["approvals"][0]["status"] == "void"


async def test_only_an_administrator_sets_policies_and_none_for_a_stage_that_nobody_earns(door: Door) -> None:
    await logged(door)
    body = {"policy": {}, "reason": "mine"}
    path = f"/models/{MODEL}/policies"
    assert (await door.ask("PUT", f"{path}/production", role=Role.APPROVER, json=body)).status_code == 403
    assert (await door.ask("PUT", f"{path}/archived", json=body)).status_code == 422
    await policy(door, "production", gates={"floors": {"auc": 0.9}})
    assert (await door.get(f"{path}/production"))["policy"]["gates"]["floors"] == {"auc": 0.9}
    assert (await door.ask("DELETE", f"{path}/production", params={"reason": "over"})).status_code == 204
    assert await door.get(path) == []


async def test_a_policy_on_production_holds_for_what_the_loop_trains_too(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await door.receive(trained(1))
    body = {"policy": {"gates": {"floors": {"auc": 0.9}}}, "reason": "stricter"}
    assert (await door.ask("PUT", "/models/late/policies/production", json=body)).status_code == 200
    await door.receive(succeeded(1))
    version = await door.get("/models/late/versions/1")
    assert version["stage"] == "archived"
    assert version["history"][-1]["reason"] == "failed 1 of 1 gates: auc 0.7 is below the floor 0.9"


async def test_variants_are_configured_ended_and_refused(door: Door) -> None:
    await logged(door, versions=2)
    for number in (1, 2):
        await move(door, "production", version=number)

    def body(*weights: float, versions: tuple[int, ...] = (1, 2)) -> dict[str, object]:
        arms = [
            {"name": name, "version": version, "weight": weight}
            for name, version, weight in zip(("a", "b"), versions, weights, strict=False)
        ]
        return {"variants": arms, "key": "customer", "salt": "autumn", "reason": "compare"}

    path = f"/models/{MODEL}/variants"
    for wrong in (body(0.5, 0.4), body(1.0), body(0.5, 0.5, versions=(1, 1))):
        assert (await door.ask("PUT", path, json=wrong)).json()["type"] == "urn:pelton:problem:invalid-variants"
    assert (await door.ask("PUT", path, role=Role.CONTRIBUTOR, json=body(0.5, 0.5))).status_code == 403
    answer = await door.ask("PUT", path, json=body(0.9, 0.1))
    assert [one["weight"] for one in answer.json()["variants"]] == [0.9, 0.1]
    facts = len(await door.facts())
    await door.ask("PUT", path, json=body(0.9, 0.1))
    assert len(await door.facts()) == facts
    refused = await door.ask("DELETE", f"/models/{MODEL}/versions/1", params={"reason": "old"})
    assert "the variant 'a' is it" in refused.json()["detail"]
    assert (await door.ask("DELETE", path, params={"reason": "done"})).status_code == 204
    assert (await door.ask("GET", path)).status_code == 404


async def test_a_deprecation_says_by_when_why_and_what_follows_and_who_still_uses_it(door: Door) -> None:
    await logged(door, versions=2)
    sunset = datetime(2013, 9, 1, tzinfo=UTC)
    path = f"/models/{MODEL}/versions/1/deprecation"
    body = {"sunset": sunset.isoformat(), "reason": "v2 is fairer", "successor": 2}
    version = await door.ask("PUT", path, json=body)
    assert version.json()["deprecation"]["successor"] == 2
    past = body | {"sunset": "2012-01-01T00:00:00Z"}
    assert (await door.ask("PUT", path, json=past)).json()["type"] == "urn:pelton:problem:invalid-deprecation"
    now = door.units.clock()
    async with door.units.begin() as unit:
        for total in (5, 7, 6):
            await usage.count(unit.connection, MODEL, 1, "shop", now.date(), "inference-1", total, now)
        await usage.count(unit.connection, MODEL, 1, "shop", now.date(), "inference-2", 1, now + timedelta(minutes=1))
        await usage.look_up(unit.connection, MODEL, 2, "batch", now)
        await usage.look_up(unit.connection, MODEL, 2, "batch", now)
    found = await door.get(f"/models/{MODEL}/usage")
    assert [(one["version"], one["caller"], one["rows"], one["look_ups"]) for one in found] == [
        (1, "shop", 8, None),
        (2, "batch", None, 2),
    ]
    assert [one["version"] for one in await door.get(f"/models/{MODEL}/usage", version=2)] == [2]
    assert (await door.ask("DELETE", path, params={"reason": "stays"})).status_code == 204
    assert (await door.ask("DELETE", path, params={"reason": "stays"})).status_code == 404
    assert (await door.get(f"/models/{MODEL}/versions/1"))["deprecation"] is None


async def test_the_history_says_who_did_what_and_why_and_outlives_the_model(door: Door) -> None:
    await waiting(door)
    await decide(door, "bob", "deny")
    path = f"/models/{MODEL}"
    page = await door.get(f"{path}/versions/1/history", limit=3)
    assert [(one["what"], one["actor"], one["reason"]) for one in page["history"]] == [
        ("staging → archived", "bob", "denied by bob: looked at it"),
        ("denied by bob", "bob", "looked at it"),
        ("production requested by ann", "ann", "ready"),
    ]
    rest = await door.get(f"{path}/versions/1/history", page=page["next_page"])
    assert [one["what"] for one in rest["history"]] == [
        "passed 1 gate",
        "development → staging",
        "passed 1 gate",
        f"logged from {LOCATION}",
    ]
    assert (await door.ask("DELETE", path, params={"reason": "nobody needs it"})).status_code == 204
    whole = (await door.get(f"{path}/history"))["history"]
    assert (whole[0]["what"], whole[0]["reason"], whole[-1]["what"]) == ("deleted", "nobody needs it", "created")
    assert (await door.ask("GET", "/models/never/history")).status_code == 404


@pytest.mark.parametrize("governed", [False, True])
async def test_the_alias_champion_is_free_until_the_model_is_governed(door: Door, *, governed: bool) -> None:
    await logged(door, versions=2)
    await move(door, "production", version=2)
    if governed:
        await policy(door, "production")
        assert (await door.get(f"/models/{MODEL}"))["aliases"] == {"champion": 2}
    answer = await door.ask("PUT", f"/models/{MODEL}/aliases/champion", json={"version": 1})
    assert answer.status_code == (409 if governed else 200)
