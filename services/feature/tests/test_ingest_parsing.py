"""Parsed by columns, events are what the validator says of each: the same verdicts, words, times and values."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from feature_definitions import DAY_0, event, source
from hypothesis import given, settings
from hypothesis import strategies as st

from pelton.contracts.definitions import SourceDefinition
from pelton.eventkit.reader import RecordColumns
from pelton.feature.fields import kinds
from pelton.feature.ingest.parsing import EventParser
from pelton.feature.ingest.schemas import decoder_of
from pelton.feature.ingest.times import microseconds, milliseconds
from pelton.feature.validation import Event, EventValidator

NOW = DAY_0 + timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def records(values: list[bytes]) -> RecordColumns:
    """Records without headers, at offsets from 10 on."""
    ends = np.cumsum([0, *map(len, values)])
    none = np.zeros(len(values), np.int64)
    offsets = np.arange(10, 10 + len(values))
    spans = (ends[:-1], ends[1:])
    return RecordColumns(offsets, offsets * 1000, 10 + len(values), b"".join(values), spans, none, none)


def with_schema(properties: dict[str, Any], **changes: object) -> SourceDefinition:
    schema = {"type": "object", "required": ["flight", "at"], "properties": properties} | changes
    return source("s", json_schema=schema, max_age="2d")


def assert_as_validated(definition: SourceDefinition, values: list[bytes]) -> None:
    validator = EventValidator(definition)
    parsed = EventParser(validator).parse("t/0", records(values), NOW)
    events, refused = parsed.events, parsed.refused
    read = [validator.read(value, NOW) for value in values]
    good = [(10 + place, one) for place, one in enumerate(read) if isinstance(one, Event)]
    bad = [(10 + place, one) for place, one in enumerate(read) if not isinstance(one, Event)]
    assert [(one.offset, one.faults) for one in refused] == bad
    assert events.offsets.tolist() == [offset for offset, _ in good]
    assert [*parsed.raw] == [values[offset - 10] for offset, _ in good]
    assert events.ids.to_list() == [f"t/0/{offset}" for offset, _ in good]
    assert events.times_ms.tolist() == [one.time_ms for _, one in good]
    assert events.arrivals_ms.tolist() == [offset * 1000 for offset, _ in good]
    for name, kind in kinds(definition).items():
        column, wanted = events.columns[name], [one.data.get(name) for _, one in good]
        if kind == "number":
            floats = np.array([np.nan if value is None else float(value) + 0.0 for value in wanted])
            assert np.asarray(column).tobytes() == floats.tobytes(), name
        else:
            assert isinstance(column, pl.Series)
            assert column.to_list() == wanted
    kept = events.frame(3)
    assert kept.height == len(good)
    assert kept["_partition"].to_list() == [3] * len(good)
    assert not any(kept[name].is_nan().any() for name, kind in kinds(definition).items() if kind == "number")


NUMBERS = [0, -0.0, 1, 1.0, 1.5, 5, -3, 2**53, 2**53 + 1, 2**63, 2**64, 10**308, 10**400, 1.2e308, 1e300, 7e-320]
VALUES = [None, True, "", "a", "bb", "ccc", [], [1], ["a"], {}, {"a": 1}, *NUMBERS]
numbers = st.sampled_from(NUMBERS)
leaves = (
    st.none()
    | st.booleans()
    | numbers
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["a", "bb"])
)
values_of = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
clock = st.datetimes(datetime(2012, 12, 30), datetime(2013, 1, 3)).map(  # noqa: DTZ001 - its zone is written after it
    lambda moment: moment.isoformat()
)
zones = st.sampled_from(["Z", "+00:00", "-05:30", "z", "", "+24:00", "+05", "+0530"])
times = st.builds(str.__add__, clock, zones) | st.text(max_size=25) | st.integers()
timely = st.datetimes(datetime(2012, 12, 31), datetime(2013, 1, 2)).map(  # noqa: DTZ001 - its zone is written after it
    lambda moment: moment.isoformat(timespec="milliseconds") + "Z"
)
SCHEMAS: list[Any] = [
    {"type": "number"},
    {"type": ["number", "null"], "minimum": -3, "exclusiveMaximum": 5},
    {"type": "integer"},
    {"type": ["integer", "null"], "exclusiveMinimum": 0, "maximum": 2**52},
    {"type": ["integer", "number"], "maximum": 1.5},
    {"type": "boolean"},
    {"type": ["boolean", "number", "null"]},
    {"type": "string", "minLength": 1, "maxLength": 2},
    {"type": ["string", "null"], "enum": ["a", "bb"]},
    {"type": ["string", "null"], "enum": ["a", None]},
    {"type": "string", "pattern": "^a"},
    {"type": "number", "multipleOf": 0.5},
    {"type": "number", "maximum": 2**53},
    {"type": "integer", "minimum": 0.5},
    {"type": "array", "items": {"type": "integer"}},
    {"type": ["array", "string"]},
    {"type": "object"},
    {"type": "object", "minProperties": 1},
    {"type": "null"},
    {"enum": [1, "a"]},
    {"const": 1},
    {"not": {"type": "string"}},
    {"title": "anything"},
    {},
    True,
    False,
]  # fmt: skip
TOPS: list[dict[str, Any]] = [
    {},
    {"additionalProperties": False},
    {"additionalProperties": {"type": "number"}},
    {"required": ["flight", "at", "x"]},
    {"required": ["flight", "at", "beside"]},
    {"minProperties": 3},
    {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "t"},
    {"patternProperties": {"x": {"type": "integer"}}},
]
keys = st.sampled_from([{"type": "string"}, {"type": ["string", "null"]}, {"type": ["integer", "null"]}])


def properties_with(declared: object, key: dict[str, Any]) -> dict[str, Any]:
    time = {"type": "string", "format": "date-time"}
    return {"flight": key, "at": time, "x": declared, "y": {"type": "number"}}


@pytest.mark.parametrize("declared", SCHEMAS, ids=repr)
@pytest.mark.parametrize("top", TOPS, ids=repr)
def test_each_kind_of_value_of_each_kind_of_schema_is_judged_as_by_the_validator(
    declared: object, top: dict[str, Any]
) -> None:
    definition = with_schema(properties_with(declared, {"type": "string"}), **top)
    plain = {"flight": "F1", "at": DAY_0.isoformat()}
    events = [plain, *(plain | {"x": one} for one in VALUES), *(plain | {"y": one} for one in NUMBERS)]
    events += [one | {"beside": 1} for one in events]
    assert_as_validated(definition, [json.dumps(one).encode() for one in events])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SCHEMAS), keys, st.sampled_from(TOPS), st.data())
def test_verdicts_words_and_values_are_the_validators(
    declared: object, key: dict[str, Any], top: dict[str, Any], data: st.DataObject
) -> None:
    properties = properties_with(declared, key)
    fitting = st.fixed_dictionaries(
        {"flight": st.sampled_from(["F1", "F1", 7, None]), "at": timely | timely | times},
        optional={"x": leaves | values_of, "y": numbers | st.none(), "beside": values_of},
    )
    whole = fitting.map(lambda one: json.dumps(one).encode())
    torn = st.binary(max_size=20) | whole.map(lambda raw: raw[:-1]) | whole.map(lambda raw: raw + b",{}")
    doubled = whole.map(lambda raw: raw[:-1] + b', "x": 1}')
    surrogate = whole.map(lambda raw: raw[:-1] + b', "beside": "\\ud800"}')
    values = data.draw(st.lists(whole | whole | torn | doubled | surrogate, max_size=6))
    assert_as_validated(with_schema(properties, **top), values)


@settings(max_examples=500)
@given(st.lists(times.filter(lambda one: isinstance(one, str)), max_size=4))
def test_times_of_the_usual_shapes_are_what_python_reads(texts: list[str]) -> None:
    found, usual = microseconds(texts)
    rounded = milliseconds(found)
    for place in np.flatnonzero(usual).tolist():
        moment = datetime.fromisoformat(texts[place])
        assert found[place] == (moment - EPOCH) // timedelta(microseconds=1)
        assert rounded[place] == round(moment.timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("2012-02-29T23:59:59Z", True),
        ("2013-02-29T00:00:00Z", False),
        ("2100-02-29T00:00:00Z", False),
        ("2000-02-29T00:00:00.123456+05:30", True),
        ("0001-01-01T00:00:00Z", True),
        ("0000-01-01T00:00:00Z", False),
        ("2013-04-31T00:00:00Z", False),
        ("2013-13-01T00:00:00Z", False),
        ("2013-01-01T24:00:00Z", False),
        ("2013-01-01T00:00:60Z", False),
        ("2013-01-01 00:00:00.001-01:00", True),
        ("2013-01-01T00:00:00+24:00", False),
        ("2013-01-01T00:00:0\N{ARABIC-INDIC DIGIT ONE}Z", False),
        ("2013-01-01T00:00:00z", False),
    ],
)
def test_a_time_is_of_a_usual_shape_or_left_to_the_validator(text: str, usual: bool) -> None:  # noqa: FBT001
    assert microseconds([text])[1].tolist() == [usual]


def test_a_schema_of_types_and_bounds_is_decoded_at_once() -> None:
    assert decoder_of(source("s")) is not None
    assert decoder_of(with_schema({"flight": {"type": "string"}, "at": {"type": "string"}, "x": {"not": {}}})) is None


@pytest.mark.parametrize("beside", [b"1", b'"\\ud800"', b"1e999", b"[1,]"])
def test_a_field_beside_the_schema_is_looked_at_by_the_validator(beside: bytes) -> None:
    good = json.dumps(event(1, DAY_0)).encode()
    value = good[:-1] + b', "beside": ' + beside + b"}"
    assert_as_validated(source("s"), [value, good])
    closed = source("s").json_schema | {"additionalProperties": False}
    assert_as_validated(source("s", json_schema=closed), [value, good])


def test_events_among_poison_keep_their_places() -> None:
    good = [json.dumps(event(number, DAY_0 + timedelta(hours=1))).encode() for number in range(3)]
    assert_as_validated(source("s"), [b"{", good[0], b"", good[1].replace(b"Z", b"z"), b"[]", good[2]])
