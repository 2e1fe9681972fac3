"""What features are, by their definition: event by event in plain Python, without tiles and without NumPy."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from pelton.contracts.definitions import Aggregate, FeatureViewDefinition, Latest, seconds

MINUTE = 60_000
LATENESS = 3 * MINUTE
LARGEST = 1e9


@dataclass(frozen=True)
class Happening:
    """An event of a partition; its place in the list is its order."""

    partition: int
    id: str
    entity: str | None
    x: float
    c: str | None
    time_ms: int
    arrival_ms: int


# The views' expressions once more, as Python that shares nothing with the language under test.
CONDITIONS: Mapping[str | None, Callable[[Happening], bool]] = {
    None: lambda _: True,
    "x > 15": lambda event: event.x > 15,
    'c == "UA"': lambda event: event.c == "UA",
}
NUMBERS: Mapping[str, Callable[[Happening], float]] = {"x": lambda event: event.x, "x * 60": lambda event: event.x * 60}
TEXTS: Mapping[str, Callable[[Happening], str | None]] = {"c": lambda event: event.c}

_windows = st.lists(st.sampled_from(["1s", "1m", "3m", "10m", "1h"]), min_size=1, max_size=2, unique=True)
_numeric = ["sum", "mean", "min", "max", "variance", "quantile"]
_picking = ["first", "last", "distinct", "top_k"]


@st.composite
def _aggregate(draw: st.DrawFn, name: str) -> Aggregate:
    function = draw(st.sampled_from(["count", "rate", *_numeric, *_picking]))
    value = None
    if function in _numeric or (function == "rate" and draw(st.booleans())):
        value = draw(st.sampled_from(list(NUMBERS)))
    elif function in _picking:
        value = draw(st.sampled_from([*NUMBERS, *TEXTS]))
    return Aggregate(
        name=name,
        function=function,  # type: ignore[arg-type]
        value=value,
        where=draw(st.sampled_from(list(CONDITIONS))),
        windows=tuple(draw(_windows)),
        quantile=draw(st.sampled_from([0.01, 0.5, 0.9, 0.99])) if function == "quantile" else None,
        k=draw(st.integers(1, 3)) if function == "top_k" else None,
    )


@st.composite
def views(draw: st.DrawFn) -> FeatureViewDefinition:
    """Views of any functions, tiles and resolutions."""
    aggregates = tuple(draw(_aggregate(f"a{place}")) for place in range(draw(st.integers(0, 4))))
    latest = draw(st.sampled_from([(), ("x", "c"), ("x * 60",)] if aggregates else [("x", "c"), ("c",)]))
    tile = draw(st.sampled_from(["1s", "1m", "7m", "1h"]))
    fits = [
        one
        for one in ("1s", "1m", tile)
        if seconds(tile) % seconds(one) == 0
        and all(seconds(window) % seconds(one) == 0 for aggregate in aggregates for window in aggregate.windows)
    ]
    return FeatureViewDefinition(
        name="v",
        source="s",
        entity="e",
        tile=tile,
        resolution=draw(st.sampled_from([None, *fits])),
        aggregates=aggregates,
        latest=tuple(Latest(name=f"l{place}", value=value) for place, value in enumerate(latest)),
        max_age=draw(st.sampled_from([None, "2m"])),
    )


def verdicts(stream: Sequence[Happening]) -> list[int]:
    """0 for an event on time, 1 for a late one, 2 for one too late, 3 for a duplicate."""
    newest: dict[int, int] = {}
    remembered: dict[tuple[int, str], int] = {}
    found = []
    for event in stream:
        watermark = newest.get(event.partition)
        oldest = -math.inf if watermark is None else watermark - LATENESS
        key = (event.partition, event.id)
        if key in remembered and remembered[key] >= oldest:
            found.append(3)
        elif event.time_ms < oldest:
            found.append(2)
        else:
            remembered[key] = event.time_ms
            found.append(1 if watermark is not None and event.time_ms < watermark else 0)
        newest[event.partition] = max(event.time_ms, event.time_ms if watermark is None else watermark)
    return found


def features(
    view: FeatureViewDefinition,
    counted: Sequence[Happening],
    order: Callable[[Happening], Any],
    entity: str,
    at_ms: int,
) -> dict[str, Any]:
    """Every feature of an entity at a moment, of events that count; `order` tells those of one time apart."""
    mine = sorted((event for event in counted if event.entity == entity), key=lambda e: (e.time_ms, order(e)))
    grain = seconds(view.resolution) * 1000 if view.resolution else 1
    end = at_ms // grain * grain
    found = {}
    for aggregate in view.aggregates:
        for window in aggregate.windows:
            start = end - seconds(window) * 1000
            inside = [e for e in mine if start <= e.time_ms < end and CONDITIONS[aggregate.where](e)]
            found[f"{aggregate.name}_{window}"] = _value(aggregate, inside, seconds(window))
    before = [event for event in mine if event.time_ms < at_ms]
    if before and view.max_age is not None and before[-1].time_ms < at_ms - seconds(view.max_age) * 1000:
        before = []
    for one in view.latest:
        found[one.name] = _of(one.value, before[-1]) if before else None
    return found


def is_known(view: FeatureViewDefinition, counted: Sequence[Happening], entity: str, at_ms: int) -> bool:
    """Whether the entity has an event that the view looks at."""
    grain = seconds(view.resolution) * 1000 if view.resolution else 1
    end = at_ms // grain * grain
    longest = max((seconds(window) * 1000 for one in view.aggregates for window in one.windows), default=0)
    times = [event.time_ms for event in counted if event.entity == entity]
    return any(time < at_ms for time in times) if view.latest else any(end - longest <= time < end for time in times)


def _of(value: str, event: Happening) -> float | str | None:
    if value in TEXTS:
        return TEXTS[value](event)
    found = NUMBERS[value](event)
    return None if math.isnan(found) else found


def _value(aggregate: Aggregate, inside: Sequence[Happening], window_s: int) -> Any:  # noqa: ANN401, C901 - a case for each function
    values = [] if aggregate.value is None else [v for v in (_of(aggregate.value, e) for e in inside) if v is not None]
    # Python's round is half to even on the double's exact value.
    fixed = [round(v * 10**6) for v in values if not isinstance(v, str) and abs(v) <= LARGEST]
    match aggregate.function:
        case "count":
            return float(len(inside if aggregate.value is None else fixed))
        case "rate":
            return len(inside) / window_s if aggregate.value is None else float(sum(fixed)) / (10**6 * window_s)
        case "sum":
            return float(sum(fixed)) / 1e6
        case "mean":
            return float(sum(fixed)) / float(len(fixed) * 10**6) if fixed else None
        case "min":
            return float(min(fixed)) / 1e6 if fixed else None
        case "max":
            return float(max(fixed)) / 1e6 if fixed else None
        case "variance":
            return float(_variance(fixed)) if fixed else None
        case "first":
            return values[0] if values else None
        case "last":
            return values[-1] if values else None
        case "distinct":
            return float(len({v + 0.0 if isinstance(v, float) else v for v in values}))
        case "quantile":
            return sorted(fixed)[math.floor(aggregate.quantile * (len(fixed) - 1))] / 1e6 if fixed else None  # type: ignore[operator]
        case "top_k":
            counts = Counter(v + 0.0 if isinstance(v, float) else v for v in values)
            ordered = sorted(counts, key=lambda value: (-counts[value], value))
            return ordered[: aggregate.k] if ordered else None
    raise AssertionError(aggregate.function)


def _variance(fixed: Sequence[int]) -> Fraction:
    mean = Fraction(sum(fixed), len(fixed))
    return sum(((value - mean) ** 2 for value in fixed), Fraction(0)) / len(fixed) / 10**12
