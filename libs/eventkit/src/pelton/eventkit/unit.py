"""The unit of work: one transaction, one commit, at the edge."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import ClassVar, Protocol, Self, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pelton.contracts.fact import Fact
from pelton.eventkit import jobs, store
from pelton.eventkit.clock import Clock, NewId, utc_now, uuid7
from pelton.eventkit.envelope import Cause
from pelton.eventkit.telemetry.tracing import current_traceparent


class Aggregate(Protocol):
    """State that is folded from the facts of one stream, `<category>/<key>`.

    Its deciders are plain functions from state and command to facts; `evolve` is pure.
    """

    category: ClassVar[str]

    @classmethod
    def initial(cls, key: str) -> Self:
        """The state before the first fact."""
        ...

    @property
    def key(self) -> str:
        """Which one of its category."""
        ...

    def evolve(self, fact: Fact) -> Self:
        """The state after one more fact; a fact it does not care for changes nothing."""
        ...


A = TypeVar("A", bound=Aggregate)


def stream_of(aggregate: Aggregate) -> str:
    """The stream that an aggregate is folded from, e.g. `models/flight-delay`."""
    return f"{aggregate.category}/{aggregate.key}"


class UnitOfWork:
    """Loads aggregates, appends what was decided, and commits once.

    Use `Units.begin`; leaving its block commits, an exception rolls everything back. `recorded` lists what was
    appended so far, with what surrounds it.
    """

    def __init__(
        self, connection: AsyncConnection, *, actor: str, cause: Cause | None, clock: Clock, new_id: NewId
    ) -> None:
        self.connection = connection
        self.actor = actor
        self.cause = cause
        self._clock = clock
        self._new_id = new_id
        self._versions: dict[str, int] = {}
        self._correlation_id = cause.correlation_id if cause else None
        self.recorded: list[store.NewEvent] = []

    @property
    def correlation_id(self) -> str:
        """The story that this unit's facts belong to; known once it handles or has appended one."""
        if self._correlation_id is None:
            raise LookupError("nothing was appended in this unit yet")
        return self._correlation_id

    async def load(self, kind: type[A], key: str) -> A:
        """Fold an aggregate from its stream; an unknown key gives the initial state."""
        state = kind.initial(key)
        facts = await store.load(self.connection, f"{kind.category}/{key}")
        self._versions[f"{kind.category}/{key}"] = len(facts)
        for fact in facts:
            state = state.evolve(fact)
        return state

    def resume(self, aggregate: Aggregate, version: int) -> None:
        """Take an aggregate as loaded that was folded elsewhere, from the first `version` facts of its stream."""
        self._versions[stream_of(aggregate)] = version

    def now(self) -> datetime:
        """The moment, by the clock that facts are recorded with."""
        return self._clock()

    async def append(self, aggregate: A, facts: Sequence[Fact], *, cause: Cause | None = None) -> A:
        """Record what was decided on a loaded aggregate, and return its new state.

        Each fact is caused by `cause`, whose story it is part of; by default by what the unit handles.

        Raises:
            LookupError: the aggregate was not loaded in this unit.
            ConcurrencyConflictError: its stream changed since it was loaded.
        """
        stream = stream_of(aggregate)
        if stream not in self._versions:
            raise LookupError(f"load {stream} in this unit before appending to it")
        await self.append_to(stream, facts, expected=self._versions[stream], cause=cause)
        for fact in facts:
            aggregate = aggregate.evolve(fact)
        return aggregate

    async def append_to(
        self, stream: str, facts: Sequence[Fact], *, expected: int, cause: Cause | None = None
    ) -> list[UUID]:
        """Record facts after version `expected` of a stream; returns their ids."""
        if not facts:
            return []
        story = cause.correlation_id if cause else self._correlation_id
        cause = cause or self.cause
        events = []
        for offset, fact in enumerate(facts, start=1):
            event_id = self._new_id()
            story = story or str(event_id)
            self._correlation_id = self._correlation_id or story
            meta: Mapping[str, str | None] = {
                "correlation_id": story,
                "causation_id": cause.event_id if cause else None,
                "actor": self.actor,
                "traceparent": current_traceparent() or (cause.traceparent if cause else None),
            }
            events.append(store.NewEvent(event_id, stream, expected + offset, fact, dict(meta), self._clock()))
        await store.append(self.connection, events)
        self._versions[stream] = expected + len(facts)
        self.recorded += events
        return [event.id for event in events]

    async def enqueue(self, kind: str, key: str, payload: Mapping[str, object]) -> None:
        """Leave work for a job runner, in this transaction; a key that is there already is left alone."""
        await jobs.enqueue(self.connection, kind, key, payload, self.cause, self._clock())


class Units:
    """Makes units of work on a service's database."""

    def __init__(self, engine: AsyncEngine, service: str, *, clock: Clock = utc_now, new_id: NewId = uuid7) -> None:
        self.engine = engine
        self.service = service
        self.clock = clock
        self.new_id = new_id

    @asynccontextmanager
    async def begin(self, *, actor: str | None = None, cause: Cause | None = None) -> AsyncIterator[UnitOfWork]:
        """A unit that commits when its block ends; `actor` is the service itself unless a person acts."""
        async with self.engine.begin() as connection:
            yield UnitOfWork(
                connection,
                actor=actor or f"service:{self.service}",
                cause=cause,
                clock=self.clock,
                new_id=self.new_id,
            )
