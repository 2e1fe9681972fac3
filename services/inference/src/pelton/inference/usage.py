"""Who still uses what: answered rows by version and caller, counted in memory and published each minute."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

import structlog

from pelton.contracts.records import UsageBatch, encode
from pelton.contracts.topics import USAGE
from pelton.eventkit.failures import is_transient
from pelton.eventkit.publisher import Outgoing, Publisher
from pelton.inference.deprecation import Deprecations

log = structlog.get_logger(__name__)

PERIOD: Final = 60.0
_DAY: Final = 86_400

Counts = defaultdict[int, defaultdict[str, int]]


class Slot(NamedTuple):
    """What one record is about: a model on a day, counted from 1970."""

    model: str
    day: int


class Usage:
    """The counts of this process by model, UTC day, version and caller; `now` is in seconds since 1970.

    What is published says how many rows there were since the day began, and so may come late or twice; what did not
    come is said again by the next record.
    """

    def __init__(self, publisher: Publisher, deprecations: Deprecations, now: Callable[[], float]) -> None:
        self._publisher = publisher
        self._deprecations = deprecations
        self._now = now
        self._source = uuid.uuid4().hex
        self._rows: defaultdict[Slot, Counts] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
        self._last: dict[Slot, float] = {}
        self._changed: defaultdict[Slot, set[int]] = defaultdict(set)

    def count(self, model: str, version: int, caller: str, rows: int) -> None:
        """Add the rows that a version answered."""
        now = self._now()
        slot = Slot(model, int(now // _DAY))
        self._rows[slot][version][caller] += rows
        self._last[slot] = now
        self._changed[slot].add(version)

    async def run(self) -> None:
        """Publish each minute until cancelled."""
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self.publish()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("usage waits", reason=str(error) or type(error).__name__)

    async def drain(self, seconds: float = 5.0) -> None:
        """Publish what is counted, if the bus takes it in time."""
        try:
            await asyncio.wait_for(self.publish(), seconds)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("usage lost at the stop", reason=str(error) or type(error).__name__)

    async def publish(self) -> None:
        """Publish what has changed, and say what is used after its sunset.

        Raises:
            Exception: the bus did not take it; the next call tries again.
        """
        changed, self._changed = self._changed, defaultdict(set)
        try:
            await self._publisher.publish([self._record(slot) for slot in changed])
        except BaseException:
            for slot, versions in changed.items():
                self._changed[slot] |= versions
            raise
        self._warn(changed)
        today = int(self._now() // _DAY)
        for slot in [one for one in self._rows if one.day < today and one not in self._changed]:
            del self._rows[slot], self._last[slot]

    def _record(self, slot: Slot) -> Outgoing:
        batch = UsageBatch(
            source=self._source,
            model=slot.model,
            day=datetime.fromtimestamp(slot.day * _DAY, UTC).date().isoformat(),
            last=round(self._last[slot] * 1000),
            rows={str(version): dict(callers) for version, callers in self._rows[slot].items()},
        )
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", f"{self._source}/{slot.day}/{batch.last}".encode()),
            ("ce_source", b"/pelton/inference"),
            ("ce_type", b"pelton.usage"),
            ("ce_subject", f"models/{slot.model}".encode()),
            ("content-type", b"application/json"),
        ]
        return Outgoing(USAGE, slot.model.encode(), headers, encode(batch))

    def _warn(self, changed: dict[Slot, set[int]]) -> None:
        now = datetime.fromtimestamp(self._now(), UTC)
        for slot, versions in changed.items():
            for version in versions:
                notice = self._deprecations.of(slot.model, (version,))
                if notice is not None and notice.is_over(now):
                    callers = sorted(self._rows[slot][version])
                    log.warning("used after its sunset", subject=notice.subject, version=version, callers=callers)
