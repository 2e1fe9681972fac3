"""The SQL of the offline store: segments, how far each partition is stored, and files that no segment has."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.eventkit.database import lock_key
from pelton.feature.offline.segments import Lane, Segment

ENDS = text("SELECT source, partition, end_offset FROM offline_ends")
ADVANCE = text("""
    INSERT INTO offline_ends (source, partition, end_offset) VALUES (:source, :partition, :end)
    ON CONFLICT (source, partition) DO UPDATE SET end_offset = EXCLUDED.end_offset
    WHERE offline_ends.end_offset = :start
    RETURNING end_offset
""")

FIELDS = """source, partition, start_offset AS start, end_offset AS "end", path, digest, rows, size,
            first_ms, last_ms, first_arrival_ms, last_arrival_ms"""
SEGMENTS = text(f"""
    SELECT {FIELDS} FROM segments WHERE source = ANY(:sources) AND dropped_at IS NULL
    ORDER BY source, partition, start_offset
""")  # noqa: S608 - a constant
ALL_SEGMENTS = text(f"""
    SELECT {FIELDS} FROM segments WHERE dropped_at IS NULL ORDER BY source, partition, start_offset
""")  # noqa: S608 - a constant
ADD_SEGMENT = text("""
    INSERT INTO segments (source, partition, start_offset, end_offset, path, digest, rows, size,
                          first_ms, last_ms, first_arrival_ms, last_arrival_ms)
    VALUES (:source, :partition, :start, :end, :path, :digest, :rows, :size,
            :first_ms, :last_ms, :first_arrival_ms, :last_arrival_ms)
""")
REMOVE_SEGMENT = text("DELETE FROM segments WHERE path = :path AND dropped_at IS NULL RETURNING path")
DROP_SEGMENT = text("UPDATE segments SET dropped_at = :now WHERE path = :path AND dropped_at IS NULL RETURNING path")
DROPPED = text("""
    SELECT source, max(last_ms) AS last_ms FROM segments
    WHERE source = ANY(:sources) AND dropped_at IS NOT NULL GROUP BY source
""")
SUMMARY = text("""
    SELECT source, count(*) FILTER (WHERE dropped_at IS NULL) AS segments,
           coalesce(sum(rows) FILTER (WHERE dropped_at IS NULL), 0)::bigint AS events,
           coalesce(sum(size) FILTER (WHERE dropped_at IS NULL), 0)::bigint AS bytes,
           min(first_ms) FILTER (WHERE dropped_at IS NULL) AS first_ms,
           max(last_ms) FILTER (WHERE dropped_at IS NULL) AS last_ms,
           coalesce(sum(rows) FILTER (WHERE dropped_at IS NOT NULL), 0)::bigint AS dropped_events,
           max(last_ms) FILTER (WHERE dropped_at IS NOT NULL) AS dropped_until_ms
    FROM segments GROUP BY source ORDER BY source
""")

DISOWN = text("""
    INSERT INTO unadopted_files (path, since) VALUES (:path, :now)
    ON CONFLICT (path) DO UPDATE SET since = EXCLUDED.since
""")
ADOPT = text("DELETE FROM unadopted_files WHERE path = :path RETURNING path")
SWEEP = text("DELETE FROM unadopted_files WHERE since < :before RETURNING path")

READERS = lock_key("pelton.feature.offline_files")
LOCK_SHARED = text("SELECT pg_advisory_xact_lock_shared(:key)")
LOCK_ALONE = text("SELECT pg_advisory_xact_lock(:key)")
PATIENCE = text("SET LOCAL lock_timeout = '20s'")


async def ends(connection: AsyncConnection) -> dict[Lane, int]:
    """Up to which offset the store has each partition of each source."""
    return {(row.source, row.partition): row.end_offset for row in (await connection.execute(ENDS)).all()}


async def advance(connection: AsyncConnection, lane: Lane, start: int, end: int) -> bool:
    """Move the end of a partition; false when it is not where the caller takes it to be."""
    values = {"source": lane[0], "partition": lane[1], "start": start, "end": end}
    return (await connection.execute(ADVANCE, values)).first() is not None


async def segments(connection: AsyncConnection, sources: Sequence[str] | None = None) -> list[Segment]:
    """The segments of some sources, or of all, by source, partition and offset."""
    if sources is None:
        rows = (await connection.execute(ALL_SEGMENTS)).mappings()
    else:
        rows = (await connection.execute(SEGMENTS, {"sources": list(sources)})).mappings()
    return [_segment(row) for row in rows]


async def add(connection: AsyncConnection, segment: Segment) -> bool:
    """Add a segment whose file was written; false when the file was swept in the meantime."""
    adopted = (await connection.execute(ADOPT, {"path": segment.path})).first() is not None
    if adopted:
        await connection.execute(ADD_SEGMENT, {name: getattr(segment, name) for name in Segment.__slots__})
    return adopted


async def remove(connection: AsyncConnection, segment: Segment, now: datetime) -> bool:
    """Take a segment away, whose events are in another by now; false when it is not there."""
    found = (await connection.execute(REMOVE_SEGMENT, {"path": segment.path})).first() is not None
    if found:
        await disown(connection, segment.path, now)
    return found


async def drop(connection: AsyncConnection, segment: Segment, now: datetime) -> bool:
    """Let go of a segment's events for good, and remember that there were some; false when it is not there."""
    found = (await connection.execute(DROP_SEGMENT, {"path": segment.path, "now": now})).first() is not None
    if found:
        await disown(connection, segment.path, now)
    return found


async def dropped(connection: AsyncConnection, sources: Sequence[str]) -> dict[str, int]:
    """Of each source that had segments dropped, the newest event time in them."""
    rows = (await connection.execute(DROPPED, {"sources": list(sources)})).all()
    return {row.source: row.last_ms for row in rows}


async def summary(connection: AsyncConnection) -> list[dict[str, Any]]:
    """What the store has of each source, and what was dropped."""
    return [dict(row) for row in (await connection.execute(SUMMARY)).mappings()]


async def disown(connection: AsyncConnection, path: str, now: datetime) -> None:
    """Note that a file belongs to no segment: none has it yet, or none has it any longer."""
    await connection.execute(DISOWN, {"path": path, "now": now})


async def sweepable(connection: AsyncConnection, before: datetime) -> list[str]:
    """The files that no segment has had since a moment, for the caller to delete before it commits."""
    return [row.path for row in (await connection.execute(SWEEP, {"before": before})).all()]


async def keep_files(connection: AsyncConnection) -> None:
    """Let no file be deleted before this transaction has ended."""
    await connection.execute(LOCK_SHARED, {"key": READERS})


async def wait_for_readers(connection: AsyncConnection) -> None:
    """Wait until whoever keeps files has ended; who comes later waits for this transaction."""
    await connection.execute(PATIENCE)
    await connection.execute(LOCK_ALONE, {"key": READERS})


def _segment(row: RowMapping) -> Segment:
    return Segment(**row)
