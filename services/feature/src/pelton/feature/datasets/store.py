"""The SQL of datasets: those that were made, and what was asked for."""

import json
from collections.abc import Mapping
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

ASK = text("""
    INSERT INTO dataset_requests (id, query, actor, asked_at) VALUES (:id, CAST(:query AS jsonb), :actor, :now)
    ON CONFLICT (id) DO NOTHING
""")
REQUEST = text("""
    SELECT asked.id, asked.query, asked.actor, asked.asked_at, asked.failure, made.digest AS dataset
    FROM dataset_requests asked LEFT JOIN datasets made ON made.id = asked.id WHERE asked.id = :id
""")
FAIL = text("UPDATE dataset_requests SET failure = :reason WHERE id = :id")


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


async def ask(connection: AsyncConnection, id_: str, query: Mapping[str, object], actor: str, now: datetime) -> None:
    """Remember what was asked for; the same id again changes nothing."""
    await connection.execute(ASK, {"id": id_, "query": json.dumps(query), "actor": actor, "now": now})


async def request(connection: AsyncConnection, id_: str) -> dict[str, Any] | None:
    """What was asked for by an id, and what became of it: the `dataset`, a `failure`, or neither yet."""
    row = (await connection.execute(REQUEST, {"id": id_})).mappings().first()
    return dict(row) if row else None


async def fail(connection: AsyncConnection, id_: str, reason: str) -> None:
    """Remember why what was asked for cannot be made."""
    await connection.execute(FAIL, {"id": id_, "reason": reason})
