import asyncio
import json
from typing import Any

import pytest
from registry_door import MAX_BODY, Door
from registry_facts import CODE, aborted, artifact, breached, define, evaluation, person, succeeded, trained

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import ModelDefinition
from pelton.eventkit.failures import PermanentError
from pelton.eventkit.identity import Role


async def staged(door: Door, number: int = 1, definition: ModelDefinition | None = None) -> None:
    assert (await door.declare(definition or define(), CODE.digest)).status_code in (200, 201)
    await door.receive(trained(number, definition))


async def waiting(door: Door) -> None:
    await staged(door, 1, person())
    await door.receive(succeeded(1))


def decision(number: int = 1, reason: str = "looks right") -> dict[str, str]:
    return {"artifact": artifact(number), "reason": reason}


async def test_a_model_is_created_left_and_changed(door: Door) -> None:
    for definition, status, word in (
        (define(), 201, "created"),
        (define(), 200, "unchanged"),
        (define(description="new"), 200, "changed"),
    ):
        answer = await door.declare(definition, CODE.digest)
        assert (answer.status_code, answer.json()["status"]) == (status, word)
    assert len(await door.facts()) == 2
    model = await door.get("/models/late")
    assert model["definition_digest"] == define(description="new").digest
    assert model["definition"]["description"] == "new"
    assert (model["code"], model["champion"], model["registered_by"]) == (CODE.digest, None, "ann")


async def test_a_viewer_registers_nothing(door: Door) -> None:
    answer = await door.declare(define(), CODE.digest, role=Role.VIEWER)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


async def test_code_that_was_never_uploaded_is_refused(door: Door) -> None:
    answer = await door.declare(define(), sha256(b"elsewhere"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "code"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"surprise": 1}, "definition.surprise"),
        ({"gates": {"floors": {"brier": 0.1}}}, "definition.gates.floors.brier"),
        ({"training": {"history": "soon", "holdout": "1d"}}, "definition.training.history"),
        ({"pipeline": {"entry": "a:b", "candidates": [{"c": float("nan")}]}}, "definition.pipeline.candidates[0]"),
    ],
)
async def test_a_definition_that_cannot_work_is_refused_with_its_field(
    door: Door, change: dict[str, Any], field: str
) -> None:
    body = {"definition": define().model_dump(mode="json") | change, "code": CODE.digest}
    answer = await door.ask("POST", "/models", content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert await door.facts() == []


async def test_a_contributor_cannot_do_away_with_the_approval(door: Door) -> None:
    await door.declare(person(), CODE.digest)
    refused = await door.declare(define(), CODE.digest, who="carl", role=Role.CONTRIBUTOR)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:pelton:problem:forbidden")
    assert (await door.declare(define(), CODE.digest, role=Role.APPROVER)).status_code == 200


async def test_an_artifact_comes_back_byte_for_byte(door: Door) -> None:
    answer = await door.ask("PUT", "/artifacts", role=Role.CONTRIBUTOR, content=b"\x00bytes\xff")
    assert answer.json() == {"digest": sha256(b"\x00bytes\xff"), "size": 7}
    found = await door.ask("GET", f"/artifacts/{answer.json()['digest']}", role=Role.VIEWER)
    assert found.content == b"\x00bytes\xff"
    assert found.headers["content-disposition"] == "attachment"


async def test_artifacts_that_are_too_large_empty_or_unknown_are_refused(door: Door) -> None:
    for method, path, content, status in (
        ("PUT", "/artifacts", b"x" * (MAX_BODY + 1), 413),
        ("PUT", "/artifacts", b"", 422),
        ("GET", f"/artifacts/{sha256(b'nothing')}", b"", 404),
        ("GET", "/artifacts/sha256:..%2f..%2fetc", b"", 404),
        ("GET", "/artifacts/md5:1", b"", 422),
    ):
        answer = await door.ask(method, path, content=content)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path


async def test_a_training_becomes_a_staged_version_with_its_lineage(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    event_id = await door.receive(trained(1))
    version = await door.get("/models/late/versions/1")
    assert version["stage"] == "staging"
    assert [gate["name"] for gate in version["gates"]] == ["auc_floor", "brier_ceiling", "champion_margin"]
    (move,) = version["history"]
    assert (move["from_stage"], move["to_stage"], move["actor"]) == ("development", "staging", "service:registry")
    assert (move["reason"], move["cause"]) == ("passed 3 gates", event_id)
    lineage = await door.get("/models/late/lineage/1")
    assert lineage == version["lineage"]
    assert lineage["dataset"] == sha256(b"dataset 1")
    assert (lineage["code"], lineage["definition"]) == (CODE.digest, define().digest)
    assert lineage["views"] == {"route": sha256(b"route")}
    assert lineage["run"]["environment"]["packages"] == {"scikit-learn": "1.7"}
    assert lineage["run"]["parameters"] == {"leaves": 15, "layers": "[10,5]"}
    facts = await door.facts()
    assert {fact["causation_id"] for fact in facts[1:]} == {event_id}
    assert {fact["correlation_id"] for fact in facts[1:]} == {"the-story"}


async def test_a_training_of_a_model_that_nobody_registered_goes_to_the_dead_letters(door: Door) -> None:
    with pytest.raises(PermanentError, match="never had"):
        await door.receive(trained(1))


async def test_the_loop_promotes_automatically_and_a_breach_in_bake_rolls_back(door: Door) -> None:
    for number in (1, 2):
        await staged(door, number)
        await door.receive(succeeded(number))
    model = await door.get("/models/late")
    assert (model["champion"], model["previous"], model["pending"]) == (2, 1, [])
    (granted,) = (await door.get("/models/late/versions/2"))["approvals"]
    assert (granted["status"], granted["decided_by"], granted["requested_by"]) == ("granted", "policy", None)
    await door.receive(breached(2))
    model = await door.get("/models/late")
    assert (model["champion"], model["previous"]) == (1, None)
    stages = [(one["version"], one["stage"]) for one in (await door.get("/models/late/versions"))["versions"]]
    assert stages == [(2, "archived"), (1, "production")]


async def test_what_comes_twice_or_too_late_changes_nothing(door: Door) -> None:
    for number in (1, 2):
        await staged(door, number)
        await door.receive(succeeded(number))
    await door.receive(breached(2))
    before = await door.facts()
    for late in (trained(1), succeeded(1), succeeded(2), aborted(1), aborted(2), breached(2), breached(1, "canary")):
        await door.receive(late)
    await door.receive(succeeded(9))
    assert await door.facts() == before


async def test_an_approval_follows_from_its_request_so_that_the_chain_leads_back(door: Door) -> None:
    await waiting(door)
    (pending,) = (await door.get("/approvals"))["approvals"]
    assert (pending["version"], pending["role"], pending["requested_by"]) == (1, "approver", "service:deployer")
    answer = await door.ask("POST", "/models/late/versions/1/approve", role=Role.APPROVER, json=decision())
    assert answer.status_code == 200, answer.text
    version = answer.json()
    assert version["stage"] == "production"
    assert version["history"][-1]["actor"] == "ann"
    assert version["history"][-1]["reason"] == "approved by ann: looks right"
    assert version["approvals"][0]["status"] == "granted"
    promoted = (await door.facts())[-1]
    assert promoted["type"] == "model_promoted"
    assert (promoted["causation_id"], promoted["correlation_id"]) == (pending["event_id"], "the-story")
    assert promoted["actor"] == "ann"
    assert (await door.get("/approvals"))["approvals"] == []


async def test_a_denied_version_is_archived_and_its_rollouts_end_is_no_news(door: Door) -> None:
    await waiting(door)
    answer = await door.ask("POST", "/models/late/versions/1/deny", json=decision(reason="unfair"))
    assert (answer.status_code, answer.json()["stage"]) == (200, "archived")
    before = await door.facts()
    await door.receive(aborted(1, "person"))
    assert await door.facts() == before


@pytest.mark.parametrize(
    ("body", "role", "status", "slug"),
    [
        (decision(), Role.CONTRIBUTOR, 403, "forbidden"),
        (decision(2), Role.APPROVER, 409, "artifact-mismatch"),
        (decision(reason="  "), Role.APPROVER, 422, "invalid-request"),
        (decision(reason="a\x00b"), Role.APPROVER, 422, "invalid-request"),
        ({"artifact": artifact(1)}, Role.APPROVER, 422, "invalid-request"),
    ],
)
async def test_an_approval_needs_the_role_the_artifact_and_a_reason(
    door: Door, body: dict[str, str], role: Role, status: int, slug: str
) -> None:
    await waiting(door)
    answer = await door.ask("POST", "/models/late/versions/1/approve", role=role, json=body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:pelton:problem:{slug}")
    assert (await door.get("/models/late"))["pending"] == [1]


async def test_an_approval_that_asks_for_an_admin_is_not_an_approvers(door: Door) -> None:
    await staged(door, 1, person(role="admin"))
    await door.receive(succeeded(1))
    refused = await door.ask("POST", "/models/late/versions/1/approve", role=Role.APPROVER, json=decision())
    assert refused.status_code == 403
    granted = await door.ask("POST", "/models/late/versions/1/approve", role=Role.ADMIN, json=decision())
    assert granted.status_code == 200


async def test_who_requests_a_promotion_cannot_approve_it(door: Door) -> None:
    await staged(door)
    moved = await door.ask(
        "POST", "/models/late/versions/1/stage", who="bob", json={"to": "production", "reason": "urgent"}
    )
    assert (moved.status_code, moved.json()["stage"]) == (200, "staging")
    assert moved.json()["approvals"][0]["requested_by"] == "bob"
    own = await door.ask("POST", "/models/late/versions/1/approve", who="bob", json=decision())
    assert (own.status_code, own.json()["type"]) == (403, "urn:pelton:problem:own-request")
    assert (await door.ask("POST", "/models/late/versions/1/approve", json=decision())).status_code == 200


async def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(door: Door) -> None:
    for number in range(1, 5):
        await staged(door, number, person())
        await door.receive(succeeded(number))
        path = f"/models/late/versions/{number}"
        answers = await asyncio.gather(
            door.ask("POST", f"{path}/approve", who="ann", json=decision(number)),
            door.ask("POST", f"{path}/deny", who="bob", json=decision(number)),
            door.ask("POST", f"{path}/approve", who="carl", json=decision(number)),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        assert all(answer.json()["detail"] for answer in answers if answer.status_code == 409)
        (approval,) = (await door.get(path))["approvals"]
        assert approval["decided_by"] in ("ann", "bob", "carl")


async def test_a_version_may_be_archived_by_hand_and_not_taken_back(door: Door) -> None:
    await staged(door)
    move = {"to": "archived", "reason": "no use"}
    assert (await door.ask("POST", "/models/late/versions/1/stage", json=move)).json()["stage"] == "archived"
    back = await door.ask("POST", "/models/late/versions/1/stage", json=move | {"to": "staging"})
    assert (back.status_code, back.json()["type"]) == (409, "urn:pelton:problem:illegal-move")
    await door.receive(succeeded(1))
    assert (await door.get("/models/late"))["champion"] is None


async def test_a_rollback_repeated_with_its_key_goes_back_once(door: Door) -> None:
    for number in (1, 2, 3):
        await staged(door, number)
        await door.receive(succeeded(number))
    for _ in range(2):
        answer = await door.ask(
            "POST", "/models/late/rollback", json={"reason": "slow"}, headers={"idempotency-key": "k1"}
        )
        assert (answer.status_code, answer.json()["champion"]) == (200, 2)
    other = await door.ask("POST", "/models/late/rollback", json={"reason": "x"}, headers={"idempotency-key": "k1"})
    assert (other.status_code, other.json()["type"]) == (422, "urn:pelton:problem:idempotency-key-reused")
    assert (await door.ask("POST", "/models/late/rollback", json={"reason": "slow"})).json()["champion"] == 1
    none = await door.ask("POST", "/models/late/rollback", json={"reason": "slow"})
    assert (none.status_code, none.json()["type"]) == (409, "urn:pelton:problem:nothing-to-roll-back-to")


async def test_what_there_is_not_is_404(door: Door) -> None:
    await staged(door)
    why = {"reason": "x"}
    for method, path, body in (
        ("GET", "/models/none", None),
        ("GET", "/models/none/versions", None),
        ("GET", "/models/none/versions/1", None),
        ("GET", "/models/late/versions/2", None),
        ("GET", "/models/late/lineage/2", None),
        ("POST", "/models/none/rollback", why),
        ("POST", "/models/none/versions/1/approve", decision()),
        ("POST", "/models/late/versions/2/deny", decision()),
        ("POST", "/models/late/versions/2/stage", why | {"to": "archived"}),
    ):
        answer = await door.ask(method, path, json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path


async def test_every_list_is_read_to_its_end_page_by_page(door: Door) -> None:
    await door.declare(define(name="a"), CODE.digest)
    await door.declare(define(name="b"), CODE.digest)
    await door.declare(person(), CODE.digest)
    for number in (1, 2, 3):
        await door.receive(trained(number, person()))
        await door.receive(succeeded(number))
    expected = {
        "models": ("/models", "model", ["a", "b", "late"]),
        "versions": ("/models/late/versions", "version", [3, 2, 1]),
        "runs": ("/runs", "run_id", ["late-3", "late-2", "late-1"]),
        "approvals": ("/approvals", "version", [1, 2, 3]),
    }
    for name, (path, field, everything) in expected.items():
        whole = await door.get(path, limit=3)
        assert [one[field] for one in whole[name]] == everything
        assert whole["next_page"] is None
        first = await door.get(path, limit=2)
        rest = await door.get(path, limit=2, page=first["next_page"])
        assert [one[field] for one in first[name] + rest[name]] == everything
        assert rest["next_page"] is None
        bad = await door.ask("GET", path, params={"page": "no-token"})
        assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "page")
    assert (await door.get("/runs", model="a"))["runs"] == []


async def test_a_rejected_version_says_which_gate_it_failed(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await door.receive(trained(1, evaluation=evaluation(0.3)))
    version = await door.get("/models/late/versions/1")
    assert version["stage"] == "archived"
    assert [gate["reason"] for gate in version["gates"] if not gate["passed"]] == ["brier 0.3 is above the ceiling 0.2"]
