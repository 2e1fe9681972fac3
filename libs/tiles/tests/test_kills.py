"""A writer dies anywhere, thousands of times, and nothing is counted twice or lost."""

import random
import subprocess
import sys
from pathlib import Path

import ingesting
import numpy as np
import pytest
from memory import MemoryRecordStore
from msgspec.msgpack import decode
from taking import ENTITIES, EVENTS, VIEW, batch

from pelton.tiles import nodes
from pelton.tiles.addresses import kept_of
from pelton.tiles.lmdb_records import LmdbRecordStore
from pelton.tiles.merging import View
from pelton.tiles.plan import plan_of
from pelton.tiles.reader import TileReader
from pelton.tiles.records import Commit, RecordStore
from pelton.tiles.writer import TileWriter

PARTITIONS = (0, 1)


class DyingError(BaseException):
    """The process is no more."""


class DyingStore(MemoryRecordStore):
    """Dies before a commit, after it, or on reading, as chance has it."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.deaths = 0
        self.is_mortal = True

    def die(self, odds: float) -> None:
        if self.is_mortal and self.chance.random() < odds:
            self.deaths += 1
            raise DyingError

    def get(self, addresses: object) -> list[bytes | None]:
        self.die(0.02)
        return super().get(addresses)  # type: ignore[arg-type]

    def commit(self, commit: Commit) -> None:
        self.die(0.15)
        super().commit(commit)
        self.die(0.15)


def read_on(store: MemoryRecordStore, chance: random.Random) -> None:
    """A process reads on from the offsets to the end, in batches of whatever size."""
    writer = TileWriter(store)
    offsets = writer.offsets()
    here = {partition: offsets.get(("pelton.data.landings", partition), 0) for partition in PARTITIONS}
    # The offline store may be behind, and so what was taken in comes again.
    here = {partition: max(0, offset - chance.choice([0, 0, 3, 40])) for partition, offset in here.items()}
    while any(offset < EVENTS for offset in here.values()):
        parts = {partition: min(EVENTS, here[partition] + chance.randint(1, 60)) for partition in PARTITIONS}
        writer.take([batch(partition, here[partition], end) for partition, end in parts.items()])
        here = parts


def contents(store: MemoryRecordStore) -> tuple[object, ...]:
    """Nodes, texts, and how much of them there is; and what a reader is told once everything has arrived."""
    kept = [decode(record, type=View) for record in store.buckets[kept_of(plan_of(VIEW))].values()]
    return (
        {bucket: records for bucket, records in store.buckets.items() if bucket[:1] in b"TX"},
        [(one.since, one.nodes, one.texts) for one in kept],
        told(store),
    )


def told(store: RecordStore) -> dict[str, str]:
    """The features of all entities at moments after everything has arrived."""
    at_ms = np.repeat(np.arange(2 * EVENTS * 7000, 2 * EVENTS * 7000 + 3_600_000, 61_111), len(ENTITIES))
    found = TileReader.over(store).features(VIEW, ENTITIES * (at_ms.size // len(ENTITIES)), at_ms)
    return {name: repr(column.tolist()) for name, column in found.columns.items()}


def check(monkeypatch: pytest.MonkeyPatch, seeds: range) -> int:
    """Kill writers until each of some streams is read; how often is returned."""
    monkeypatch.setattr(nodes, "LEAF_ENTRIES", 4)
    whole = TileWriter(MemoryRecordStore())
    whole.take([batch(partition, 0, EVENTS) for partition in PARTITIONS])
    expected = contents(whole.records)  # type: ignore[arg-type]
    deaths = 0
    for seed in seeds:
        chance = random.Random(seed)  # noqa: S311 - deaths, not secrets
        store = DyingStore(chance)
        while not ended(store, chance):
            pass
        deaths += store.deaths
        store.is_mortal = False
        assert contents(store) == expected
        assert TileWriter(store).statistics("landings") == whole.statistics("landings")
        assert TileWriter(store).offsets() == whole.offsets()
    return deaths


def ended(store: DyingStore, chance: random.Random) -> bool:
    try:
        read_on(store, chance)
    except DyingError:
        return False
    return True


def test_killed_anywhere_the_store_is_what_an_undisturbed_run_makes_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(monkeypatch, range(6)) > 30


@pytest.mark.slow
def test_killed_thousands_of_times_nothing_is_counted_twice_or_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(monkeypatch, range(6, 160)) > 2000


def test_a_process_that_is_killed_leaves_what_an_undisturbed_one_leaves(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(ingesting.__file__)), str(tmp_path)]
    kills, last = 0, ""
    while last != "done":
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            # It is killed in the middle of whatever it does after so many commits.
            for _ in range(7 + 9 * kills):
                last = process.stdout.readline().strip()
                if last == "done":
                    break
            else:
                process.kill()
                kills += 1
    assert kills >= 2
    whole, store = TileWriter(MemoryRecordStore()), LmdbRecordStore(tmp_path)
    whole.take([batch(0, 0, EVENTS)])
    found = TileWriter(store)
    assert found.statistics("landings") == whole.statistics("landings")
    assert found.offsets() == whole.offsets()
    assert told(store) == told(whole.records)
    assert all(
        list(store.scan(bucket)) == sorted(records.items())
        for bucket, records in whole.records.buckets.items()  # type: ignore[attr-defined]
        if bucket[:1] in b"TX"
    )
    store.close()
