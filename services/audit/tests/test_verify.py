"""`pelton audit verify` finds one changed byte in any copy, and names the record."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from pelton.contracts.trainer import TrainingFailed
from pelton.ledger import keyfile
from pelton.ledger.checkpoint import Checkpoint, sign
from pelton.ledger.merkle import hash_leaf

Platform = Any  # that of conftest.py, which pytest imports by path alone


@pytest.fixture(scope="module")
def victim(platform: Platform) -> UUID:
    """A fact in the middle of enough others to fill a bundle of the archive."""
    facts = [TrainingFailed(training_id=f"t{at}", model="m", reason=f"cause number {at}") for at in range(300)]
    ids: list[UUID] = platform.publish("retraining/victims", *facts)
    platform.settled()
    return ids[40]


@contextmanager
def flipped(platform: Platform, service: str, table: str, column: str, key: str, value: object) -> Iterator[None]:
    """One bit of one stored byte is another, as long as the block lasts."""
    where = f"WHERE {key} = $1"
    (row,) = platform.sql(service, f"SELECT {column} AS data FROM {table} {where}", value)  # noqa: S608
    at = row["data"].index(b"cause") if b"cause" in row["data"] else 7
    changed = bytearray(row["data"])
    changed[at] ^= 1
    platform.sql(service, f"UPDATE {table} SET {column} = $2 {where}", value, bytes(changed))  # noqa: S608
    try:
        yield
    finally:
        platform.sql(service, f"UPDATE {table} SET {column} = $2 {where}", value, row["data"])  # noqa: S608


def found(platform: Platform, *options: str) -> list[dict[str, Any]]:
    result = platform.cli("verify", "--json", *options)
    said = json.loads(result.output)
    findings = [finding for check in said["checks"] for finding in check["findings"]]
    assert result.exit_code == (1 if findings else 0)
    assert said["ok"] is not bool(findings)
    return findings


@pytest.mark.usefixtures("victim")
def test_an_untouched_platform_is_intact(platform: Platform) -> None:
    assert found(platform, "--full") == []
    result = platform.cli("verify")
    assert result.exit_code == 0, result.output
    assert "Every copy says the same" in result.output


def test_a_changed_byte_of_a_stored_entry_is_named(platform: Platform, victim: UUID) -> None:
    with flipped(platform, "audit", "entries", "entry", "event_id", victim):
        findings = found(platform)
        shown = platform.cli("verify")
    named = [one for one in findings if one["event_id"] == str(victim)]
    assert {one["check"] for one in named} >= {"log", "kafka", "archive", "trainer"}
    assert any("$.reason" in one["problem"] for one in named)
    assert any(one["check"] == "checkpoints" for one in findings)
    assert shown.exit_code == 1
    assert str(victim) in shown.output
    assert found(platform) == []


def test_a_changed_byte_in_the_archive_is_named(platform: Platform, victim: UUID) -> None:
    index = platform.audit(f"/v1/facts/{victim}")["index"]
    (path,) = platform.settings.archive.rglob(f"{index // 256:03}")
    content = path.read_bytes()
    at = content.index(b"cause number 40")
    path.chmod(0o600)
    path.write_bytes(content[:at] + b"C" + content[at + 1 :])
    try:
        (finding,) = found(platform)
    finally:
        path.write_bytes(content)
    assert (finding["check"], finding["event_id"], finding["index"]) == ("archive", str(victim), index)
    assert '$.reason: "Cause number 40" here, "cause number 40" there' in finding["problem"]


def test_a_changed_byte_in_a_services_event_store_is_named(platform: Platform, victim: UUID) -> None:
    with flipped(platform, "trainer", "events", "data", "id", victim):
        (finding,) = found(platform)
    assert (finding["check"], finding["event_id"]) == ("trainer", str(victim))
    assert finding["topic"] == "pelton.trainer"
    assert "$.reason" in finding["problem"]


def test_a_changed_attribute_in_a_services_event_store_is_named(platform: Platform, victim: UUID) -> None:
    before = platform.sql("trainer", "SELECT meta FROM events WHERE id = $1", victim)[0]["meta"]
    platform.sql("trainer", "UPDATE events SET meta = jsonb_set(meta, '{actor}', '\"mallory\"') WHERE id = $1", victim)
    try:
        (finding,) = found(platform)
    finally:
        platform.sql("trainer", "UPDATE events SET meta = $2 WHERE id = $1", victim, before)
    assert "header ce_actor: 'mallory' here, 'service:trainer' there" in finding["problem"]


def test_a_deleted_event_is_named(platform: Platform, victim: UUID) -> None:
    platform.sql("trainer", "CREATE TABLE aside AS SELECT * FROM events WHERE id = $1", victim)
    platform.sql("trainer", "DELETE FROM events WHERE id = $1", victim)
    try:
        (finding,) = found(platform)
    finally:
        platform.sql("trainer", "INSERT INTO events SELECT * FROM aside")
        platform.sql("trainer", "DROP TABLE aside")
    assert finding["event_id"] == str(victim)
    assert "no longer has it" in finding["problem"]


def test_a_rewritten_entry_with_a_matching_hash_breaks_the_checkpoints(platform: Platform, victim: UUID) -> None:
    """Whoever owns the database can make entry and leaf hash agree, but not the signed roots."""
    (row,) = platform.sql("audit", "SELECT entry, leaf_hash FROM entries WHERE event_id = $1", victim)
    forged = row["entry"].replace(b"cause number 40", b"reason number 4")
    update = "UPDATE entries SET entry = $2, leaf_hash = $3 WHERE event_id = $1"
    platform.sql("audit", update, victim, forged, hash_leaf(forged))
    try:
        findings = found(platform)
    finally:
        platform.sql("audit", update, victim, row["entry"], row["leaf_hash"])
    assert any(one["check"] == "checkpoints" and "root" in one["problem"] for one in findings)
    assert any(one["check"] == "kafka" and one["event_id"] == str(victim) for one in findings)


def forge_fork(platform: Platform, size: int) -> str:
    """Another root of the same size, signed by the log's own key: what a thief of the key would show to somebody."""
    key = keyfile.load(platform.settings.audit_key)
    return sign(Checkpoint(key.name, size, b"f" * 32), key)


def forge_signature(platform: Platform, size: int) -> str:
    """The right root, with a signature that is not the log's."""
    (row,) = platform.sql("audit", "SELECT note FROM checkpoints WHERE size = $1", size)
    body, _, signature = row["note"].rstrip("\n").rpartition(" ")
    blob = bytearray(base64.b64decode(signature))
    blob[-1] ^= 1
    return f"{body} {base64.b64encode(blob).decode()}\n"


@pytest.mark.parametrize(("forge", "said"), [(forge_fork, "it signed root"), (forge_signature, "is not its key's")])
@pytest.mark.usefixtures("victim")
def test_a_forged_checkpoint_is_named(platform: Platform, forge: Callable[[Platform, int], str], said: str) -> None:
    (row,) = platform.sql("audit", "SELECT size, note FROM checkpoints ORDER BY size LIMIT 1")
    update = "UPDATE checkpoints SET note = $2 WHERE size = $1"
    platform.sql("audit", update, row["size"], forge(platform, row["size"]))
    try:
        findings = found(platform)
    finally:
        platform.sql("audit", update, row["size"], row["note"])
    assert {one["check"] for one in findings} == {"checkpoints"}
    assert any(said in one["problem"] and f"size {row['size']}" in one["problem"] for one in findings)
    published = [one for one in findings if one["type"] == "pelton.audit.checkpoint_sealed.v1"]
    assert published, "the fact that published the true checkpoint contradicts the forged one"


@pytest.mark.usefixtures("victim")
def test_a_checkpoint_that_was_taken_back_is_named(platform: Platform) -> None:
    (row,) = platform.sql(
        "audit", "DELETE FROM checkpoints WHERE size = (SELECT max(size) FROM checkpoints) RETURNING *"
    )
    try:
        (finding,) = found(platform)
    finally:
        platform.sql("audit", "INSERT INTO checkpoints VALUES ($1, $2, $3, $4)", *row.values())
    assert finding["type"] == "pelton.audit.checkpoint_sealed.v1"
    assert f"another checkpoint of size {row['size']}, or none" in finding["problem"]


def test_entries_that_were_cut_off_are_named(platform: Platform, victim: UUID) -> None:
    index = platform.audit(f"/v1/facts/{victim}")["index"]
    platform.sql("audit", "CREATE TABLE aside AS SELECT * FROM entries WHERE index >= $1", index)
    platform.sql("audit", "DELETE FROM entries WHERE index >= $1", index)
    try:
        findings = found(platform)
    finally:
        platform.sql("audit", "INSERT INTO entries SELECT * FROM aside")
        platform.sql("audit", "DROP TABLE aside")
    assert any("entries were cut off" in one["problem"] for one in findings)
    assert any(one["event_id"] == str(victim) and "cut out of the log" in one["problem"] for one in findings)
