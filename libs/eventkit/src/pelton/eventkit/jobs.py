"""Durable background work: enqueued in a transaction, run outside of one, at least once.

A job is held by an advisory lock on a connection of its runner, so that a runner that dies gives it up at once.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pelton.eventkit.clock import Clock, utc_now
from pelton.eventkit.database import lock_key
from pelton.eventkit.envelope import Cause
from pelton.eventkit.failures import is_transient

log = structlog.get_logger(__name__)

ENQUEUE = text("""
    INSERT INTO jobs (id, kind, payload, cause, created_at)
    VALUES (:id, :kind, CAST(:payload AS jsonb), CAST(:cause AS jsonb), :now)
    ON CONFLICT (id) DO NOTHING
""")
WAITING = text("SELECT id, kind, payload, cause, attempts FROM jobs WHERE finished_at IS NULL ORDER BY created_at")
STILL_WAITING = text("SELECT 1 FROM jobs WHERE id = :id AND finished_at IS NULL")
ATTEMPT = text("UPDATE jobs SET attempts = attempts + 1 WHERE id = :id")
FINISH = text("UPDATE jobs SET finished_at = :now, error = :error WHERE id = :id")
TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
UNLOCK = text("SELECT pg_advisory_unlock(:key)")


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work; `key` makes it unique within its kind."""

    id: str
    kind: str
    payload: Mapping[str, Any]
    cause: Cause | None
    attempt: int


Work = Callable[[Job], Awaitable[None]]


async def enqueue(
    connection: AsyncConnection, kind: str, key: str, payload: Mapping[str, object], cause: Cause | None, now: datetime
) -> None:
    """Leave a job in the caller's transaction; one with the same kind and key is left alone."""
    await connection.execute(
        ENQUEUE,
        {
            "id": f"{kind}/{key}",
            "kind": kind,
            "payload": json.dumps(payload),
            "cause": json.dumps(asdict(cause) if cause else None),
            "now": now,
        },
    )


class JobRunner:
    """Runs the jobs of a service one at a time, oldest first.

    `works` maps a kind to its work, which must end the job's story itself (by a fact, usually) and may be repeated.
    A transient failure is tried again after a pause; any other ends the job and stays on record with it.
    """

    def __init__(
        self, engine: AsyncEngine, works: Mapping[str, Work], *, clock: Clock = utc_now, pause: float = 1.0
    ) -> None:
        self._engine = engine
        self._works = works
        self._clock = clock
        self._pause = pause
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for work now rather than after the pause."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                worked = await self._run_next()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("jobs are waiting", reason=str(error))
                worked = False
            if not worked:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._pause)
                self._wake.clear()

    async def _run_next(self) -> bool:
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            for row in (await connection.execute(WAITING)).all():
                key = lock_key(f"job/{row.id}")
                if not (await connection.execute(TRY_LOCK, {"key": key})).scalar():
                    continue
                try:
                    if (await connection.execute(STILL_WAITING, {"id": row.id})).first() is None:
                        continue
                    cause = Cause(**row.cause) if row.cause else None
                    await self._attempt(connection, Job(row.id, row.kind, row.payload, cause, row.attempts + 1))
                    return True
                finally:
                    await connection.execute(UNLOCK, {"key": key})
        return False

    async def _attempt(self, connection: AsyncConnection, job: Job) -> None:
        await connection.execute(ATTEMPT, {"id": job.id})
        error_text = None
        try:
            await self._works[job.kind](job)
        except Exception as error:
            if is_transient(error):
                log.warning("job will be tried again", job=job.id, reason=str(error))
                await asyncio.sleep(self._pause)
                return
            log.exception("job failed", job=job.id)
            error_text = f"{type(error).__name__}: {error}"
        await connection.execute(FINISH, {"id": job.id, "now": self._clock(), "error": error_text})
