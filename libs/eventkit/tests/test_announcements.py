"""What one process announces, another hears: through a lost connection too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest

from pelton.eventkit.announcements import Announcements
from pelton.testkit import PostgresInstance, eventually

CHANNEL = "pelton_tests_announce"


@pytest.fixture
async def database(postgres: PostgresInstance) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.database("announcements").replace("+asyncpg", ""))
    yield connection
    await connection.close()


async def test_every_announcement_is_heard_and_a_lost_connection_is_made_again(
    postgres: PostgresInstance, database: asyncpg.Connection
) -> None:
    heard = 0

    async def changed() -> None:
        nonlocal heard
        heard += 1

    dsn = postgres.database("announcements").replace("+asyncpg", "")
    listening = asyncio.create_task(Announcements(dsn, CHANNEL, changed).run())
    try:
        await eventually(lambda: heard == 1)
        await database.execute(f"NOTIFY {CHANNEL}")
        await eventually(lambda: heard == 2)
        await database.execute("NOTIFY another")
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1"
        assert await database.fetchval(ended, CHANNEL) == 1
        await eventually(lambda: heard >= 3)
        await database.execute(f"NOTIFY {CHANNEL}")
        await eventually(lambda: heard >= 4)
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
