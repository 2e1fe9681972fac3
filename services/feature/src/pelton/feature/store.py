"""The SQL of the feature service: models, segments, datasets, quarantine."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.feature import DatasetMaterialized

SAVE_MODEL = text("""
    INSERT INTO models (name, digest, definition) VALUES (:name, :digest, CAST(:definition AS jsonb))
    ON CONFLICT (name, digest) DO NOTHING
""")
MODEL = text("SELECT definition FROM models WHERE name = :name AND digest = :digest")

SEGMENT_ENDS = text("""
    SELECT source, partition, max(end_offset) AS end_offset FROM segments GROUP BY source, partition
""")
SEGMENTS = text("""
    SELECT source, partition, start_offset, end_offset, digest, rows, first_ms, last_ms
    FROM segments WHERE source = ANY(:sources) ORDER BY source, partition, start_offset
""")
ADD_SEGMENT = text("""
    INSERT INTO segments (source, partition, start_offset, end_offset, digest, rows, first_ms, last_ms)
    VALUES (:source, :partition, :start, :end, :digest, :rows, :first_ms, :last_ms)
    ON CONFLICT (source, partition, start_offset) DO NOTHING
""")

QUARANTINE = text("""
    INSERT INTO quarantine (id, source, event_id, origin, raw, faults, received_at)
    VALUES (:id, :source, :event_id, :origin, :raw, CAST(:faults AS jsonb), :now)
    ON CONFLICT (origin) DO NOTHING RETURNING id
""")
QUARANTINED = text("""
    SELECT id, source, event_id, origin, raw, faults, received_at, replayed_at FROM quarantine
    WHERE source = :source ORDER BY received_at DESC LIMIT :limit
""")
ONE_QUARANTINED = text("SELECT source, event_id, raw, replayed_at FROM quarantine WHERE id = :id")
MARK_REPLAYED = text("UPDATE quarantine SET replayed_at = :now WHERE id = :id")
QUARANTINE_COUNTS = text("SELECT source, count(*) AS waiting FROM quarantine WHERE replayed_at IS NULL GROUP BY source")

SAVE_DATASET = text("""
    INSERT INTO datasets (training_id, digest, fact, made_at) VALUES (:training_id, :digest, CAST(:fact AS jsonb), :now)
    ON CONFLICT (training_id) DO NOTHING
""")
DATASETS = text("SELECT fact, made_at FROM datasets ORDER BY made_at DESC LIMIT :limit")
DATASET = text("SELECT fact, made_at FROM datasets WHERE digest = :digest ORDER BY made_at DESC LIMIT 1")
DATASET_OF = text("SELECT 1 FROM datasets WHERE training_id = :training_id")


@dataclass(frozen=True, slots=True)
class Segment:
    """A Parquet file of the offline store: events of one partition, `start <= offset < end`."""

    source: str
    partition: int
    start: int
    end: int
    digest: str
    rows: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record for the quarantine. `origin` is where it came from, and makes it unique."""

    id: UUID
    source: str
    event_id: str
    origin: str
    raw: bytes
    faults: list[dict[str, str]]


async def save_model(connection: AsyncConnection, definition: ModelDefinition) -> None:
    """Remember a version of a model's definition."""
    values = {"name": definition.name, "digest": definition.digest, "definition": definition.model_dump_json()}
    await connection.execute(SAVE_MODEL, values)


async def model(connection: AsyncConnection, name: str, digest: str) -> ModelDefinition | None:
    """A version of a model's definition; None when it was not seen."""
    row = (await connection.execute(MODEL, {"name": name, "digest": digest})).first()
    return ModelDefinition.model_validate(row.definition) if row else None


async def segment_ends(connection: AsyncConnection) -> dict[tuple[str, int], int]:
    """Up to which offset the offline store has each partition of each source."""
    rows = (await connection.execute(SEGMENT_ENDS)).all()
    return {(row.source, row.partition): row.end_offset for row in rows}


async def segments(connection: AsyncConnection, names: Sequence[str]) -> list[Segment]:
    """The segments of some sources, in order."""
    rows = (await connection.execute(SEGMENTS, {"sources": list(names)})).all()
    return [
        Segment(
            row.source,
            row.partition,
            row.start_offset,
            row.end_offset,
            row.digest,
            row.rows,
            row.first_ms,
            row.last_ms,
        )
        for row in rows
    ]


async def add_segments(connection: AsyncConnection, new: Sequence[Segment]) -> None:
    """Add segments; one that is there already is the same."""
    if new:
        await connection.execute(
            ADD_SEGMENT,
            [
                {
                    "source": one.source,
                    "partition": one.partition,
                    "start": one.start,
                    "end": one.end,
                    "digest": one.digest,
                    "rows": one.rows,
                    "first_ms": one.first_ms,
                    "last_ms": one.last_ms,
                }
                for one in new
            ],
        )


async def quarantine(connection: AsyncConnection, rejected: Sequence[Rejected], now: datetime) -> list[Rejected]:
    """Keep records aside; returns those that were not there yet."""
    new: list[Rejected] = []
    for one in rejected:
        values = {
            "id": one.id,
            "source": one.source,
            "event_id": one.event_id,
            "origin": one.origin,
            "raw": one.raw,
            "faults": json.dumps(one.faults),
            "now": now,
        }
        if (await connection.execute(QUARANTINE, values)).first() is not None:
            new.append(one)
    return new


async def quarantined(connection: AsyncConnection, source: str, limit: int) -> list[dict[str, Any]]:
    """The newest quarantined records of a source."""
    rows = (await connection.execute(QUARANTINED, {"source": source, "limit": limit})).mappings()
    return [dict(row) | {"raw": bytes(row["raw"]).decode("utf-8", "replace")} for row in rows]


async def one_quarantined(connection: AsyncConnection, record_id: UUID) -> tuple[str, str, bytes] | None:
    """A quarantined record that waits: its source, event id and bytes."""
    row = (await connection.execute(ONE_QUARANTINED, {"id": record_id})).first()
    return None if row is None or row.replayed_at is not None else (row.source, row.event_id, bytes(row.raw))


async def mark_replayed(connection: AsyncConnection, record_id: UUID, now: datetime) -> None:
    """Remember that a quarantined record was taken in after all."""
    await connection.execute(MARK_REPLAYED, {"id": record_id, "now": now})


async def quarantine_counts(connection: AsyncConnection) -> dict[str, int]:
    """How many records of each source wait in the quarantine."""
    return {row.source: row.waiting for row in (await connection.execute(QUARANTINE_COUNTS)).all()}


async def save_dataset(connection: AsyncConnection, fact: DatasetMaterialized, now: datetime) -> None:
    """Remember a dataset."""
    values = {
        "training_id": fact.training_id,
        "digest": fact.dataset,
        "fact": fact.model_dump_json(),
        "now": now,
    }
    await connection.execute(SAVE_DATASET, values)


async def has_dataset(connection: AsyncConnection, training_id: str) -> bool:
    """Whether a training's dataset was made."""
    return (await connection.execute(DATASET_OF, {"training_id": training_id})).first() is not None


async def datasets(connection: AsyncConnection, limit: int) -> list[dict[str, Any]]:
    """The newest datasets."""
    rows = (await connection.execute(DATASETS, {"limit": limit})).all()
    return [row.fact | {"made_at": row.made_at.isoformat()} for row in rows]


async def dataset(connection: AsyncConnection, digest: str) -> dict[str, Any] | None:
    """One dataset."""
    row = (await connection.execute(DATASET, {"digest": digest})).first()
    return row.fact | {"made_at": row.made_at.isoformat()} if row else None
