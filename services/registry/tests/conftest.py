import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

# Tests are no package (pytest imports them by path); what several of them share are modules beside them.
sys.path.insert(0, str(Path(__file__).parent))

from registry_door import Door
from registry_facts import CODE_BYTES
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pelton.eventkit.database import create_engine, migrate
from pelton.eventkit.unit import Units
from pelton.objects import Objects
from pelton.registry import projections
from pelton.registry.tracking.experiments import begin_with_default
from pelton.registry.tracking.pool import open_pool
from pelton.testkit.servers import PostgresInstance

MIGRATIONS = Path(projections.__file__).parent / "migrations" / "versions"

# To empty every table costs more than most tests, and most tests write into a few.
EMPTY = text("""
    DO $$
    DECLARE
        one text;
        written boolean;
        found text[] := '{}';
    BEGIN
        FOR one IN
            SELECT quote_ident(tablename) FROM pg_tables
            WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one) INTO written;
            IF written THEN
                found := found || one;
            END IF;
        END LOOP;
        IF found <> '{}' THEN
            EXECUTE format('TRUNCATE %s RESTART IDENTITY CASCADE', array_to_string(found, ', '));
        END IF;
    END
    $$
""")


@pytest.fixture(scope="session")
async def engine(postgres: PostgresInstance) -> AsyncIterator[AsyncEngine]:
    """The registry's own database, migrated once: to migrate takes longer than most tests."""
    engine = create_engine(postgres.database())
    await migrate(engine, [MIGRATIONS])
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
async def pool(engine: AsyncEngine) -> AsyncIterator[asyncpg.Pool]:
    """The driver's own connections to the same database."""
    dsn = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    pool = await open_pool(dsn)
    yield pool
    await pool.close()


@pytest.fixture
async def units(engine: AsyncEngine) -> Units:
    """An empty registry, with a clock on which every fact is a second after the last."""
    async with engine.begin() as connection:
        await connection.execute(EMPTY)
    start = datetime(2013, 3, 1, tzinfo=UTC)
    ticks = iter(range(1_000_000))
    return Units(engine, "registry", clock=lambda: start + timedelta(seconds=next(ticks)))


@pytest.fixture
async def door(units: Units, pool: asyncpg.Pool, tmp_path: Path) -> AsyncIterator[Door]:
    """The registry behind its authentication and body limit; the code of the models is uploaded."""
    objects = Objects((tmp_path / "objects").as_uri())
    await objects.put(CODE_BYTES)
    await begin_with_default(pool, 0)
    door = Door(units, objects, pool)
    yield door
    await door.close()
