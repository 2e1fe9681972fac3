"""Sources that have fallen silent: looked for by the clock, by one process of the service at a time."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from pelton.contracts.canonical import digest
from pelton.contracts.definitions import Freshness, SourceDefinition, seconds
from pelton.contracts.feature import SourceRuleRestored, SourceRuleViolated
from pelton.eventkit.failures import is_transient
from pelton.eventkit.unit import Units
from pelton.feature.quality import store, watching
from pelton.feature.quality.store import RuleState
from pelton.feature.validation import EventValidator

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 2.0


class FreshnessWatch:
    """Tells when a source breaks its rule of how often an event must come, and when it keeps it again."""

    def __init__(self, validators: Callable[[], Mapping[str, EventValidator]], units: Units) -> None:
        self._validators = validators
        self._units = units

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("silent sources are looked for later", reason=str(error) or type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> None:
        """Look once."""
        watched = [
            (one.definition, rule)
            for one in self._validators().values()
            for rule in one.definition.rules
            if isinstance(rule, Freshness)
        ]
        if not watched:
            return
        async with self._units.begin() as unit:
            now = unit.now()
            arrivals = await store.arrivals(unit.connection, sorted({one.name for one, _ in watched}), now)
        for definition, rule in watched:
            await self._tell(definition, rule, arrivals[definition.name], now)

    async def _tell(self, definition: SourceDefinition, rule: Freshness, arrived: datetime, now: datetime) -> None:
        broken = now - arrived > timedelta(seconds=seconds(rule.within))
        async with self._units.begin() as unit:
            await store.lock(unit.connection, definition.name)
            known = (await store.states(unit.connection, definition.name)).get(rule.name)
            if broken == (known is not None and known.broken):
                return
            kind = SourceRuleViolated if broken else SourceRuleRestored
            detail = f"no event since {arrived.isoformat(timespec='seconds')}, and one every {rule.within} is asked for"
            if not broken:
                detail = f"an event came at {arrived.isoformat(timespec='seconds')}"
            fact = kind(source=definition.name, rule=rule.name, source_digest=definition.digest, detail=detail)
            state = RuleState(rule.name, digest(rule), None, None, broken, detail, now)
            await watching.turned(unit, definition.name, state, fact)
