"""From events to tiles."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles.plan import SCALE, Measure, Plan, plan_of
from pelton.tiles.tiles import NO_MAX, NO_MIN, Ints, Tiles

# A value this large times 10**6 leaves room for the sum of thousands of them in 63 bits.
LARGEST: Final = 1e9


def fold(view: FeatureViewDefinition, columns: Mapping[str, NDArray[Any]], times_ms: Ints) -> Tiles:
    """The tiles of some events, each counted once; columns and times have shape (n,).

    Values are held as integers of millionths: what is finer is rounded, half to even. A null value counts for
    nothing, an event whose entity is null for no entity. Values beyond 10**9 either way are refused, and counted so.

    Raises:
        ExpressionError: a field that the view reads is missing.
    """
    plan = plan_of(view)
    if times_ms.size == 0:
        return Tiles.empty(plan.width)
    rows: dict[str, Any] = {
        "key": _keys(columns[plan.entity]),
        "start": times_ms // plan.tile_ms * plan.tile_ms,
    }
    refused = 0
    measured: dict[Measure, tuple[NDArray[np.bool_], Ints]] = {}
    for place, accumulator in enumerate(plan.accumulators):
        if accumulator.measure not in measured:
            counted, scaled, too_large = _measure(accumulator.measure, columns, times_ms.size)
            measured[accumulator.measure] = counted, scaled
            refused += too_large
        rows[f"c{place}"] = _contribution(accumulator.kind, *measured[accumulator.measure])
    return _grouped(plan, pl.DataFrame(rows), refused)


def _grouped(plan: Plan, rows: pl.DataFrame, refused: int) -> Tiles:
    expressions = []
    for place, accumulator in enumerate(plan.accumulators):
        column = pl.col(f"c{place}")
        match accumulator.kind:
            case "min":
                expressions.append(column.min())
            case "max":
                expressions.append(column.max())
            case _:
                expressions.append(column.sum())
    grouped = rows.drop_nulls("key").group_by("key", "start").agg(expressions).sort("key", "start")
    names = grouped["key"]
    changes = (
        np.flatnonzero((names != names.shift(1)).fill_null(value=True).to_numpy()) if grouped.height else np.empty(0)
    )
    bounds = np.concatenate([changes, [grouped.height]]).astype(np.int64)
    columns = [grouped[f"c{place}"].to_numpy() for place in range(plan.width)]
    stacked = np.stack(columns).astype(np.int64) if columns else np.empty((0, grouped.height), np.int64)
    listed = tuple(names.gather(changes.astype(np.int64)).to_list())
    return Tiles(listed, bounds, grouped["start"].to_numpy().astype(np.int64), stacked, refused)


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


def _contribution(kind: str, counted: NDArray[np.bool_], scaled: Ints) -> Ints:
    match kind:
        case "count":
            return counted.astype(np.int64)
        case "min":
            return np.where(counted, scaled, NO_MIN)
        case "max":
            return np.where(counted, scaled, NO_MAX)
        case _:
            return scaled


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
