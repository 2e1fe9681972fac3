import json
from datetime import timedelta

import numpy as np
import pytest
from feature_definitions import DAY_0, event, source
from hypothesis import given, settings
from hypothesis import strategies as st

from pelton.eventkit.problems import ProblemError
from pelton.feature.columns import arrays, frame
from pelton.feature.offline.files import parquet
from pelton.feature.submissions import read_document, read_lines
from pelton.feature.validation import (
    LARGEST,
    LONGEST_DETAIL,
    MOST_FAULTS,
    Event,
    EventValidator,
    InvalidSchemaError,
    check_definition,
)
from pelton.feature.watermarks import Watermarks

NOW = DAY_0 + timedelta(days=1)
CHECK = EventValidator(source("s", max_age="2d"))


def test_an_event_that_is_what_its_source_promised_has_its_time_in_milliseconds() -> None:
    data = event(1, DAY_0) | {"at": "2013-01-01T02:00:00.5+02:00"}
    assert CHECK.read(json.dumps(data).encode(), NOW) == Event(data, round(DAY_0.timestamp() * 1000) + 500, "F00001")


@pytest.mark.parametrize("minutes", [5, -2 * 24 * 60])
def test_the_edges_of_what_may_come_are_in_and_a_second_beyond_is_out(minutes: int) -> None:
    edge = NOW + timedelta(minutes=minutes)
    beyond = edge + timedelta(seconds=1 if minutes > 0 else -1)
    assert isinstance(CHECK.check(event(1, edge), NOW), Event)
    (fault,) = CHECK.check(event(1, beyond), NOW)  # type: ignore[misc]
    assert (fault.field, bool(fault.fix)) == ("at", True)


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["flight", "at", "delay", "gate", "carrier"]) | st.text(max_size=3), inner, max_size=5
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_bytes_make_it_fail_and_what_it_lets_in_can_be_stored(raw: bytes) -> None:
    read = CHECK.read(raw, NOW)
    if isinstance(read, Event):
        frame(CHECK.definition, [read.data], ["i"], [read.time_ms], [(0, 0)])
    else:
        assert 0 < len(read) <= MOST_FAULTS
        for fault in read:
            assert "\0" not in fault.field + fault.detail
            assert max(len(fault.field), len(fault.detail)) <= LONGEST_DETAIL + 200
            assert fault.fix


def test_the_largest_numbers_are_stored_and_larger_ones_refused() -> None:
    fits = event(1, NOW, gate=-LARGEST + 1)
    assert isinstance(CHECK.check(fits, NOW), Event)
    assert frame(CHECK.definition, [fits], ["i"], [0], [(0, 0)])["gate"].to_list() == [float(-LARGEST)]
    (fault,) = CHECK.check(event(1, NOW, gate=LARGEST), NOW)  # type: ignore[misc]
    assert fault.field == "gate"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"json_schema": {"type": "nothing"}}, "no JSON Schema"),
        ({"json_schema": {"type": "object"}}, "`properties`"),
        ({"key": "carrier"}, "key names 'carrier', which must be among the required"),
        ({"event_time": "gone"}, "event_time names 'gone'"),
        (
            {"json_schema": {"type": "object", "required": ["flight", "at"], "properties": {
                "flight": {"type": "object"}, "at": {"type": "string"}}}},
            "must have one `type`",
        ),
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be_used_is_refused_with_words(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidSchemaError, match=words):
        check_definition(source("s", **changes))


def test_a_document_keeps_what_json_refuses_as_the_fault_of_its_event() -> None:
    body = b'{"source": "s", "events": [{"id": "a", "data": {"x": [NaN, 1e999]}}, {"id": "b", "data": {}}, 3]}'
    name, (first, second, third) = read_document(body, lambda: "new")
    assert (name, second.id, second.faults, third.id) == ("s", "b", (), "")
    assert [fault.field for fault in first.faults] == ["x[0]", "x[1]"]
    assert json.loads(first.for_quarantine())["x"][1] == float("inf")
    assert third.faults[0].detail == "is no JSON object"
    half = read_document(b'{"source": "s", "id": "\\ud800", "data": {}}', lambda: "new")[1][0]
    assert [fault.field for fault in half.faults] == ["id"]


@pytest.mark.parametrize(
    "body", [b"", b"[", b"\xff", b'{"source": "s", "data": {}} x', b"[" * 100_000, '{"source"'.encode("utf-16")]
)
def test_what_is_no_json_is_refused_whole(body: bytes) -> None:
    with pytest.raises(ProblemError) as caught:
        read_document(body, lambda: "new")
    assert caught.value.status == 400
    if body:
        (line,) = read_lines(body)
        assert "not JSON" in line.faults[0].detail
        assert line.for_quarantine() == body


@given(st.lists(st.tuples(st.sampled_from(["UA", None]), st.none() | st.booleans() | st.integers(-(10**6), 10**6))))
def test_columns_hold_texts_and_numbers_with_their_nulls(rows: list[tuple[str | None, float | None]]) -> None:
    events = [event(place, DAY_0, carrier=carrier, delay=delay) for place, (carrier, delay) in enumerate(rows)]
    ids = [str(place) for place in range(len(rows))]
    built = frame(source("s"), events, ids, [0] * len(rows), [(0, place) for place in range(len(rows))])
    columns = arrays(built)
    assert set(columns) == {"flight", "at", "carrier", "gate", "delay"}
    assert columns["carrier"].tolist() == [carrier for carrier, _ in rows]
    expected = [np.nan if delay is None else float(delay) for _, delay in rows]
    np.testing.assert_array_equal(columns["delay"], np.array(expected, dtype=float))
    assert parquet(built) == parquet(built.clone())


async def test_whoever_waits_for_a_watermark_is_woken_when_it_is_there_and_not_before() -> None:
    marks = Watermarks()
    assert not await marks.reached("s", 5, 0.01)
    marks.set("s", None)
    assert marks.get("s") is None
    marks.set("s", 4)
    assert not await marks.reached("s", 5, 0.01)
    marks.set("s", 5)
    assert await marks.reached("s", 5, 0)
    assert marks.all() == {"s": 5}
