"""Writing the Parquet files of the offline store, so that a crash leaves no file that nobody knows of."""

import asyncio
import hashlib
import io
from collections.abc import Sequence
from typing import Final

import polars as pl

from pelton.eventkit.failures import TransientError
from pelton.eventkit.unit import Units
from pelton.feature.columns import ARRIVAL, ID, LATE, OFFSET, PARTITION, TIE, TIME
from pelton.feature.offline import store
from pelton.feature.offline.segments import Lane, Segment, day_of, path_of
from pelton.objects.files import Files
from pelton.tiles.hashing import hash_texts
from pelton.tiles.measuring import ties_of

# Large enough to read fast, small enough that a reader of one day of event time passes most of a file over.
ROW_GROUP: Final = 131_072


class OvertakenError(TransientError):
    """Another process stored what this one was about to."""


async def write(files: Files, units: Units, lane: Lane, start: int, end: int, events: pl.DataFrame) -> Segment:
    """Write a segment's file; it is swept one day unless a segment adopts it (`store.add`)."""
    data = await asyncio.to_thread(parquet, events.sort(TIME, PARTITION, OFFSET))
    digest = f"sha256:{(await asyncio.to_thread(hashlib.sha256, data)).hexdigest()}"
    last_arrival = _largest(events[ARRIVAL])
    source, partition = lane
    path = path_of(source, day_of(last_arrival), partition, start, end, digest)
    async with units.begin() as unit:
        await store.disown(unit.connection, path, units.clock())
    await files.put(path, data)
    return Segment(
        source=source,
        partition=partition,
        start=start,
        end=end,
        path=path,
        digest=digest,
        rows=events.height,
        size=len(data),
        first_ms=_least(events[TIME]),
        last_ms=_largest(events[TIME]),
        first_arrival_ms=_least(events[ARRIVAL]),
        last_arrival_ms=last_arrival,
    )


def whole(events: pl.DataFrame) -> pl.DataFrame:
    """Events with every column of the store: of those from before there was an arrival, it is the event's time.

    The tie, which orders events of one time, is made of the id as the online store makes it: another program that
    reads the files need not know how.
    """
    missing = []
    if ARRIVAL not in events.columns:
        missing.append(pl.col(TIME).alias(ARRIVAL))
    if LATE not in events.columns:
        missing.append(pl.lit(0, pl.Int8).alias(LATE))
    return events.with_columns(*missing, pl.Series(TIE, ties_of(hash_texts(events[ID])), dtype=pl.Int64)).with_columns(
        pl.col(ARRIVAL).fill_null(pl.col(TIME)), pl.col(LATE).cast(pl.Int8).fill_null(0)
    )


def by_day(events: pl.DataFrame) -> Sequence[pl.DataFrame]:
    """Events of one partition, parted by their days of arrival, in order of offset.

    A broker whose clock was set back stamps a record earlier than those before it: that one is of their day.
    """
    ordered = events.sort(OFFSET)
    days = (ordered[ARRIVAL].cum_max() // 86_400_000).alias("day")
    if days.n_unique() == 1:
        return [ordered]
    return ordered.with_columns(days).partition_by("day", maintain_order=True, include_key=False)


def parquet(events: pl.DataFrame) -> bytes:
    """A frame as Parquet: the same bytes for the same rows."""
    buffer = io.BytesIO()
    events.write_parquet(buffer, compression="zstd", compression_level=3, statistics=True, row_group_size=ROW_GROUP)
    return buffer.getvalue()


def _least(column: pl.Series) -> int:
    return int(column.min())  # type: ignore[arg-type]


def _largest(column: pl.Series) -> int:
    return int(column.max())  # type: ignore[arg-type]
