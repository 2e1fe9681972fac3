"""Statements given to the driver itself, where so many are run that what SQLAlchemy adds to each is felt.

They run on the connection that SQLAlchemy holds, in its transaction, and name their values as its statements do. What
they raise and return is the driver's own: JSON comes as text.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import asyncpg
from sqlalchemy import TextClause
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

_DIALECT: Final = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


async def execute(connection: AsyncConnection, statement: TextClause, values: Mapping[str, object]) -> int:
    """Run a statement; returns how many rows it touched."""
    sql, names = _positional(statement)
    driver = await _beneath(connection)
    status: str = await driver.execute(sql, *(values[name] for name in names))
    return int(status.rpartition(" ")[2])


async def fetch(
    connection: AsyncConnection, statement: TextClause, values: Mapping[str, object]
) -> Sequence[asyncpg.Record]:
    """The rows of a query."""
    sql, names = _positional(statement)
    driver = await _beneath(connection)
    found: list[asyncpg.Record] = await driver.fetch(sql, *(values[name] for name in names))
    return found


async def fetch_row(
    connection: AsyncConnection, statement: TextClause, values: Mapping[str, object]
) -> asyncpg.Record | None:
    """The first row of a query, if there is one."""
    found = await fetch(connection, statement, values)
    return found[0] if found else None


async def _beneath(connection: AsyncConnection) -> asyncpg.Connection:
    raw = await connection.get_raw_connection()
    driver: asyncpg.Connection = raw.driver_connection
    if not driver.is_in_transaction():
        # SQLAlchemy begins its transaction with its own first statement, and has no public way to begin it without one.
        await raw.dbapi_connection._start_transaction()  # type: ignore[union-attr] # noqa: SLF001
    return driver


@lru_cache(maxsize=1024)
def _positional(statement: TextClause) -> tuple[str, Sequence[str]]:
    """A statement with `$1`, `$2`, … in the place of its names, and the names in that order."""
    compiled = statement.compile(dialect=_DIALECT)
    return str(compiled), tuple(compiled.positiontup or ())
