"""What a unit of work promises: optimistic concurrency, and facts that know what they follow from."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC
from typing import ClassVar, Self
from uuid import UUID

import pytest
from counting import Amount
from counting import counted as counted_of
from hypothesis import given
from hypothesis import strategies as st
from in_process import consuming, relaying
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text
from starting import MakeUnits

from pelton.contracts.fact import Fact
from pelton.eventkit.envelope import Cause, Envelope, Received
from pelton.eventkit.handlers import subscribe
from pelton.eventkit.store import ConcurrencyConflictError
from pelton.eventkit.telemetry import tracing
from pelton.eventkit.unit import UnitOfWork
from pelton.testkit import KafkaInstance, eventually

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1)
numbers = st.integers(min_value=1, max_value=2**63 - 1)
envelopes = st.builds(
    Envelope,
    id=st.uuids(),
    owner=st.from_regex(r"[a-z]{1,20}", fullmatch=True),
    type=words,
    subject=words,
    time=st.datetimes(timezones=st.just(UTC)),
    correlation_id=words,
    causation_id=st.none() | words,
    actor=words,
    stream_version=numbers,
    position=numbers,
    traceparent=st.none() | words,
)


@dataclass(frozen=True)
class Account:
    """A sum, folded from its stream."""

    name: str
    amount: int = 0

    category: ClassVar[str] = "accounts"

    @classmethod
    def initial(cls, key: str) -> Self:
        return cls(key)

    @property
    def key(self) -> str:
        return self.name

    def evolve(self, fact: Fact) -> Self:
        return replace(self, amount=self.amount + fact.amount) if isinstance(fact, Amount) else self


@dataclass(frozen=True)
class Traced:
    """A tracer, and the spans of it that have ended."""

    tracer: trace.Tracer
    ended: InMemorySpanExporter


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Traced:
    """Tracing as a service has it. The process-wide provider can be set but once, so eventkit's tracer is exchanged."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("pelton")
    monkeypatch.setattr(tracing, "_tracer", tracer)
    return Traced(tracer, exporter)


@given(envelopes)
def test_an_envelope_survives_its_kafka_headers(envelope: Envelope) -> None:
    assert Envelope.from_headers(envelope.headers()) == envelope


async def test_of_two_units_that_decide_on_one_stream_one_wins(make_units: MakeUnits, owner: str) -> None:
    units = await make_units(owner)
    fact = counted_of(owner)
    both_loaded = asyncio.Barrier(2)

    async def decide(amount: int) -> None:
        async with units.begin() as unit:
            account = await unit.load(Account, "one")
            await both_loaded.wait()
            await unit.append(account, [fact(amount=amount), fact(amount=amount)])

    outcomes = await asyncio.gather(decide(1), decide(10), return_exceptions=True)
    (conflict,) = [outcome for outcome in outcomes if outcome is not None]
    assert isinstance(conflict, ConcurrencyConflictError)
    assert "accounts/one" in str(conflict)
    async with units.begin() as unit:
        assert (await unit.load(Account, "one")).amount in (2, 20)


async def test_a_failed_unit_leaves_nothing(make_units: MakeUnits, owner: str) -> None:
    units = await make_units(owner)

    async def fail() -> None:
        async with units.begin() as unit:
            account = await unit.load(Account, "one")
            await unit.append(account, [counted_of(owner)(amount=1)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with units.begin() as unit:
        assert await unit.load(Account, "one") == Account("one")


async def test_what_follows_from_a_fact_inherits_its_story(
    broker: KafkaInstance, make_units: MakeUnits, owner: str
) -> None:
    ours, theirs = await make_units(owner), await make_units(f"{owner}-reader")
    fact = counted_of(owner)
    answers: list[tuple[Received[Amount], UUID]] = []

    @subscribe(fact, id="tests.answer")
    async def on_counted(event: Received[Amount], unit: UnitOfWork) -> None:
        (answer,) = await unit.append_to("answers/one", [fact(amount=2)], expected=0)
        answers.append((event, answer))

    async with ours.begin(cause=Cause("record-7", "story-1"), actor="someone") as unit:
        await unit.append_to("accounts/one", [fact(amount=1)], expected=0)
    async with relaying(broker.bootstrap, ours), consuming(broker.bootstrap, theirs, on_counted):
        await eventually(lambda: answers, timeout=20)
    ((event, answer),) = answers
    envelope = event.envelope
    assert (envelope.correlation_id, envelope.causation_id, envelope.actor) == ("story-1", "record-7", "someone")

    async with theirs.begin() as unit:
        query = text("SELECT id, meta FROM events")
        ((answer_id, meta),) = (await unit.connection.execute(query)).all()
    assert answer_id == answer
    assert (meta["correlation_id"], meta["causation_id"]) == ("story-1", event.id)
    assert meta["actor"] == f"service:{owner}-reader"


async def test_a_story_begins_with_its_first_fact(make_units: MakeUnits, owner: str) -> None:
    units = await make_units(owner)
    async with units.begin() as unit:
        with pytest.raises(LookupError):
            _ = unit.correlation_id
        first, _ = await unit.append_to("accounts/one", [counted_of(owner)(amount=n) for n in (1, 2)], expected=0)
        assert unit.correlation_id == str(first)


async def test_facts_with_causes_of_their_own_are_of_the_stories_of_those(make_units: MakeUnits, owner: str) -> None:
    units = await make_units(owner)
    async with units.begin(cause=Cause("record-1", "story-1")) as unit:
        for number, cause in enumerate((None, Cause("record-2", "story-2"), Cause("record-3", "story-3"), None)):
            await unit.append_to("accounts/one", [counted_of(owner)(amount=number)], expected=number, cause=cause)
        assert unit.correlation_id == "story-1"
        rows = (await unit.connection.execute(text("SELECT meta FROM events ORDER BY version"))).scalars().all()
    told = [(meta["correlation_id"], meta["causation_id"]) for meta in rows]
    assert told == [(f"story-{number}", f"record-{number}") for number in (1, 2, 3, 1)]


async def test_a_trace_goes_through_kafka_to_the_handler(
    broker: KafkaInstance, make_units: MakeUnits, owner: str, traced: Traced
) -> None:
    ours, theirs = await make_units(owner), await make_units(f"{owner}-reader")
    fact = counted_of(owner)
    handler_id = f"tests.{owner}"

    @subscribe(fact, id=handler_id)
    async def on_counted(_: Received[Amount], unit: UnitOfWork) -> None:
        await unit.append_to("answers/one", [fact(amount=2)], expected=0)

    with traced.tracer.start_as_current_span("publish") as publishing:
        async with ours.begin() as unit:
            await unit.append_to("accounts/one", [fact(amount=1)], expected=0)
    async with relaying(broker.bootstrap, ours), consuming(broker.bootstrap, theirs, on_counted):
        found = lambda: next((span for span in traced.ended.get_finished_spans() if span.name == handler_id), None)  # noqa: E731
        handling = await eventually(found, timeout=20)
    assert handling.context is not None
    assert handling.parent is not None
    assert handling.context.trace_id == publishing.get_span_context().trace_id
    assert handling.parent.span_id == publishing.get_span_context().span_id
    assert handling.attributes is not None
    assert handling.attributes["messaging.destination.name"] == f"pelton.{owner}"
    async with theirs.begin() as unit:
        (meta,) = (await unit.connection.execute(text("SELECT meta FROM events"))).scalars()
    assert meta["traceparent"].split("-")[1:3] == [
        format(handling.context.trace_id, "032x"),
        format(handling.context.span_id, "016x"),
    ]
