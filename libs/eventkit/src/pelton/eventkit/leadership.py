"""Work that one process of a service does at a time, while its other replicas stand by.

The leader is who holds an advisory lock, on a connection of its own. A leader that lost its connection may not know
yet: PostgreSQL gave the lock to another when the first still works. So each leadership has a term, and what the
work commits, it commits only while no later term has begun (`confirm`).
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.eventkit.database import lock_key, wait_for_lock
from pelton.eventkit.failures import TransientError, is_transient
from pelton.eventkit.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]

LOOK_EVERY_SECONDS: Final = 1.0
ANSWER_WITHIN_SECONDS: Final = 5.0
# PostgreSQL gives up the connection of a machine that vanished after 25 seconds: later than that machine's process,
# if it lives on, stops by the two numbers above.
KEEPALIVES: Final = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}

NEXT_TERM = """
    INSERT INTO leaderships (work, term) VALUES ($1, 1)
    ON CONFLICT (work) DO UPDATE SET term = leaderships.term + 1
    RETURNING term
"""
# The share lock lets a successor's `NEXT_TERM` wait for the transaction that asked.
CONFIRM = text("SELECT 1 FROM leaderships WHERE work = :work AND term = :term FOR SHARE")


class LeadershipLostError(TransientError):
    """Another process leads by now; what was about to be committed is its to do."""


class Leadership:
    """The leadership over one piece of work; `leading` is true while this process has it."""

    def __init__(self, dsn: str, work: str, metrics: Metrics) -> None:
        self._dsn = dsn
        self._work = work
        self._lock = lock_key(f"pelton.leadership/{work}")
        self._gauge = metrics.leading.labels(work)
        self._gauge.set(0)
        self._term: int | None = None
        self._ends: list[Callable[[], None]] = []

    @property
    def leading(self) -> bool:
        """Whether this process does the work now."""
        return self._term is not None

    def when_over(self, call: Callable[[], None]) -> None:
        """Call this each time the work has ended here."""
        self._ends.append(call)

    async def confirm(self, connection: AsyncConnection) -> None:
        """Let no other process lead before this transaction has ended.

        Raises:
            LeadershipLostError: one leads already.
        """
        found = await connection.execute(CONFIRM, {"work": self._work, "term": self._term or 0})
        if found.first() is None:
            raise LeadershipLostError(f"another process does {self._work} by now")

    async def lead(self, work: Work) -> None:
        """Do the work whenever it is this process's turn, until cancelled; ride out a database that restarts."""
        pause = 0.1
        while True:
            try:
                await self._lead_once(work)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("leadership interrupted", work=self._work, reason=str(error) or type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
            else:
                return

    async def _lead_once(self, work: Work) -> None:
        settings = {"application_name": f"lead {self._work}", **KEEPALIVES}
        connection = await asyncpg.connect(self._dsn, server_settings=settings)
        gone = asyncio.Event()
        connection.add_termination_listener(lambda *_: gone.set())
        try:
            await wait_for_lock(connection, self._lock)
            self._term = await connection.fetchval(NEXT_TERM, self._work)
            self._gauge.set(1)
            log.info("leads", work=self._work, term=self._term)
            await _while_held(work, self._hold(connection, gone))
        finally:
            # In this order: the lock goes with the connection, and by then nothing is done here any more.
            if self.leading:
                self._term = None
                self._gauge.set(0)
                for call in self._ends:
                    call()
            with suppress(Exception):
                await connection.close(timeout=2)

    async def _hold(self, connection: asyncpg.Connection, gone: asyncio.Event) -> None:
        """Return only by raising: that the lock is lost, or may be."""
        while not gone.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(gone.wait(), LOOK_EVERY_SECONDS)
                break
            await asyncio.wait_for(connection.execute("SELECT 1"), ANSWER_WITHIN_SECONDS)
        raise LeadershipLostError("the connection that holds the lock is gone")


async def _while_held(work: Work, holding: Coroutine[Any, Any, None]) -> None:
    """Do the work until it ends or the lock is lost; returns, or raises, when it has ended in either case."""
    tasks = [asyncio.create_task(work()), asyncio.create_task(holding)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
