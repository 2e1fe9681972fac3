"""Where the rules of sources are asked: at the door, and of what is read from Kafka before it is taken in."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.definitions import Reference, SourceDefinition, Unique, seconds
from pelton.contracts.definitions.rules import ValueRule
from pelton.contracts.topics import data_topic
from pelton.eventkit.reader import Partition
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.feature.quality import store, watching
from pelton.feature.quality.faults import faults_of, listed, values
from pelton.feature.quality.keys import StoredKeys
from pelton.feature.quality.neighbours import Claim, Claims, digest_of
from pelton.feature.quality.rules import Columns
from pelton.feature.quality.store import Progress
from pelton.feature.validation import EventValidator, Fault

Ints = NDArray[np.int64]
Faults = dict[int, list[Fault]]
"""What is wrong with events, by their places in a batch; those that are not in it are right."""

EventRule = ValueRule | Unique | Reference


class Events(Protocol):
    """Events of one partition that their schema lets in, in order: arrays of shape (n,)."""

    @property
    def offsets(self) -> Ints: ...  # noqa: D102 - fields
    @property
    def ids(self) -> pl.Series: ...  # noqa: D102
    @property
    def times_ms(self) -> Ints: ...  # noqa: D102
    @property
    def columns(self) -> Columns: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Share:
    """What one partition of a source gave to a batch, up to `next_offset`."""

    source: str
    partition: int
    next_offset: int
    events: Events


@dataclass
class _Judged:
    """A share's verdicts while they come together."""

    share: Share
    faults: Faults = field(default_factory=lambda: defaultdict(list))
    broken: list[tuple[EventRule, Ints]] = field(default_factory=list)

    def add(self, rule: EventRule, places: Ints) -> None:
        if places.size:
            self.broken.append((rule, places))
        if rule.severity == "quarantine":
            for place, fault in zip(places.tolist(), faults_of(rule, self.share.events.columns, places), strict=True):
                self.faults[place].append(fault)

    def good(self) -> Ints:
        """The places of the events that nothing is wrong with so far."""
        kept = np.ones(self.share.events.offsets.size, np.bool_)
        kept[list(self.faults)] = False
        return np.flatnonzero(kept)


class Gate:
    """Asks the rules of sources, which may be changed while it does.

    What it counts and remembers is one transaction of PostgreSQL a batch, in step with the offsets: records that are
    read again after a crash get the verdicts that they got, and count once. A source
    without rules, to which no rule refers, costs nothing.
    """

    def __init__(
        self,
        validators: Callable[[], Mapping[str, EventValidator]],
        units: Units,
        metrics: Metrics,
        keys: StoredKeys,
    ) -> None:
        self._validators = validators
        self._units = units
        self._keys = keys
        labels = ("source", "rule", "severity")
        self._broken = Counter(
            "pelton_rule_breaks", "Events that broke a rule of their source", labels, registry=metrics.registry
        )

    async def screen(self, shares: Sequence[Share]) -> dict[Partition, Faults]:
        """What the rules say of the events of some partitions.

        Raises:
            TransientError: what a rule refers to is being read again, and its turn is first.
        """
        validators = self._validators()
        referenced = _referenced(validators)
        # What is referred to in the same batch is known to what refers to it.
        ordered = sorted(shares, key=lambda share: share.source not in referenced)
        return {(data_topic(share.source), share.partition): await self._screen(share) for share in ordered}

    async def _screen(self, share: Share) -> Faults:
        validators = self._validators()
        validator = validators[share.source]
        definition, judged = validator.definition, _Judged(share)
        if not definition.rules and share.source not in _referenced(validators):
            return {}
        broken = await asyncio.to_thread(lambda: list(validator.rules.broken(share.events.columns)))
        for one in broken:
            judged.add(one.rule, one.events)
        async with self._units.begin() as unit:
            await store.lock(unit.connection, share.source)
            await self._look_around(unit.connection, definition, judged)
            await self._count(unit, definition, judged, keys=share.source in _referenced(validators))
        for rule, places in judged.broken:
            self._broken.labels(share.source, rule.name, rule.severity).inc(places.size)
        return dict(judged.faults)

    async def _look_around(self, connection: AsyncConnection, definition: SourceDefinition, judged: _Judged) -> None:
        """Ask the rules that look at other events, of other sources and of this one."""
        for rule in definition.rules:
            places = judged.good()
            if isinstance(rule, Reference) and places.size:
                judged.add(rule, await self._unknown(connection, rule, judged.share.events, places))
        unique = [rule for rule in definition.rules if isinstance(rule, Unique)]
        places = judged.good()
        if unique and places.size:
            await _claim(connection, unique, judged, places)

    async def _unknown(self, connection: AsyncConnection, rule: Reference, events: Events, places: Ints) -> Ints:
        """Which of the events refer to what is not known."""
        referred = self._validators().get(rule.source)
        if referred is not None and not await store.complete(connection, rule.source):
            noted = {part: one.end_offset for part, one in (await store.progress(connection, rule.source)).items()}
            stored = await self._keys.read(referred.definition, noted)
            await store.add_keys(connection, rule.source, {digest_of([one]) for one in listed(stored)})
            await store.set_complete(connection, rule.source)
        found = zip(places.tolist(), values(events.columns, (rule.field,), places), strict=True)
        keys = {place: digest_of(value) for place, value in found if None not in value}
        known = await store.known(connection, rule.source, keys.values())
        return np.array([place for place, key in keys.items() if key not in known], dtype=np.int64)

    async def _count(self, unit: UnitOfWork, definition: SourceDefinition, judged: _Judged, *, keys: bool) -> None:
        """Count what was not counted before, and judge the spans that are over by it."""
        connection, share = unit.connection, judged.share
        progress = await store.progress(connection, share.source)
        before = progress.get(share.partition, Progress(0, 0))
        is_new = share.events.offsets >= before.end_offset
        broken = {rule.name: int(np.count_nonzero(is_new[places])) for rule, places in judged.broken}
        await store.add_breaks(connection, share.source, definition.digest, broken, unit.now())
        good = judged.good()
        new = good[is_new[good]]
        if keys:
            known = values(share.events.columns, (definition.key,), new)
            await store.add_keys(connection, share.source, map(digest_of, known))
        times = share.events.times_ms[new]
        reached = Progress(max(share.next_offset, before.end_offset), max(int(times.max(initial=0)), before.newest_ms))
        await store.advance(connection, share.source, share.partition, reached)
        if times.size:
            await store.arrived(connection, share.source, unit.now())
            progress[share.partition] = reached
            from_start = not progress.keys() - {share.partition} and int(share.events.offsets[0]) == 0
            await watching.count(unit, definition, times, progress, from_start=from_start)
            await _forget(connection, definition, max(one.newest_ms for one in progress.values()))


async def _claim(connection: AsyncConnection, rules: Sequence[Unique], judged: _Judged, places: Ints) -> None:
    """Ask the rules of unique values, event by event; what is set aside claims no value."""
    events, source = judged.share.events, judged.share.source
    made: dict[int, list[tuple[Unique, Claim]]] = {place: [] for place in places.tolist()}
    for rule in rules:
        for place, value in zip(made, values(events.columns, rule.fields, places), strict=True):
            if None not in value:
                event = digest_of([events.ids[place]])
                claim = Claim(digest_of([*rule.fields, *value]), event, int(events.times_ms[place]))
                made[place].append((rule, claim))
    known = Claims(await store.claims(connection, source, (claim.value for one in made.values() for _, claim in one)))
    taken: dict[str, list[int]] = {rule.name: [] for rule in rules}
    admitted: list[Claim] = []
    for place, claims in made.items():
        broken = [rule for rule, claim in claims if not known.admits(claim, seconds(rule.within) * 1000)]
        for rule in broken:
            taken[rule.name].append(place)
        if all(rule.severity == "warn" for rule in broken):
            for _, claim in claims:
                known.add(claim)
                admitted.append(claim)
    await store.add_claims(connection, source, admitted)
    for rule in rules:
        judged.add(rule, np.array(taken[rule.name], dtype=np.int64))


async def _forget(connection: AsyncConnection, definition: SourceDefinition, newest_ms: int) -> None:
    """Let go of values that no event within the lateness can have beside it."""
    spans = [seconds(rule.within) for rule in definition.rules if isinstance(rule, Unique)]
    if spans:
        before = newest_ms - (seconds(definition.lateness) + max(spans)) * 1000
        await store.drop_claims(connection, definition.name, before)


def _referenced(validators: Mapping[str, EventValidator]) -> set[str]:
    """The sources whose keys some rule refers to."""
    rules = (rule for one in validators.values() for rule in one.definition.rules)
    return {rule.source for rule in rules if isinstance(rule, Reference)}
