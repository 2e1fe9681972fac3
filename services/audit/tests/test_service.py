"""The log on a real Kafka and PostgreSQL: what is published is logged once, in order, whatever dies."""

import base64
from typing import Any

from pelton.contracts.trainer import TrainingFailed
from pelton.ledger import checkpoint, proof
from pelton.ledger.entry import decode
from pelton.ledger.keys import VerifierKey
from pelton.ledger.merkle import hash_leaf, root

Platform = Any  # that of conftest.py, which pytest imports by path alone


def failed(reason: str) -> TrainingFailed:
    return TrainingFailed(training_id="t", model="m", reason=reason)


def entries(platform: Platform) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := platform.audit("/v1/entries", **{"from": len(found), "limit": 500}):
        found += page
    return found


def test_facts_are_logged_in_order_sealed_and_proven(platform: Platform) -> None:
    first, second = platform.publish("retraining/m", failed("first"), failed("second"))
    platform.settled()
    logged = entries(platform)
    assert [one["index"] for one in logged] == list(range(len(logged)))
    ids = [one["id"] for one in logged]
    assert ids.index(str(first)) < ids.index(str(second))
    raw = [base64.b64decode(one["entry"]) for one in logged]
    vkey = VerifierKey.parse(platform.settings.audit_vkey.read_text())
    sealed = checkpoint.verify(platform.get("audit", "/checkpoint").text, vkey).checkpoint
    assert sealed.root == root(map(hash_leaf, raw[: sealed.size]))
    text = platform.get("audit", f"/v1/proof/{second}").text
    offline = proof.OfflineProof.parse(text)
    assert proof.verify(offline, raw[ids.index(str(second))], vkey).checkpoint == sealed
    assert decode(offline.extra).value == failed("second").to_bytes()
    fact = platform.audit(f"/v1/facts/{second}")
    assert fact["data"]["reason"] == "second"
    assert fact["headers"]["ce_id"] == str(second)


def test_kill_9_at_any_moment_loses_nothing_and_logs_nothing_twice(platform: Platform) -> None:
    before = platform.settled()
    facts = [failed(f"number {at}") for at in range(500)]
    ids = []
    for round_ in range(2):
        ids += platform.publish(f"retraining/kill-{round_}", *facts)
        size = platform.audit("/v1/status")["size"]
        platform.kill("audit")
        platform.publish(f"retraining/more-{round_}", *facts[:50])
        platform.start_audit()
        assert platform.audit("/v1/status")["size"] >= size
    platform.settled()
    logged = entries(platform)[before:]
    assert [one["index"] for one in logged] == list(range(before, before + len(logged)))
    seen = [one["id"] for one in logged if one["source"] == "/pelton/trainer"]
    assert sorted(seen) == sorted(set(seen))
    assert set(map(str, ids)) <= set(seen)
    assert len(seen) == 2 * 550
    result = platform.cli("verify")
    assert result.exit_code == 0, result.output
