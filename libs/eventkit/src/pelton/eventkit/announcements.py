"""What PostgreSQL announces: how a replica hears that another changed what both hold in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import asyncpg
import structlog

from pelton.eventkit.failures import is_transient

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 1.0
LOOK_EVERY_SECONDS: Final = 5.0
ANSWER_WITHIN_SECONDS: Final = 5.0


class Announcements:
    """Calls `changed` after every announcement on a channel, made with `pg_notify` in whichever transaction.

    It is called once the channel is heard, too: something may have been announced before. Several announcements in a
    row may make one call.
    """

    def __init__(self, dsn: str, channel: str, changed: Callable[[], Awaitable[None]]) -> None:
        self._dsn = dsn
        self._channel = channel
        self._changed = changed

    async def run(self) -> None:
        """Listen until cancelled; ride out a database that restarts."""
        while True:
            try:
                await self._listen()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning(
                    "announcements interrupted", channel=self._channel, reason=str(error) or type(error).__name__
                )
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self._dsn, server_settings={"application_name": self._channel})
        heard = asyncio.Event()
        heard.set()
        try:
            connection.add_termination_listener(lambda _: heard.set())
            await connection.add_listener(self._channel, lambda *_: heard.set())
            while not connection.is_closed():
                if heard.is_set():
                    heard.clear()
                    await self._changed()
                # A peer that vanished without a word ends no connection: it is asked whether it is there.
                await asyncio.wait_for(connection.execute("SELECT 1"), ANSWER_WITHIN_SECONDS)
                with suppress(TimeoutError):
                    await asyncio.wait_for(heard.wait(), LOOK_EVERY_SECONDS)
        finally:
            with suppress(Exception):
                await connection.close(timeout=2)
