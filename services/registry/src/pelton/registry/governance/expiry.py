"""Voids requests that nobody decided in time; of a service's processes one does it."""

import asyncio
from typing import Final

from sqlalchemy import text

from pelton.eventkit.leadership import Leadership
from pelton.eventkit.unit import Units
from pelton.registry.governance import commands
from pelton.registry.store import rows

LOOK_EVERY_SECONDS: Final = 5.0

LATE = text("""
    SELECT DISTINCT model FROM approvals WHERE status = 'pending' AND expires_at <= :now ORDER BY model
""")


class Expiry:
    """A late approval is refused in any case: this is for those who look at the list."""

    def __init__(self, units: Units, leadership: Leadership) -> None:
        self._units = units
        self._leadership = leadership

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def look(self) -> None:
        """Void what is late now, each model by itself."""
        async with self._units.engine.connect() as connection:
            late = await rows(connection, LATE, now=self._units.clock())
        for one in late:
            async with self._units.begin() as unit:
                await self._leadership.confirm(unit.connection)
                await commands.expire(unit, one["model"])
