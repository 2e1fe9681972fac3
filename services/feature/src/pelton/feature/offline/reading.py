"""Reading the offline store: its Parquet files, by the expressions of `relations`, on polars or on DuckDB."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir
import polars as pl
import pyarrow as pa

from pelton.contracts.topics import data_topic
from pelton.contracts.values import OffsetRange
from pelton.eventkit.unit import Units
from pelton.feature.columns import ARRIVAL, ID, LATE, OFFSET, PARTITION, TIE, TIME
from pelton.feature.offline import relations, store
from pelton.feature.offline.segments import Lane, Segment
from pelton.objects.files import Files
from pelton.tiles.hashing import hash_texts
from pelton.tiles.measuring import ties_of

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

_EMPTY = pl.DataFrame(
    schema={
        ID: pl.String,
        TIME: pl.Int64,
        PARTITION: pl.Int32,
        OFFSET: pl.Int64,
        ARRIVAL: pl.Int64,
        LATE: pl.Int8,
        TIE: pl.Int64,
    }
)


@dataclass(frozen=True, slots=True)
class Span:
    """Which events are wanted: `first_ms <= event time < last_ms`, and with `known_ms` only those serving knew then.

    `fields` are those that are read beside the time and the tie, by default all.
    """

    first_ms: int
    last_ms: int
    known_ms: int | None = None
    fields: frozenset[str] | None = None

    def joined(self, other: "Span") -> "Span":
        """A span that has what either has."""
        known = [one.known_ms for one in (self, other)]
        fields = [one.fields for one in (self, other)]
        return Span(
            min(self.first_ms, other.first_ms),
            max(self.last_ms, other.last_ms),
            None if None in known else max(one for one in known if one is not None),
            None if None in fields else frozenset().union(*(one for one in fields if one is not None)),
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """Events by source, each id once and in no particular order, and the offsets up to which the store was read.

    `dropped` has, of each source that lost events to its retention which were asked for, the newest time of those.
    """

    events: Mapping[str, pl.DataFrame]
    offsets: tuple[OffsetRange, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)


class OfflineReader:
    """Reads what is stored. Files stay where they are for as long as they are read."""

    def __init__(self, files: Files, units: Units) -> None:
        self._files = files
        self._units = units

    @asynccontextmanager
    async def kept(self, sources: Sequence[str]) -> AsyncIterator[list[Segment]]:
        """The segments of some sources, whose files are not deleted meanwhile."""
        async with self._units.begin() as unit:
            await store.keep_files(unit.connection)
            yield await store.segments(unit.connection, sources)

    async def load(self, spans: Mapping[str, Span]) -> Loaded:
        """The events of some sources, each of its span. Flush the store first for what is still being collected."""
        async with self._units.begin() as unit:
            dropped = await store.dropped(unit.connection, sorted(spans))
        async with self.kept(sorted(spans)) as segments:
            ends: dict[Lane, int] = {}
            paths: dict[str, list[Path]] = {source: [] for source in spans}
            for segment in segments:
                ends[segment.lane] = segment.end
                span = spans[segment.source]
                if segment.last_ms >= span.first_ms and segment.first_ms < span.last_ms:
                    paths[segment.source].append(await self._files.on_disk(segment.path))
            events = await asyncio.to_thread(read, paths, spans)
        lost = {source: last for source, last in sorted(dropped.items()) if last >= spans[source].first_ms}
        return Loaded(events, _ranges(ends), lost)

    async def statistics(self, source: str) -> dict[str, Any]:
        """How many events a source has, when, how many were late, and of each field its nulls, least and most.

        An id that is there twice is counted once.
        """
        async with self.kept([source]) as segments:
            files = [await self._files.on_disk(segment.path) for segment in segments]
            return await asyncio.to_thread(_statistics, files) if files else {}


def read(paths: Mapping[str, Sequence[Path]], spans: Mapping[str, Span]) -> dict[str, pl.DataFrame]:
    """The events of some sources from their files, each id once, in no particular order."""
    return {source: _events(files, spans[source]) for source, files in paths.items()}


def _events(files: Sequence[Path], span: Span) -> pl.DataFrame:
    if not files:
        return _EMPTY
    frame = _on_polars(files, span)
    # Ties that all differ prove that the ids do, without a look at one of them.
    if not frame[TIE].null_count() and frame[TIE].n_unique() == frame.height:
        return frame
    once = _on_duckdb(files, span)
    return once.with_columns(pl.Series(TIE, ties_of(hash_texts(once[ID])), dtype=pl.Int64))


def _on_polars(files: Sequence[Path], span: Span) -> pl.DataFrame:
    """The events with an id that repeats as often as it is there.

    Polars reads numbers from Parquet in a third of DuckDB's time, and gives them without a copy; it has no windows.
    """
    scanned = pl.concat([pl.scan_parquet(file) for file in files], how="diagonal")
    connection = ibis.polars.connect({"events": scanned})
    chosen = relations.fields(_wanted(connection.table("events"), span), span.fields)
    found: pl.DataFrame = connection.to_polars(chosen)
    return found


def _on_duckdb(files: Sequence[Path], span: Span) -> pl.DataFrame:
    """The events, each id once, with their ids."""
    with _duckdb(files) as (connection, table):
        fields = span.fields | {ID} if span.fields is not None else None
        chosen = relations.fields(relations.distinct(_wanted(table, span)), fields)
        return pl.DataFrame(_answer(connection, chosen))


def _statistics(files: Sequence[Path]) -> dict[str, Any]:
    with _duckdb(files) as (connection, table):
        asked = relations.statistics(relations.distinct(relations.whole(table)))
        found: dict[str, Any] = _answer(connection, asked).to_pylist()[0]
        return found


@contextmanager
def _duckdb(files: Sequence[Path]) -> Iterator[tuple["Backend", ir.Table]]:
    connection = ibis.duckdb.connect()
    try:
        # The folders' names repeat what is known; as columns they would only be read and thrown away.
        yield (
            connection,
            connection.read_parquet([str(file) for file in files], union_by_name=True, hive_partitioning=False),
        )
    finally:
        connection.disconnect()


def _answer(connection: "Backend", asked: ir.Table) -> pa.Table:
    """What DuckDB answers. Ibis's own way is through pandas, whose import costs as much as a million events."""
    return connection.con.sql(connection.compile(asked)).to_arrow_table()


def _wanted(table: ir.Table, span: Span) -> ir.Table:
    events = relations.between(relations.whole(table), span.first_ms, span.last_ms)
    return events if span.known_ms is None else relations.known(events, span.known_ms)


def _ranges(ends: Mapping[Lane, int]) -> tuple[OffsetRange, ...]:
    return tuple(
        OffsetRange(topic=data_topic(source), partition=partition, start=0, end=end)
        for (source, partition), end in sorted(ends.items())
    )
