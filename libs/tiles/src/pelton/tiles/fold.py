"""From events to tiles."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles.expressions import ExpressionError
from pelton.tiles.plan import SCALE, Kind, Measure, Plan, plan_of
from pelton.tiles.tiles import HALF_BITS, HALF_MASK, NO_MAX, NO_MIN, Ints, Tiles, carry

# Up to here a float64 tells millionths apart.
LARGEST: Final = 1e9
_INT64: Final = 2**63


def fold(view: FeatureViewDefinition, columns: Mapping[str, NDArray[Any]], times_ms: Ints) -> Tiles:
    """The tiles of some events, each counted once; columns and times have shape (n,).

    Values are held as integers of millionths: what is finer is rounded, half to even. A null value counts for
    nothing, an event whose entity is null for no entity. Values beyond 10**9 either way are refused, and counted so.

    Raises:
        ExpressionError: a field that the view reads, or its entity, is missing.
    """
    plan = plan_of(view)
    if times_ms.size == 0:
        return Tiles.empty(plan.width)
    if plan.entity not in columns:
        known = ", ".join(sorted(columns))
        raise ExpressionError(
            f"the view {view.name!r} is by {plan.entity!r}, a field that the events do not have: {known}"
        )
    refused = 0
    measured: dict[Measure, tuple[NDArray[np.bool_], Ints]] = {}
    rows: dict[int, Ints] = {}
    for accumulator, column in plan.columns.items():
        if accumulator.measure not in measured:
            counted, scaled, too_large = _measure(accumulator.measure, columns, times_ms.size)
            measured[accumulator.measure] = counted, scaled
            refused += too_large
        if accumulator.kind == "sum":
            rows |= _halves(plan, column, measured[accumulator.measure][1])
        else:
            rows[column] = _contribution(accumulator.kind, *measured[accumulator.measure])
    starts = times_ms // plan.tile_ms * plan.tile_ms
    return _grouped(plan, _keys(columns[plan.entity]), starts, rows, refused)


def _grouped(plan: Plan, keys: pl.Series, starts: Ints, rows: Mapping[int, Ints], refused: int) -> Tiles:
    frame = pl.DataFrame({"key": keys, "start": starts, **{f"c{place}": column for place, column in rows.items()}})
    expressions = [_aggregation(plan, place) for place in rows]
    grouped = frame.drop_nulls("key").group_by("key", "start").agg(expressions).sort("key", "start")
    names = grouped["key"]
    changes = (
        np.flatnonzero((names != names.shift(1)).fill_null(value=True).to_numpy()) if grouped.height else np.empty(0)
    )
    bounds = np.concatenate([changes, [grouped.height]]).astype(np.int64)
    stacked = np.zeros((plan.width, grouped.height), np.int64)
    for place in rows:
        stacked[place] = grouped[f"c{place}"].to_numpy()
    carry(plan, stacked)
    listed = tuple(names.gather(changes.astype(np.int64)).to_list())
    return Tiles(listed, bounds, grouped["start"].to_numpy().astype(np.int64), stacked, refused)


def _aggregation(plan: Plan, place: int) -> pl.Expr:
    column = pl.col(f"c{place}")
    if place < plan.minima.start:
        return column.sum()
    return column.min() if place < plan.maxima.start else column.max()


def _measure(measure: Measure, columns: Mapping[str, NDArray[Any]], rows: int) -> tuple[NDArray[np.bool_], Ints, int]:
    """Which events count, their values in millionths (0 where they do not), and how many values were too large."""
    counted = np.ones(rows, dtype=np.bool_)
    if measure.where is not None:
        counted &= measure.where.evaluate(columns) == 1.0
    if measure.value is None:
        return counted, np.zeros(rows, np.int64), 0
    values = measure.value.evaluate(columns)
    too_large = counted & ~np.isnan(values) & ~(np.abs(values) <= LARGEST)
    counted &= ~np.isnan(values) & ~too_large
    scaled = np.zeros(rows, np.int64)
    scaled[counted] = np.rint(values[counted] * SCALE).astype(np.int64)
    return counted, scaled, int(too_large.sum())


def _contribution(kind: Kind, counted: NDArray[np.bool_], scaled: Ints) -> Ints:
    match kind:
        case "min":
            return np.where(counted, scaled, NO_MIN)
        case "max":
            return np.where(counted, scaled, NO_MAX)
        case _:
            return counted.astype(np.int64)


def _halves(plan: Plan, high: int, scaled: Ints) -> dict[int, Ints]:
    """What is added up for a sum, by column. Where low halves can hold the sum of the batch, `carry` parts it later."""
    low = plan.low_half(high)
    if int(np.abs(scaled).max(initial=0)) * scaled.size < _INT64:
        return {low: scaled}
    return {high: scaled >> HALF_BITS, low: scaled & HALF_MASK}


def _keys(column: NDArray[Any]) -> pl.Series:
    """Entities as texts: whole numbers without a fraction, as a request would write them."""
    if column.dtype == object:
        return pl.Series(column.tolist(), dtype=pl.String)
    texts = [None if value != value else entity_text(value) for value in column.tolist()]  # noqa: PLR0124
    return pl.Series(texts, dtype=pl.String)


def entity_text(value: float | str) -> str:
    """An entity's value as the text that tiles are kept under."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(value)
