"""What features are, by their definition: event by event in plain Python, without tiles."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from pelton.contracts.definitions import Aggregate, FeatureViewDefinition, seconds

SECOND = 1000
TILE = 60 * SECOND
WINDOWS = ("1m", "3m", "1h")
LARGEST = 1e9


@dataclass(frozen=True)
class Event:
    entity: str | None
    delay: float
    carrier: str | None
    time_ms: int


# The view's expressions once more, as Python that shares nothing with the language under test.
CONDITIONS: Mapping[str | None, Callable[[Event], bool]] = {
    None: lambda _: True,
    "delay > 15": lambda event: event.delay > 15,
    'carrier == "UA"': lambda event: event.carrier == "UA",
}
VALUES: Mapping[str | None, Callable[[Event], float]] = {
    None: lambda _: 0.0,
    "delay": lambda event: event.delay,
    "delay * 60": lambda event: event.delay * 60,
}

VIEW = FeatureViewDefinition(
    name="delays",
    source="landings",
    entity="origin",
    tile="1m",
    aggregates=(
        Aggregate(name="landings", function="count", windows=WINDOWS),
        Aggregate(name="late", function="count", where="delay > 15", windows=WINDOWS),
        Aggregate(name="total", function="sum", value="delay", windows=WINDOWS),
        Aggregate(name="seconds", function="mean", value="delay * 60", where='carrier == "UA"', windows=WINDOWS),
        Aggregate(name="least", function="min", value="delay", windows=WINDOWS),
        Aggregate(name="most", function="max", value="delay", where="delay > 15", windows=WINDOWS),
    ),
)

ENTITIES = ("EWR", "JFK", "Zürich", "")
delays = st.one_of(
    st.floats(-1e3, 1e3),
    st.floats(-LARGEST, LARGEST),
    # What is passed over or refused, and the halves that rounding decides on.
    st.sampled_from([math.nan, math.inf, -math.inf, 1e300, 1.0000001e9, 15.0, -0.0, 0.5e-6, 1.5e-6, -2.5e-6]),
)
# Close to the edges of tiles, on both sides of 1970.
times = st.builds(
    lambda tile, offset: tile * TILE + offset, st.integers(-70, 70), st.sampled_from([0, 1, TILE // 2, TILE - 1])
)
events = st.lists(
    st.builds(Event, st.sampled_from((*ENTITIES, None)), delays, st.sampled_from(["UA", "AA", None]), times),
    max_size=60,
)


def columns(batch: Sequence[Event]) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """The events as `fold` takes them."""
    return {
        "origin": np.array([event.entity for event in batch], dtype=object),
        "delay": np.array([event.delay for event in batch], dtype=np.float64),
        "carrier": np.array([event.carrier for event in batch], dtype=object),
    }, np.array([event.time_ms for event in batch], dtype=np.int64)


def features(batch: Sequence[Event], entity: str, at_ms: int) -> dict[str, float]:
    """Every feature of an entity at a moment."""
    end = at_ms // TILE * TILE
    found = {}
    for aggregate in VIEW.aggregates:
        for window in aggregate.windows:
            inside = [
                event
                for event in batch
                if event.entity == entity and end - seconds(window) * SECOND <= event.time_ms < end
            ]
            found[f"{aggregate.name}_{window}"] = _aggregate(aggregate, inside)
    return found


def _aggregate(aggregate: Aggregate, inside: Sequence[Event]) -> float:
    chosen = [VALUES[aggregate.value](event) for event in inside if CONDITIONS[aggregate.where](event)]
    # Python's round is half to even on the float's exact value.
    fixed = [round(value * 10**6) for value in chosen if abs(value) <= LARGEST]
    match aggregate.function:
        case "count":
            return float(len(fixed))
        case "sum":
            return float(sum(fixed)) / 1e6
        case "mean":
            return float(sum(fixed)) / float(len(fixed) * 10**6) if fixed else math.nan
        case "min":
            return float(min(fixed)) / 1e6 if fixed else math.nan
        case "max":
            return float(max(fixed)) / 1e6 if fixed else math.nan


def bits(value: float) -> bytes:
    """A value to the bit, with one NaN."""
    return np.float64(value).tobytes() if not math.isnan(value) else b"nan"
