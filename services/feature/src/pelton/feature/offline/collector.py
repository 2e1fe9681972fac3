"""Collecting events into segments of the offline store."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl
import structlog

from pelton.eventkit.failures import is_transient
from pelton.eventkit.unit import Units
from pelton.feature.columns import OFFSET
from pelton.feature.offline import store
from pelton.feature.offline.files import OvertakenError, by_day, whole, write
from pelton.feature.offline.segments import Lane, Segment
from pelton.objects.files import Files

log = structlog.get_logger(__name__)

FLUSH_ROWS = 50_000
FLUSH_SECONDS = 60.0


@dataclass
class _Open:
    """What of one partition is collected and not yet stored: `start <= offset < end`."""

    start: int
    end: int
    frames: list[pl.DataFrame] = field(default_factory=list)
    rows: int = 0


class OfflineStore:
    """Collects events and stores them as segments; what was not stored when a process dies is read again.

    A segment says exactly which offsets it covers, and each begins where the one before it in the partition ended: no
    event is in two, and none is left out.
    """

    def __init__(self, files: Files, units: Units) -> None:
        self._files = files
        self._units = units
        self._ends: dict[Lane, int] = {}
        self._open: dict[Lane, _Open] = {}
        self._overtaken = False
        self._flushing = asyncio.Lock()

    async def run(self) -> None:
        """Store what is collected once a minute, until cancelled: a start then reads no more than that again."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("the offline store waits", reason=str(error) or type(error).__name__)

    async def open(self) -> None:
        """Find where the stored segments end; what was collected and not stored is forgotten."""
        async with self._flushing:
            async with self._units.begin() as unit:
                self._ends = await store.ends(unit.connection)
            self._open.clear()
            self._overtaken = False

    def end(self, source: str, partition: int) -> int:
        """The next offset that the store wants of a partition."""
        opened = self._open.get((source, partition))
        return opened.end if opened else self._ends.get((source, partition), 0)

    @property
    def fullest(self) -> int:
        """How many rows of one partition wait to be stored, of the one that has most."""
        return max((opened.rows for opened in self._open.values()), default=0)

    def stored(self, source: str, partition: int) -> int:
        """Where the stored segments of a partition end: what comes before is never read again."""
        return self._ends.get((source, partition), 0)

    def add(self, source: str, partition: int, events: pl.DataFrame, next_offset: int) -> None:
        """Collect the events of a partition up to `next_offset`; what the store has already is passed over.

        Raises:
            OvertakenError: another process stores this partition; `open` before reading on.
        """
        if self._overtaken:
            raise self._error()
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
        """Store what is collected of each partition that has at least so many rows; more may be added meanwhile.

        Raises:
            OvertakenError: another process stored some of it.
        """
        async with self._flushing:
            if self._overtaken:
                raise self._error()
            for lane in [lane for lane, opened in self._open.items() if opened.rows >= least_rows]:
                await self._store(lane, self._open[lane])

    async def _store(self, lane: Lane, opened: _Open) -> None:
        count, rows, end = len(opened.frames), opened.rows, opened.end
        days = await asyncio.to_thread(_days, opened.frames[:count])
        starts = [opened.start, *(int(day[OFFSET][0]) for day in days[1:])]
        written = [
            await write(self._files, self._units, lane, start, stop, day)
            for day, start, stop in zip(days, starts, [*starts[1:], end], strict=True)
        ]
        await self._commit(lane, opened.start, end, written)
        self._ends[lane] = opened.start = end
        del opened.frames[:count]
        opened.rows -= rows
        if opened.end == end:
            del self._open[lane]

    async def _commit(self, lane: Lane, start: int, end: int, written: list[Segment]) -> None:
        async with self._units.begin() as unit:
            mine = await store.advance(unit.connection, lane, start, end)
            if not mine or not all([await store.add(unit.connection, segment) for segment in written]):
                self._overtaken = True
                raise self._error()

    def _error(self) -> OvertakenError:
        return OvertakenError("another process stores events of this one's partitions; they are taken up anew")


def _days(frames: Sequence[pl.DataFrame]) -> Sequence[pl.DataFrame]:
    return by_day(whole(pl.concat(frames, how="diagonal")))
