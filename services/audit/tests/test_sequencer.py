"""Records into the log on a real PostgreSQL: copies, impostors, zombies, large facts and two replicas."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord

from pelton.audit import sealer as sealing
from pelton.audit import sequencer, store
from pelton.audit.archive import Archive, ArchiveConflictError
from pelton.audit.sealer import ForkedLogError, Sealer
from pelton.audit.sequencer import Sequencer
from pelton.audit.tree import LogTree
from pelton.contracts.audit import CheckpointSealed, TamperingDetected
from pelton.eventkit import store as event_store
from pelton.eventkit.database import create_engine, migrate
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.unit import Units
from pelton.ledger import checkpoint
from pelton.ledger.keys import SigningKey
from pelton.ledger.merkle import hash_leaf, root
from pelton.testkit import PostgresInstance

MIGRATIONS = Path(sequencer.__file__).parent / "migrations" / "versions"
START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = SigningKey("pelton.local/audit", b"\x07" * 32)

Item = ConsumerRecord[bytes, bytes]


@pytest.fixture
async def units(postgres: PostgresInstance) -> AsyncIterator[Units]:
    engine = create_engine(postgres.database())
    await migrate(engine, [MIGRATIONS])
    made = Units(engine, "audit")
    async with made.begin() as unit:
        await store.begin(unit.connection)
    yield made
    await engine.dispose()


def item(
    offset: int,
    position: int,
    *,
    topic: str = "pelton.trainer",
    owner: str = "trainer",
    partition: int = 0,
    value: bytes = b"{}",
    seconds: float = 0.0,
) -> Item:
    """The record of a fact; equal arguments but the place make equal copies."""
    envelope = Envelope(
        id=UUID(int=position),
        owner=owner,
        type=f"pelton.{owner}.thing_happened.v1",
        subject="things/one",
        time=START + timedelta(seconds=seconds),
        correlation_id="story",
        causation_id=None,
        actor="service:test",
        stream_version=position,
        position=position,
        traceparent=None,
    )
    headers = tuple(envelope.headers())
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=b"things/one",
        value=value,
        checksum=None,
        serialized_key_size=10,
        serialized_value_size=len(value),
        headers=headers,
    )


async def take(units: Units, *items: Item) -> None:
    batch: dict[tuple[str, int], list[Item]] = {}
    for one in items:
        batch.setdefault((one.topic, one.partition), []).append(one)
    await Sequencer(units).process(batch)


async def logged(units: Units) -> Sequence[store.Entry]:
    async with units.begin() as unit:
        frontier = await store.lock(unit.connection)
        found = await store.page(unit.connection, 0, 10_000)
    assert [one.index for one in found] == list(range(len(found))) == list(range(frontier.size))
    assert frontier.root == root(hash_leaf(one.entry) for one in found)
    return found


async def findings(units: Units, topic: str = "pelton.trainer") -> list[TamperingDetected]:
    async with units.begin() as unit:
        facts = await event_store.load(unit.connection, f"tampering/{topic}")
    return [fact for fact in facts if isinstance(fact, TamperingDetected)]


async def test_partitions_interleave_by_time_and_each_keeps_its_order(units: Units) -> None:
    await take(
        units,
        item(0, 2, partition=0, seconds=2),
        item(1, 3, partition=0, seconds=1),
        item(0, 1, partition=1, seconds=1.5),
    )
    assert [one.position for one in await logged(units)] == [1, 2, 3]


async def test_an_equal_copy_is_passed_over(units: Units) -> None:
    await take(units, item(0, 1), item(1, 2), item(2, 1))
    await take(units, item(3, 2), item(4, 3))
    assert [(one.position, one.offset) for one in await logged(units)] == [(1, 0), (2, 1), (3, 4)]
    assert await findings(units) == []


@pytest.mark.parametrize("batches", [1, 2])
async def test_another_content_under_a_position_is_a_finding(units: Units, batches: int) -> None:
    one, other = item(0, 1), item(1, 1, value=b'{"forged":true}')
    await (take(units, one, other) if batches == 1 else take(units, one))
    if batches == 2:
        await take(units, other)
    (entry,) = await logged(units)
    (found,) = await findings(units)
    assert (entry.offset, found.offset) == (0, 1)
    assert "claims position 1 of /pelton/trainer" in found.finding


async def test_an_impostor_is_a_finding_and_no_entry(units: Units) -> None:
    stranger = item(1, 1, owner="registry")
    nameless = item(2, 2)
    nameless.headers = ()
    await take(units, item(0, 1), stranger, nameless, item(3, 2))
    assert [one.offset for one in await logged(units)] == [0, 3]
    first, second = await findings(units)
    assert "/pelton/registry, which does not publish here" in first.finding
    assert "no fact" in second.finding


async def test_a_replica_that_lost_its_partition_changes_nothing(units: Units) -> None:
    """It still holds records that its successor has taken, and more of them than it should add."""
    await take(units, item(0, 1), item(1, 2))
    await take(units, item(0, 1), item(1, 2), item(2, 3))
    assert [one.offset for one in await logged(units)] == [0, 1, 2]
    async with units.begin() as unit:
        offsets = await event_store.reader_offsets(unit.connection, sequencer.READER)
    assert offsets == {("pelton.trainer", 0): 3}
    await take(units, item(0, 1))
    async with units.begin() as unit:
        assert await event_store.reader_offsets(unit.connection, sequencer.READER) == offsets


async def test_replicas_append_one_after_the_other(units: Units) -> None:
    async def replica(owner: str) -> None:
        for at in range(0, 40, 5):
            await take(units, *(item(n, n + 1, topic=f"pelton.{owner}", owner=owner) for n in range(at, at + 5)))

    await asyncio.gather(*map(replica, ("trainer", "registry", "monitor")))
    entries = await logged(units)
    for source in ("trainer", "registry", "monitor"):
        assert [one.position for one in entries if one.source == f"/pelton/{source}"] == list(range(1, 41))


async def test_a_failed_batch_leaves_nothing_behind(units: Units, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise ConnectionError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(sequencer, "save_reader_offsets", fails)
        with pytest.raises(ConnectionError):
            await take(units, item(0, 1), item(1, 2))
    assert await logged(units) == []
    await take(units, item(0, 1), item(1, 2))
    assert len(await logged(units)) == 2


async def test_a_large_fact_is_logged_by_its_digest_and_kept_whole(units: Units) -> None:
    value = json.dumps({"text": "x" * 100_000}).encode()
    await take(units, item(0, 1, value=value))
    (entry,) = await logged(units)
    assert len(entry.entry) == 41
    async with units.begin() as unit:
        record = await store.record_of(unit.connection, entry)
    assert record.value == value
    assert ("ce_position", b"1") in record.headers


async def test_an_idle_log_is_sealed_once(units: Units, tmp_path: Path) -> None:
    sealer = Sealer(units, KEY, Archive(tmp_path), LogTree())
    assert not await sealer.seal_next()
    await take(units, item(0, 1))
    assert await sealer.seal_next()
    assert not await sealer.seal_next()
    async with units.begin() as unit:
        (fact,) = await event_store.load(unit.connection, f"checkpoints/{KEY.name}")
        sealed = await store.sealed(unit.connection)
    assert isinstance(fact, CheckpointSealed)
    assert sealed is not None
    assert checkpoint.verify(fact.note, KEY.verifier).checkpoint.size == sealed.size == 1


async def test_nothing_is_signed_that_does_not_extend_the_last_checkpoint(units: Units, tmp_path: Path) -> None:
    await take(units, item(0, 1), item(1, 2))
    assert await Sealer(units, KEY, Archive(tmp_path), LogTree()).seal_next()
    await take(units, item(2, 3))
    async with units.begin() as unit:
        await unit.connection.exec_driver_sql("UPDATE entries SET leaf_hash = sha256('forged') WHERE index = 0")
        leaves = await store.leaves(unit.connection, 0, 3)
        forged = store.Frontier().extended(leaves)
        await unit.connection.execute(store.MOVE, {"frontier": forged.to_bytes()})
    with pytest.raises(ForkedLogError, match="do not extend the checkpoint of size 2"):
        await Sealer(units, KEY, Archive(tmp_path), LogTree()).seal_next()


async def test_bundles_are_written_once_and_a_changed_one_is_a_finding(
    units: Units, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    await take(units, *(item(at, at + 1) for at in range(600)))
    sealer = Sealer(units, KEY, archive, LogTree())

    async def dies(*_: object) -> None:
        raise ConnectionError("killed after the file was written")

    with monkeypatch.context() as patched:
        patched.setattr(sealing.store, "set_archived", dies)
        with pytest.raises(ConnectionError):
            await sealer.archive_next()
    assert archive.path(1).exists()
    archive.path(1).chmod(0o600)
    archive.path(1).write_bytes(b"changed")
    assert await sealer.archive_next()
    assert not await sealer.archive_next()
    (found,) = await findings(units)
    assert "entries 256 to 511" in found.finding
    with pytest.raises(ArchiveConflictError):
        archive.keep(0, b"other")
    assert archive.path(1_234_067) == tmp_path / "x001" / "x234" / "067"
