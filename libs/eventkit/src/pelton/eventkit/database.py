"""The engine of a service's own database, and its migrations."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import alembic.command
import asyncpg
from alembic.config import Config
from sqlalchemy import Connection, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from pelton.contracts.canonical import sha256

TRY_EVERY_SECONDS = 0.5
MIGRATIONS = Path(__file__).parent / "migrations"


def lock_key(name: str) -> int:
    """A PostgreSQL advisory lock's number for a name."""
    return int(sha256(name.encode())[7:22], 16)


async def wait_for_lock(connection: asyncpg.Connection, key: int) -> None:
    """Take an advisory lock for as long as the connection lives.

    It is asked for again and again: a statement that waits for it would keep its snapshot, and with it all that vacuum
    should clear.
    """
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):  # noqa: ASYNC110
        await asyncio.sleep(TRY_EVERY_SECONDS)


def create_engine(dsn: str, *, pool_size: int = 5) -> AsyncEngine:
    """An engine on asyncpg; a connection that broke while idle is replaced, not handed out."""
    engine = create_async_engine(
        "postgresql+asyncpg://" + dsn.partition("://")[2],
        pool_size=pool_size,
        max_overflow=10,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: DBAPIConnection, *_: object) -> None:
    """Look whether asyncpg has heard that its peer is gone: that costs nothing, a ping three round trips."""
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


async def ensure_database(dsn: str) -> None:
    """Create the database that a DSN names, if there is none."""
    base, _, rest = dsn.rpartition("/")
    name, _, query = rest.partition("?")
    connection = await asyncpg.connect(f"{base}/postgres" + (f"?{query}" if query else ""))
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            quoted = name.replace('"', '""')
            await connection.execute(f'CREATE DATABASE "{quoted}"')
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        pass  # another replica was a moment faster
    finally:
        await connection.close()


async def migrate(engine: AsyncEngine, versions: Sequence[Path]) -> None:
    """Bring the schema to the newest version; replicas that start together wait for one another.

    `versions` are the folders of a service's own migrations; those of the event store come first.
    """
    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": lock_key("pelton.migrations")})
        await connection.commit()
        try:
            await connection.run_sync(_upgrade, [MIGRATIONS / "versions", *versions])
            await connection.commit()
        finally:
            await connection.rollback()
            await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": lock_key("pelton.migrations")})
            await connection.commit()


def _upgrade(connection: Connection, versions: Sequence[Path]) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(path) for path in versions))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "heads")
