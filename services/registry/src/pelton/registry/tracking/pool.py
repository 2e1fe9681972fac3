"""The driver's own connections, for what is written and read too often for anything in between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

SIZE: Final = 8
PLANNING: Final = {
    "jit": "off",  # to compile a statement takes longer than any here does
    "random_page_cost": "1.1",  # there are no discs that turn
}


class StatelessConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that is handed on as it is: no statement here leaves anything behind in its session.

    To reset it each time would cost as much as the statement itself. A transaction that was left open is still ended.
    """

    def get_reset_query(self) -> str:
        """What is sent when a connection is given back: nothing."""
        return ""


async def open_pool(dsn: str) -> asyncpg.Pool:
    """Connections to a database."""
    return await asyncpg.create_pool(
        dsn, min_size=1, max_size=SIZE, connection_class=StatelessConnection, server_settings=PLANNING
    )


@asynccontextmanager
async def planned(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose statements read, and are planned for their values each time.

    Those of a search are: how many rows have a key, and how few are wanted, says which way through the indexes is the
    short one.
    """
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        yield connection
