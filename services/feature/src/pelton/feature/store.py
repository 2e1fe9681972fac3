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

SAVE_MODEL = text("""
    INSERT INTO models (name, digest, definition) VALUES (:name, :digest, CAST(:definition AS jsonb))
    ON CONFLICT (name, digest) DO NOTHING
""")
MODEL = text("SELECT definition FROM models WHERE name = :name AND digest = :digest")

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
