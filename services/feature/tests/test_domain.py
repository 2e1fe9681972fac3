from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from feature_definitions import DAY_0, source, view
from hypothesis import given, settings
from hypothesis import strategies as st

from pelton.contracts.definitions import SourceDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.feature import (
    EventsArrivedTooLate,
    FeatureViewApplied,
    RecordsQuarantined,
    SourceAdvanced,
    SourceRegistered,
)
from pelton.contracts.topics import data_topic
from pelton.contracts.values import OffsetRange
from pelton.feature.domain import (
    IncompatibleError,
    Source,
    View,
    advance,
    apply,
    midnight,
    next_midnight,
    note_too_late,
    register,
)
from pelton.feature.fields import fields_read, kinds


def source_registered(definition: SourceDefinition) -> SourceRegistered:
    return SourceRegistered(source=definition.name, definition=definition, definition_digest=definition.digest)


def given_source(*facts: Fact) -> Source:
    state = Source.initial("s")
    for fact in facts:
        state = state.evolve(fact)
    return state


def changed(name: str, schema: object, **changes: object) -> SourceDefinition:
    """The source with one field declared otherwise, or gone."""
    before = source("s").json_schema
    properties = {key: value for key, value in before["properties"].items() if key != name}
    if schema is not None:
        properties[name] = schema
    return source("s", json_schema=before | {"properties": properties}, **changes)


BEFORE = source("s")


def test_a_source_is_registered_once() -> None:
    assert register(given_source(), BEFORE, frozenset()) == [source_registered(BEFORE)]
    assert register(given_source(source_registered(BEFORE)), BEFORE, frozenset()) == []


def test_a_source_may_lose_what_no_view_reads_and_gain_fields() -> None:
    for after in (changed("gate", None), changed("more", {"type": "string"}), source("s", lateness="2h")):
        assert register(given_source(source_registered(BEFORE)), after, frozenset({"delay"})) == [
            source_registered(after)
        ]


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (changed("delay", None), "feature views use delay"),
        (changed("delay", {"type": "object"}), "feature views use delay"),
        (changed("gate", {"type": "string"}), "gate of source 's' would change between number and text"),
        (source("s", key="carrier"), "keyed by 'flight'"),
        (source("s", event_time="carrier"), "its time in 'at'"),
    ],
)
def test_a_change_that_would_break_what_is_there_is_refused(after: SourceDefinition, words: str) -> None:
    with pytest.raises(IncompatibleError, match=words):
        register(given_source(source_registered(BEFORE)), after, frozenset({"delay"}))


def test_a_view_is_applied_once_and_another_definition_is_a_new_version() -> None:
    registered, first = given_source(source_registered(BEFORE)), view("v", "s")
    (fact,) = apply(View.initial("v"), first, registered)
    assert fact == FeatureViewApplied(view="v", definition=first, definition_digest=first.digest)
    state = View.initial("v").evolve(fact)
    assert apply(state, first, registered) == []
    assert len(apply(state, view("v", "s", tile="30m"), registered)) == 1


def test_a_view_needs_its_source_and_each_field_that_it_reads_as_a_number_or_a_text() -> None:
    with pytest.raises(IncompatibleError, match="not registered; register it first"):
        apply(View.initial("v"), view("v", "s"), Source.initial("s"))
    for entity in ("nothing", "legs"):
        with pytest.raises(IncompatibleError, match=f"reads {entity}, which .* it has: at, carrier, delay"):
            apply(View.initial("v"), view("v", "s", entity), given_source(source_registered(BEFORE)))
    wrong: list[dict[str, Any]] = [{"name": "a", "function": "count", "where": "weight > 1", "windows": ["1h"]}]
    with pytest.raises(IncompatibleError, match="reads weight"):
        apply(View.initial("v"), view("v", "s", aggregates=wrong), given_source(source_registered(BEFORE)))


def test_fields_are_numbers_or_texts_or_no_columns() -> None:
    assert kinds(BEFORE) == {"flight": "text", "at": "text", "carrier": "text", "gate": "number", "delay": "number"}
    declared = {
        "both": {"type": ["string", "number"]},
        "flag": {"type": "boolean"},
        "any": True,
        "null": {"type": "null"},
    }
    odd = source("s", json_schema={"type": "object", "properties": declared})
    assert kinds(odd) == {"flag": "number"}
    assert fields_read(view("v", "s")) == {"carrier", "delay"}


def advanced(state: Source, watermark: datetime, first: datetime = DAY_0) -> Sequence[Fact]:
    return advance(state, watermark, events=1, first_event=first, offsets=())


@settings(max_examples=60)
@given(st.lists(st.integers(0, 20 * 24), min_size=1), st.integers(0, 30))
def test_each_midnight_is_said_at_most_once_and_the_last_one_always(hours: list[int], first_hour: int) -> None:
    first = DAY_0 + timedelta(hours=first_hour)
    state = given_source(source_registered(BEFORE))
    said: list[datetime] = []
    marks = [first + timedelta(hours=hour) for hour in sorted(hours)]
    for mark in marks:
        for fact in advanced(state, mark, first):
            assert isinstance(fact, SourceAdvanced)
            said.append(midnight(fact.watermark))
            state = state.evolve(fact)
        assert advanced(state, mark, first) == []
    assert said == sorted(set(said))
    assert said == sorted({midnight(mark) for mark in marks if midnight(mark) > first})


def test_events_that_came_too_late_are_told_of_once_with_where_they_lie() -> None:
    def lie(partition: int, start: int, end: int) -> OffsetRange:
        return OffsetRange(topic=data_topic("s"), partition=partition, start=start, end=end)

    source_ = Source("s")
    (first,) = note_too_late(source_, 3, {0: 10})
    assert first == EventsArrivedTooLate(source="s", count=3, total=3, offsets=(lie(0, 0, 10),))
    source_ = source_.evolve(first)
    assert note_too_late(source_, 3, {0: 20, 1: 5}) == []
    (second,) = note_too_late(source_, 4, {0: 20, 1: 5})
    assert second == EventsArrivedTooLate(source="s", count=1, total=4, offsets=(lie(0, 10, 20), lie(1, 0, 5)))


def test_other_facts_leave_a_source_as_it_is() -> None:
    state = given_source(source_registered(BEFORE))
    assert state.evolve(RecordsQuarantined(source="s", count=1, reasons={}, offsets=())) == state
    assert state.key == "s"


def test_midnights_are_in_utc() -> None:
    moment = datetime.fromisoformat("2013-01-02T01:30:00+02:00")
    assert midnight(moment) == datetime(2013, 1, 1, tzinfo=UTC)
    assert next_midnight(moment) == datetime(2013, 1, 2, tzinfo=UTC)
