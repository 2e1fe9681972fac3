"""The offline store: every accepted event, in Parquet segments by source and partition."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from pelton.contracts.topics import data_topic
from pelton.contracts.values import OffsetRange
from pelton.eventkit.unit import Units
from pelton.feature import store
from pelton.feature.columns import ID, OFFSET, PARTITION, TIME
from pelton.feature.store import Segment
from pelton.objects import Objects

FLUSH_ROWS = 50_000
Lane = tuple[str, int]


@dataclass
class _Open:
    """The segment of one partition that is not yet written: `start <= offset < end`."""

    start: int
    end: int
    frames: list[pl.DataFrame] = field(default_factory=list)
    rows: int = 0


class OfflineStore:
    """Collects events and writes them as segments; what was not written when a process dies is read again.

    A segment says exactly which offsets it covers, so that none is stored twice.
    """

    def __init__(self, objects: Objects, units: Units) -> None:
        self._objects = objects
        self._units = units
        self._ends: dict[Lane, int] = {}
        self._open: dict[Lane, _Open] = {}

    async def open(self) -> None:
        """Find where the stored segments end; what was collected and not written is forgotten."""
        async with self._units.begin() as unit:
            self._ends = await store.segment_ends(unit.connection)
        self._open.clear()

    def end(self, source: str, partition: int) -> int:
        """The next offset that the store wants of a partition."""
        opened = self._open.get((source, partition))
        return opened.end if opened else self._ends.get((source, partition), 0)

    def add(self, source: str, partition: int, events: pl.DataFrame, next_offset: int) -> None:
        """Collect the accepted events of a partition up to `next_offset`; what it has already is passed over."""
        end = self.end(source, partition)
        if next_offset <= end:
            return
        opened = self._open.setdefault((source, partition), _Open(end, end))
        new = events.filter(pl.col(OFFSET) >= end)
        if new.height:
            opened.frames.append(new)
            opened.rows += new.height
        opened.end = next_offset

    async def flush(self, *, least_rows: int = 1) -> None:
        """Write the segments that have at least so many rows."""
        due = {lane: opened for lane, opened in self._open.items() if opened.rows >= least_rows}
        written: list[Segment] = []
        for (source, partition), opened in due.items():
            events = pl.concat(opened.frames, how="diagonal")
            digest = await self._objects.put(parquet(events))
            written.append(
                Segment(
                    source,
                    partition,
                    opened.start,
                    opened.end,
                    digest,
                    events.height,
                    int(events[TIME].min()),  # type: ignore[arg-type]
                    int(events[TIME].max()),  # type: ignore[arg-type]
                )
            )
        if written:
            async with self._units.begin() as unit:
                await store.add_segments(unit.connection, written)
        for lane, opened in due.items():
            self._ends[lane] = opened.end
            # What was collected while this was being written stays.
            if self._open.get(lane) is opened:
                del self._open[lane]

    async def load(self, sources: Sequence[str], first_ms: int, last_ms: int) -> "Loaded":
        """The events of some sources with `first_ms <= time < last_ms`, each id once, with what was read.

        Call `flush` first for what is still being collected.
        """
        async with self._units.begin() as unit:
            segments = await store.segments(unit.connection, sources)
        frames: dict[str, list[pl.DataFrame]] = {source: [] for source in sources}
        ends: dict[Lane, int] = {}
        for segment in segments:
            ends[segment.source, segment.partition] = segment.end
            if segment.last_ms >= first_ms and segment.first_ms < last_ms:
                raw = await self._objects.get(segment.digest)
                frames[segment.source].append(
                    pl.read_parquet(io.BytesIO(raw)).filter(pl.col(TIME).is_between(first_ms, last_ms, closed="left"))
                )
        return Loaded({source: distinct(parts) for source, parts in frames.items()}, _ranges(ends))


@dataclass(frozen=True, slots=True)
class Loaded:
    """Events by source, and the offsets up to which the store was read."""

    events: Mapping[str, pl.DataFrame]
    offsets: tuple[OffsetRange, ...]


def distinct(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Events of several segments, each id once: the first by partition and offset, as the online store counts it."""
    if not frames:
        return pl.DataFrame()
    events = pl.concat(frames, how="diagonal").sort(PARTITION, OFFSET)
    return events.unique(subset=[ID], keep="first", maintain_order=True)


def parquet(events: pl.DataFrame) -> bytes:
    """A frame as Parquet: the same bytes for the same rows."""
    buffer = io.BytesIO()
    events.write_parquet(buffer, compression="zstd", compression_level=3, statistics=True)
    return buffer.getvalue()


def _ranges(ends: Mapping[Lane, int]) -> tuple[OffsetRange, ...]:
    return tuple(
        OffsetRange(topic=data_topic(source), partition=partition, start=0, end=end)
        for (source, partition), end in sorted(ends.items())
    )
