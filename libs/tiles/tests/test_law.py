"""Training and serving cannot disagree: the online value is the historical one, as known at the moment, to the bit."""

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory import MemoryRecordStore
from truth import LATENESS, MINUTE, Happening, features, is_known, verdicts, views

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles import nodes, reader
from pelton.tiles.features import NEVER_MS, Features, of_events
from pelton.tiles.hashing import hash_texts
from pelton.tiles.reader import TileReader
from pelton.tiles.writer import DUPLICATE, TOO_LATE, Batch, TileWriter

ENTITIES = ("EWR", "JFK", "", "Zürich")
START = 20_000 * MINUTE
numbers = st.floats(-1e3, 1e3) | st.sampled_from([math.nan, 1e300, -math.inf, 15.0, -0.0, 0.0, 0.5e-6, 1e9, -1e9, 99.0])


@st.composite
def streams(draw: st.DrawFn) -> list[Happening]:
    """Streams with late, duplicate and reordered events, in the order of their arrivals."""
    stream: list[Happening] = []
    now = START
    for place in range(draw(st.integers(0, 40))):
        now += draw(st.sampled_from([0, 1, 40, 1000, 30_000, MINUTE]))
        if stream and draw(st.integers(0, 5)) == 0:
            again = draw(st.sampled_from(stream))
            stream.append(Happening(**(again.__dict__ | {"arrival_ms": now})))
            continue
        behind = draw(st.sampled_from([-5, 0, 0, 1, 2, 999, 1000, 30_000, 2 * MINUTE, 4 * MINUTE, 70 * MINUTE]))
        partition = draw(st.integers(0, 1))
        entity = draw(st.sampled_from([*ENTITIES, None]))
        c = draw(st.sampled_from(["UA", "AA", "", None]))
        stream.append(Happening(partition, f"event {place}", entity, draw(numbers), c, now - behind, now))
    return stream


def columns(stream: Sequence[Happening]) -> dict[str, Any]:
    return {
        "e": pl.Series([event.entity for event in stream], dtype=pl.String),
        "x": np.array([event.x for event in stream], dtype=np.float64),
        "c": np.array([event.c for event in stream], dtype=object),
    }


def ints(values: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def batches(stream: Sequence[Happening], start: int, end: int, view: FeatureViewDefinition) -> list[Batch]:
    """The events of a part of the stream, as the partitions have them; an event's offset is its place there."""
    found = []
    for partition in (0, 1):
        whole = [event for event in stream[:end] if event.partition == partition]
        before = sum(event.partition == partition for event in stream[:start])
        part = whole[before:]
        if part:
            found.append(
                Batch(
                    partition=("pelton.data.s", partition),
                    source="s",
                    lateness_ms=LATENESS,
                    offsets=np.arange(before, len(whole)),
                    next_offset=len(whole),
                    ids=pl.Series([event.id for event in part], dtype=pl.String),
                    times_ms=ints([event.time_ms for event in part]),
                    arrivals_ms=ints([event.arrival_ms for event in part]),
                    events=columns(part),
                    views=[view],
                )
            )
    return found


def order(event: Happening) -> int:
    return int(hash_texts(pl.Series([event.id]))[0]) >> 2


def bits(value: Any) -> Any:  # noqa: ANN401
    """A value to the bit, with one null."""
    if isinstance(value, list):
        return [bits(one) for one in value]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, str) else struct.pack("<d", value)


def shown(found: Features) -> dict[str, list[Any]]:
    newest = [] if found.newest_ms is None else found.newest_ms.tolist()
    listed = {name: [bits(value) for value in column.tolist()] for name, column in found.columns.items()}
    return listed | {"known": found.known.tolist(), "newest_ms": newest}


@pytest.fixture(params=[(2, 0), (2, 8), (nodes.LEAF_ENTRIES, 2)], ids=str)
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many entries fill a leaf, such that nodes are split, and how many rows are read without arrays."""
    leaf, few = request.param
    monkeypatch.setattr(nodes, "LEAF_ENTRIES", leaf)
    monkeypatch.setattr(reader, "FEW", few)


def law(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.usefixtures("ways")
@given(streams(), views(), st.data())
@law(12)
def test_online_is_offline_as_known_then_to_the_bit(
    stream: list[Happening], view: FeatureViewDefinition, data: st.DataObject
) -> None:
    check_law(stream, view, data)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("ways")
@given(streams(), views(), st.data())
@law(250)
def test_online_is_offline_as_known_then_to_the_bit_in_many_cases(
    stream: list[Happening], view: FeatureViewDefinition, data: st.DataObject
) -> None:
    check_law(stream, view, data)


def check_law(stream: list[Happening], view: FeatureViewDefinition, data: st.DataObject) -> None:
    """Take the stream in, in batches cut anywhere, and ask after each: online, offline, and the definition."""
    writer = TileWriter(MemoryRecordStore())
    judged = verdicts(stream)
    kept = [(event, verdict) for event, verdict in zip(stream, judged, strict=True) if verdict != DUPLICATE]
    events = [event for event, _ in kept]
    arrivals = ints([NEVER_MS if verdict == TOO_LATE else event.arrival_ms for event, verdict in kept])
    taken = 0
    while taken < len(stream):
        end = data.draw(st.integers(taken + 1, len(stream)))
        # Whoever asks at a moment has had everything that had arrived by then.
        moment = stream[end - 1].arrival_ms
        while end < len(stream) and stream[end].arrival_ms == moment:
            end += 1
        found = [one.verdicts.tolist() for one in writer.take(batches(stream, taken, end, view))]
        expected = [[judged[place] for place in range(taken, end) if stream[place].partition == p] for p in (0, 1)]
        assert found == [one for one in expected if one]
        taken = end
        until = stream[end].arrival_ms - 1 if end < len(stream) else moment + 90 * MINUTE
        later = st.integers(moment, until) | st.sampled_from([moment, until, min(until, moment + MINUTE)])
        asked = data.draw(st.lists(st.tuples(st.sampled_from((*ENTITIES, "nowhere")), later), min_size=1, max_size=4))
        keys, at = [key for key, _ in asked], ints([at for _, at in asked])
        online = shown(TileReader.over(writer.records).features(view, keys, at))
        ids = pl.Series([event.id for event in events], dtype=pl.String)
        times = ints([event.time_ms for event in events])
        offline = shown(of_events(view, columns(events), times, keys, at, ids=ids, arrivals_ms=arrivals, known_ms=at))
        assert online == offline
        counted = [event for event, verdict in kept if verdict < TOO_LATE and event.arrival_ms <= moment]
        check(view, counted, asked, online)


def check(
    view: FeatureViewDefinition, counted: list[Happening], asked: list[tuple[str, int]], found: dict[str, list[Any]]
) -> None:
    """Whether values are those of the definition."""
    error = {"quantile": lambda value: 0.01000001 * abs(value), "distinct": lambda value: value // 8}
    allowed = {f"{a.name}_{w}": error[a.function] for a in view.aggregates if a.function in error for w in a.windows}
    for row, (key, at) in enumerate(asked):
        assert found["known"][row] == is_known(view, counted, key, at)
        for name, value in features(view, counted, order, key, at).items():
            if name in allowed and value is not None:
                (near,) = struct.unpack("<d", found[name][row])
                assert abs(near - value) <= allowed[name](value), name
            else:
                assert found[name][row] == bits(value), name
