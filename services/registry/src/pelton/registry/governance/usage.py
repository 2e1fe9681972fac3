"""Who uses which version: counted by whoever answers, and by the registry when a client looks a version up to load it.

These are measurements and no facts: a rebuild leaves them as they are. They belong to a model by the key of its facts,
and so stay with it when it is renamed.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.registry.store import rows, write

REGISTRY: Final = "registry"

COUNT = text("""
    INSERT INTO usage (key, version, caller, day, source, count, last)
    SELECT key, :version, :caller, :day, :source, :count, :last FROM models WHERE model = :model
    ON CONFLICT (key, version, caller, day, source) DO UPDATE
    SET count = greatest(usage.count, EXCLUDED.count), last = greatest(usage.last, EXCLUDED.last)
""")
LOOK_UP = text("""
    INSERT INTO usage (key, version, caller, day, source, count, last)
    SELECT key, :version, :caller, :day, :source, 1, :last FROM models WHERE model = :model
    ON CONFLICT (key, version, caller, day, source) DO UPDATE
    SET count = usage.count + 1, last = greatest(usage.last, EXCLUDED.last)
""")
USAGE = text("""
    SELECT version, caller, sum(count) FILTER (WHERE source <> :registry)::bigint AS rows,
           sum(count) FILTER (WHERE source = :registry)::bigint AS look_ups, min(day) AS since, max(last) AS last
    FROM usage JOIN models USING (key)
    WHERE model = :model AND day >= :since AND (CAST(:version AS integer) IS NULL OR version = :version)
    GROUP BY version, caller ORDER BY max(last) DESC, version, caller LIMIT :limit
""")


async def count(
    connection: AsyncConnection,
    model: str,
    version: int,
    caller: str,
    day: date,
    source: str,
    total: int,
    last: datetime,
) -> None:
    """That a source answered so many rows of a caller on a day, in all: of several words of it the greatest is right.

    A model that is not in the catalogue is passed over.
    """
    values = {"model": model, "version": version, "caller": caller, "day": day, "source": source}
    await write(connection, COUNT, **values, count=total, last=last)


async def look_up(connection: AsyncConnection, model: str, version: int, caller: str, now: datetime) -> None:
    """That a client asked where a version lies, to load it."""
    values = {"model": model, "version": version, "caller": caller, "day": now.date(), "source": REGISTRY}
    await write(connection, LOOK_UP, **values, last=now)


async def usage(
    connection: AsyncConnection, model: str, version: int | None, since: date, limit: int
) -> Sequence[RowMapping]:
    """Who used a model since a day, by version and caller, the latest first."""
    values = {"model": model, "version": version, "since": since, "registry": REGISTRY, "limit": limit}
    return await rows(connection, USAGE, **values)
