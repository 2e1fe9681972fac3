"""Tiles in LMDB, beside the ids that were counted and the offsets they came from: one transaction, one commit."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Final

import lmdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles.plan import plan_of
from pelton.tiles.tiles import Series, Tiles

# Address space, not disk: the file grows as it is used.
MAP_SIZE: Final = 64 * 2**30
# Readers may ask for moments that lie this far before the newest tile of an entity.
SLACK_MS: Final = 14 * 86_400_000
TILES, SEEN, OFFSETS, SOURCES = b"tiles", b"seen", b"offsets", b"sources"
_LONGEST_NAME: Final = 400

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """What was counted of a source: its newest and oldest event time (milliseconds since 1970), and how many events."""

    watermark_ms: int
    first_ms: int
    events: int


class LmdbTileStore:
    """The writer. One process has it; others read with `TileReader`.

    A commit is flushed to disk, but for LMDB's own pointer to it: a crash of the whole machine may lose the newest
    commits and never damages the file, and since offsets are in the same commit what is lost is read again.
    """

    def __init__(self, folder: Path, *, map_size: int = MAP_SIZE) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = lmdb.open(str(folder), map_size=map_size, max_dbs=8, metasync=False, max_readers=512)
        self._tiles = self.environment.open_db(TILES)
        self._seen = self.environment.open_db(SEEN)
        self._offsets = self.environment.open_db(OFFSETS)
        self._sources = self.environment.open_db(SOURCES)

    def close(self) -> None:
        """Let the file go."""
        self.environment.close()

    @contextmanager
    def transaction(self) -> Iterator["TileTransaction"]:
        """Changes that are committed when the block ends, or not at all."""
        with self.environment.begin(write=True) as transaction:
            yield TileTransaction(transaction, self._tiles, self._seen, self._offsets, self._sources)

    def offsets(self) -> dict[Partition, int]:
        """The next offset of each partition."""
        with self.environment.begin(db=self._offsets) as transaction:
            return {_partition(key): int.from_bytes(value, "big") for key, value in transaction.cursor()}

    def seen(self, source: str, ids: Sequence[str]) -> list[bool]:
        """For each id whether an event of the source had it before."""
        with self.environment.begin(db=self._seen) as transaction:
            return [transaction.get(_seen_key(source, one)) is not None for one in ids]

    def statistics(self, source: str) -> SourceStatistics | None:
        """What was counted of a source; None before its first event."""
        with self.environment.begin(db=self._sources) as transaction:
            raw = transaction.get(source.encode())
        return msgspec.msgpack.decode(raw, type=SourceStatistics) if raw is not None else None

    def watermark(self, source: str) -> int | None:
        """The newest event time of a source; None before its first event."""
        statistics = self.statistics(source)
        return statistics.watermark_ms if statistics is not None else None


class TileTransaction:
    """Changes under way."""

    def __init__(
        self,
        transaction: "lmdb.Transaction[bytes]",
        tiles: "lmdb._Database",
        seen: "lmdb._Database",
        offsets: "lmdb._Database",
        sources: "lmdb._Database",
    ) -> None:
        self._transaction = transaction
        self._tiles = tiles
        self._seen = seen
        self._offsets = offsets
        self._sources = sources

    def mark_seen(self, source: str, ids: Sequence[str], times_ms: NDArray[np.int64]) -> list[bool]:
        """For each event whether it is the first of its id; from now on none of these ids is."""
        put = self._transaction.put
        return [
            put(_seen_key(source, one), int(moment).to_bytes(8, "big", signed=True), overwrite=False, db=self._seen)
            for one, moment in zip(ids, times_ms.tolist(), strict=True)
        ]

    def merge(self, view: FeatureViewDefinition, tiles: Tiles) -> None:
        """Add the tiles of new events; what no window can reach any more is dropped."""
        plan = plan_of(view)
        reach = plan.longest_ms + plan.tile_ms + SLACK_MS
        for name in tiles.names:
            key = tile_key(plan.prefix, name)
            series = tiles.series(name)
            stored = self._transaction.get(key, db=self._tiles)
            if stored is not None:
                series = Series.from_bytes(stored, plan).merged(series, plan)
            series = series.since(int(series.starts[-1]) - reach)
            self._transaction.put(key, series.to_bytes(), db=self._tiles)

    def set_offsets(self, offsets: Mapping[Partition, int]) -> None:
        """Say where to go on reading."""
        for (topic, partition), offset in offsets.items():
            self._transaction.put(f"{topic}/{partition}".encode(), offset.to_bytes(8, "big"), db=self._offsets)

    def advance(self, source: str, *, newest_ms: int, oldest_ms: int, events: int) -> None:
        """Count events of a source."""
        raw = self._transaction.get(source.encode(), db=self._sources)
        before = msgspec.msgpack.decode(raw, type=SourceStatistics) if raw is not None else None
        after = SourceStatistics(
            watermark_ms=max(newest_ms, before.watermark_ms) if before else newest_ms,
            first_ms=min(oldest_ms, before.first_ms) if before else oldest_ms,
            events=events + (before.events if before else 0),
        )
        self._transaction.put(source.encode(), msgspec.msgpack.encode(after), db=self._sources)


def tile_key(prefix: bytes, name: str) -> bytes:
    """The key of an entity's tiles; a name too long for a key of LMDB stands in by its hash."""
    raw = name.encode()
    return prefix + (b"n" + raw if len(raw) <= _LONGEST_NAME else b"h" + sha256(raw).digest())


def _seen_key(source: str, event_id: str) -> bytes:
    return blake2b(f"{source}\0{event_id}".encode(), digest_size=16).digest()


def _partition(key: bytes) -> Partition:
    topic, _, partition = key.decode().rpartition("/")
    return topic, int(partition)
