"""The SQL of the event store and the inbox."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.fact import Fact, fact_class
from pelton.eventkit import driver


class ConcurrencyConflictError(Exception):
    """Somebody else changed the stream since it was loaded; load it again and decide anew."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A fact on its way into a stream; `meta` holds correlation, causation, actor and trace."""

    id: UUID
    stream: str
    version: int
    fact: Fact
    meta: dict[str, str | None]
    time: datetime


# One statement, and so one round trip, for any number of facts; `place` keeps their order in `seq`.
APPEND = text("""
    WITH added AS (
        INSERT INTO events (id, stream, version, type, data, meta, time)
        SELECT id, stream, version, type, data, meta, time
        FROM unnest(
            CAST(:id AS uuid[]), CAST(:stream AS text[]), CAST(:version AS integer[]), CAST(:type AS text[]),
            CAST(:data AS bytea[]), CAST(:meta AS jsonb[]), CAST(:time AS timestamptz[])
        ) WITH ORDINALITY AS new (id, stream, version, type, data, meta, time, place)
        ORDER BY place
        RETURNING seq
    )
    SELECT pg_notify('pelton_outbox', '') FROM (SELECT count(*) FROM added) AS counted
""")

LOAD = text("""
    SELECT type, data FROM events WHERE stream = :stream ORDER BY version
""")

CLAIM = text("""
    INSERT INTO inbox (handler, topic, partition, position)
    VALUES (:handler, :topic, :partition, :position)
    ON CONFLICT (handler, topic, partition) DO UPDATE
    SET position = EXCLUDED.position
    WHERE inbox.position < EXCLUDED.position
    RETURNING position
""")

READER_OFFSETS = text("""
    SELECT topic, partition, next_offset FROM reader_offsets WHERE reader = :reader
""")

SAVE_READER_OFFSET = text("""
    INSERT INTO reader_offsets (reader, topic, partition, next_offset)
    VALUES (:reader, :topic, :partition, :next_offset)
    ON CONFLICT (reader, topic, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset
""")

PAGE = text("""
    SELECT position, id, stream, version, type, data, meta, time
    FROM events WHERE position > :after ORDER BY position LIMIT :limit
""")


async def append(connection: AsyncConnection, events: Sequence[NewEvent]) -> None:
    """Add facts to their streams and wake the relay when the transaction commits.

    Raises:
        ConcurrencyConflictError: a version of a stream is already taken.
    """
    columns = {
        "id": [event.id for event in events],
        "stream": [event.stream for event in events],
        "version": [event.version for event in events],
        "type": [event.fact.fact_type for event in events],
        "data": [event.fact.to_bytes() for event in events],
        "meta": [json.dumps(event.meta, sort_keys=True) for event in events],
        "time": [event.time for event in events],
    }
    try:
        await driver.execute(connection, APPEND, columns)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "events_stream_version_key":
            raise
        streams = ", ".join(sorted({event.stream for event in events}))
        raise ConcurrencyConflictError(f"{streams} changed in the meantime; try again") from error


async def load(connection: AsyncConnection, stream: str) -> list[Fact]:
    """Every fact of a stream, oldest first."""
    rows = await driver.fetch(connection, LOAD, {"stream": stream})
    return [fact_class(row["type"]).from_bytes(row["data"]) for row in rows]


async def claim(connection: AsyncConnection, handler: str, topic: str, partition: int, position: int) -> bool:
    """Whether this handler sees the message for the first time. Holds for the transaction's own commit only."""
    place = {"handler": handler, "topic": topic, "partition": partition, "position": position}
    return await driver.fetch_row(connection, CLAIM, place) is not None


async def page(connection: AsyncConnection, after: int, limit: int) -> list[dict[str, Any]]:
    """Published facts in the order of their positions, for readers of the store itself."""
    return [dict(row._mapping) for row in (await connection.execute(PAGE, {"after": after, "limit": limit})).all()]  # noqa: SLF001


async def reader_offsets(connection: AsyncConnection, reader: str) -> dict[tuple[str, int], int]:
    """Where a reader of high-volume topics goes on, by topic and partition."""
    rows = (await connection.execute(READER_OFFSETS, {"reader": reader})).all()
    return {(row.topic, row.partition): row.next_offset for row in rows}


async def save_reader_offsets(connection: AsyncConnection, reader: str, offsets: dict[tuple[str, int], int]) -> None:
    """Store where a reader goes on, in the transaction of what it made of the records."""
    if offsets:
        await connection.execute(
            SAVE_READER_OFFSET,
            [
                {"reader": reader, "topic": topic, "partition": partition, "next_offset": offset}
                for (topic, partition), offset in sorted(offsets.items())
            ],
        )
