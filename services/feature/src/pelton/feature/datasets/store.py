"""The SQL of datasets: those that were made, and what was asked for."""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.feature import DatasetMaterialized

SAVE = text("""
    INSERT INTO datasets (id, digest, fact, made_at) VALUES (:id, :digest, CAST(:fact AS jsonb), :now)
    ON CONFLICT (id) DO NOTHING
""")
HAS = text("SELECT 1 FROM datasets WHERE id = :id")
NEWEST = text("SELECT fact, made_at FROM datasets ORDER BY made_at DESC LIMIT :limit")
BY_DIGEST = text("SELECT fact, made_at FROM datasets WHERE digest = :digest ORDER BY made_at DESC LIMIT 1")


async def save(connection: AsyncConnection, id_: str, fact: DatasetMaterialized, now: datetime) -> None:
    """Remember a dataset under the id of what asked for it."""
    values = {"id": id_, "digest": fact.dataset, "fact": fact.model_dump_json(), "now": now}
    await connection.execute(SAVE, values)


async def has(connection: AsyncConnection, id_: str) -> bool:
    """Whether what asked for a dataset has got it."""
    return (await connection.execute(HAS, {"id": id_})).first() is not None


async def newest(connection: AsyncConnection, limit: int) -> list[dict[str, Any]]:
    """The newest datasets."""
    rows = (await connection.execute(NEWEST, {"limit": limit})).all()
    return [row.fact | {"made_at": row.made_at.isoformat()} for row in rows]


async def by_digest(connection: AsyncConnection, digest: str) -> dict[str, Any] | None:
    """One dataset."""
    row = (await connection.execute(BY_DIGEST, {"digest": digest})).first()
    return row.fact | {"made_at": row.made_at.isoformat()} if row else None
