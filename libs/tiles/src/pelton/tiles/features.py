"""Features of many entities at many moments: what the online store and the offline store both answer with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles.entities import Column, Entities, entity_keys
from pelton.tiles.hashing import hash_texts
from pelton.tiles.history import Timeline, windowed
from pelton.tiles.measuring import Ints, measure, readable, ties_of
from pelton.tiles.plan import Plan, plan_of

NEVER_MS: Final = 2**62
"""The arrival of an event that no row may know, because it was too late for the online store."""


@dataclass(frozen=True, slots=True)
class Features:
    """Every feature of a view for n rows, each a row's entity at a row's moment.

    `columns` by the feature's name, each of shape (n,): float64 with NaN for what is unknown, or objects with None.
    `known`, of shape (n,), says whose entity has an event that the view looks at: one in the longest window, or, of a
    view with latest values, any before the moment. `newest_ms`, of shape (n,), is the time of the newest event before
    the moment that latest values come from, -1 without one; None of a view without latest values.
    """

    columns: Mapping[str, NDArray[Any]]
    known: NDArray[np.bool_]
    newest_ms: Ints | None = None


def of_events(
    view: FeatureViewDefinition,
    events: Mapping[str, Column],
    times_ms: Ints,
    keys: Sequence[str] | pl.Series,
    at_ms: Ints,
    *,
    ids: pl.Series | None = None,
    ties: Ints | None = None,
    arrivals_ms: Ints | None = None,
    known_ms: Ints | None = None,
) -> Features:
    """The features of each (entity, moment) from events, each of them counted; their columns have shape (m,).

    Keys are texts as `entity_key` makes them. Events of one time are told apart by their `ids`, as they are online, or
    by the `ties` that were made of these before; without either by their order. With `arrivals_ms`, of shape (m,), and
    `known_ms`, of shape (n,), a row knows the events that had arrived by then: what it would have been told online, if
    events that were too late for the online store have the arrival `NEVER_MS`.

    Raises:
        ExpressionError: a field that the view reads, or its entity, is missing.
    """
    plan = plan_of(view)
    entities = Entities.of(entity_keys(view, events))
    rows = entities.places(keys if isinstance(keys, pl.Series) else pl.Series(keys, dtype=pl.String))
    ties = ties_of(hash_texts(ids)) if ids is not None else ties
    known = (arrivals_ms, known_ms) if arrivals_ms is not None and known_ms is not None else None
    timeline = Timeline.of(entities.place, times_ms, ties, rows, at_ms, known)
    columns: dict[str, NDArray[Any]] = {}
    some = np.zeros(at_ms.size, np.bool_)
    newest_ms = None
    if plan.features:
        orders = ties if ties is not None else np.arange(times_ms.size, dtype=np.int64) * 2
        measured = measure(view, events, entities, times_ms, orders)
        columns, some = windowed(plan, measured, timeline, at_ms // plan.grain_ms * plan.grain_ms)
    if plan.latest:
        places = timeline.newest()
        columns |= _latest(plan, events, timeline, places)
        some = places >= 0
        newest_ms = np.full(places.size, -1, np.int64)
        newest_ms[some] = timeline.times[places[some]]
    return Features(columns, some, newest_ms)


def _latest(plan: Plan, events: Mapping[str, Column], timeline: Timeline, places: Ints) -> dict[str, NDArray[Any]]:
    """The latest values that the events at some places of the timeline give; unknown where the place is -1."""
    some = places >= 0
    if plan.max_age_ms is not None and timeline.times.size:
        some &= timeline.times[np.maximum(places, 0)] >= timeline.at_ms - plan.max_age_ms
    # Of those events alone: one by itself gives the bits that it gives among others.
    chosen = timeline.order[places[some]]
    read = readable(plan, {name: column[chosen] for name, column in events.items()}, chosen.size)
    found = {}
    for one in plan.latest:
        values = one.value.column(read)
        column = np.full(places.size, None if values.dtype == object else np.nan, dtype=values.dtype)
        column[some] = values
        found[one.name] = column
    return found
