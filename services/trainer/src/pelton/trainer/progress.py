"""Waiting for the policy to have come so far: for publishers that pace themselves by what the platform took in."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from pelton.eventkit.announcements import Announcements
from pelton.trainer import store
from pelton.trainer.store import Progress

LONGEST_PAUSE = 1.0


class ProgressBoard:
    """Tells when progress was committed, by this replica or another: PostgreSQL notifies, and is asked again.

    `woken` is called at each change as well: a dataset may have come for a job.
    """

    def __init__(self, engine: AsyncEngine, dsn: str, woken: Callable[[], None]) -> None:
        self._engine = engine
        self._announcements = Announcements(dsn, store.CHANGED, self._on_change)
        self._woken = woken
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled; ride out a database that restarts."""
        await self._announcements.run()

    async def wait(self, model: str | None, until: datetime | None, timeout: float) -> Sequence[Progress]:  # noqa: ASYNC109 - an answer is due then, not an error
        """The progress of a model, or of all, once all have settled up to `until`; at the latest after `timeout` s."""
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            changed = self._changed  # taken before the look, so that no change falls between
            async with self._engine.connect() as connection:
                found = await store.progress(connection, model)
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or all(one.settled(until) for one in found):
                return found
            try:
                await asyncio.wait_for(changed.wait(), min(left, LONGEST_PAUSE))
            except TimeoutError:
                continue

    async def _on_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        self._woken()
