"""Keeping the offline store in order, in the background: merging small files, dropping old ones, sweeping."""

import asyncio
import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import polars as pl
import structlog

from pelton.contracts.definitions import SourceDefinition, seconds
from pelton.eventkit.failures import TransientError, is_transient
from pelton.eventkit.unit import Units
from pelton.feature.offline import store
from pelton.feature.offline.files import whole, write
from pelton.feature.offline.segments import Segment, mergeable, outlived
from pelton.objects import CorruptObjectError
from pelton.objects.files import Files

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 60.0
# Longer than any file takes from being written to being adopted.
SWEEP_AFTER: Final = timedelta(minutes=10)


def retentions(sources: Iterable[SourceDefinition]) -> dict[str, int]:
    """For how many milliseconds the events of each source are kept; one that keeps all is not in it."""
    return {one.name: seconds(one.retention) * 1000 for one in sources if one.retention is not None}


class Upkeep:
    """Merges, drops and sweeps, each step whole or not at all. One process of the service does it at a time.

    `retentions` gives, by source, for how many milliseconds events are kept; a source that is not in it keeps all.
    """

    def __init__(self, files: Files, units: Units, retentions: Callable[[], Mapping[str, int]]) -> None:
        self._files = files
        self._units = units
        self._retentions = retentions

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.merge()
                await self.drop()
                await self.sweep()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("upkeep of the offline store is put off", reason=str(error))

    async def merge(self) -> int:
        """Merge the files that are to be one; returns how many there are fewer."""
        async with self._units.begin() as unit:
            segments = await store.segments(unit.connection)
        fewer = 0
        for run in mergeable(segments):
            try:
                await self._merge(run)
            except CorruptObjectError as error:
                # It stays as it is, and is not written anew under a digest that would call it sound.
                log.warning("a file of the offline store is damaged", reason=str(error))
                continue
            fewer += len(run) - 1
        return fewer

    async def _merge(self, run: Sequence[Segment]) -> None:
        frames = [await self._read(segment) for segment in run]
        events = await asyncio.to_thread(pl.concat, frames, how="diagonal")
        merged = await write(self._files, self._units, run[0].lane, run[0].start, run[-1].end, events)
        async with self._units.begin() as unit:
            for segment in run:
                if not await store.remove(unit.connection, segment, self._units.clock()):
                    raise TransientError(f"{segment.path} was merged or dropped by another process")
            if not await store.add(unit.connection, merged):
                raise TransientError(f"{merged.path} took too long to write, and was swept")
        log.info("offline files merged", source=merged.source, files=len(run), rows=merged.rows, path=merged.path)

    async def _read(self, segment: Segment) -> pl.DataFrame:
        data = await self._files.get(segment.path)
        found = (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()
        if segment.digest != f"sha256:{found}":
            raise CorruptObjectError(f"{segment.path} has the digest sha256:{found}, not {segment.digest}")
        return whole(await asyncio.to_thread(pl.read_parquet, io.BytesIO(data)))

    async def drop(self) -> int:
        """Let go of what is older than its source's retention; returns how many events that were."""
        retentions = self._retentions()
        gone = 0
        async with self._units.begin() as unit:
            segments = await store.segments(unit.connection, sorted(retentions))
            for source, retention_ms in sorted(retentions.items()):
                for segment in outlived([one for one in segments if one.source == source], retention_ms):
                    if await store.drop(unit.connection, segment, self._units.clock()):
                        gone += segment.rows
                        log.info("offline file dropped", source=source, path=segment.path, rows=segment.rows)
        return gone

    async def sweep(self, after: timedelta = SWEEP_AFTER) -> int:
        """Delete the files that no segment has had for a while, once nobody reads; returns how many."""
        async with self._units.begin() as unit:
            await store.wait_for_readers(unit.connection)
            paths = await store.sweepable(unit.connection, self._units.clock() - after)
            for path in paths:
                await self._files.delete(path)
        return len(paths)
