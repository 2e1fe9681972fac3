"""From what was accumulated over a window to the features: the one place where whole numbers become doubles.

Online and offline come here with the same whole numbers, and so leave with the same bits.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pelton.tiles.entries import CELL_WIDTH, carry
from pelton.tiles.errors import TilesError
from pelton.tiles.measuring import HALF_BITS, Flags, Ints
from pelton.tiles.plan import NO_MAX, NO_MIN, PICK_WIDTH, SCALE, SQUARES, Feature, Plan
from pelton.tiles.sketches import distincts, quantiles, tops

Numbers = NDArray[np.float64]
Column = NDArray[Any]
Texts = Callable[[Iterable[int]], Mapping[int, str]]
"""What finds the texts that codes stand for."""

NO_CELLS: Final = (np.empty(0, np.int64), np.empty((CELL_WIDTH, 0), np.int64))


@dataclass(frozen=True, slots=True)
class Totals:
    """What a window of each of n rows holds: `columns` of shape (width, n), and cells merged, by row and sorted.

    The low halves of sums may hold more than their bits.
    """

    columns: Ints
    cell_row: Ints
    cells: Ints

    @classmethod
    def empty(cls, plan: Plan, rows: int) -> "Totals":
        """Nothing in any window; there are no cells."""
        columns = np.repeat(np.array(plan.nothing, np.int64)[:, np.newaxis], rows, axis=1)
        return cls(columns, *NO_CELLS)


def finish(plan: Plan, window_ms: int, totals: Totals, texts: Texts) -> dict[str, Column]:
    """The features of a window, each of shape (n,).

    Without events a count, a sum, a rate and a number of distinct values are 0, and all else is unknown.
    """
    carry(plan, totals.columns)
    return {
        feature.name: _finished(plan, feature, totals, texts)
        for feature in plan.features
        if feature.window_ms == window_ms
    }


def _finished(plan: Plan, feature: Feature, totals: Totals, texts: Texts) -> Column:
    columns, place = totals.columns, feature.place
    match feature.function:
        case "count":
            counts: Numbers = columns[place["count"]].astype(np.float64)
            return counts
        case "sum":
            return _sum(plan, columns, place["sum"]) / SCALE
        case "mean":
            return _quotients(_sum(plan, columns, place["sum"]), columns[place["count"]], SCALE)
        case "variance":
            return _variances(plan, columns, feature)
        case "rate":
            seconds = feature.window_ms / 1000
            if "count" in place:
                rates: Numbers = columns[place["count"]] / seconds
                return rates
            return _sum(plan, columns, place["sum"]) / (SCALE * seconds)
        case "min":
            return _extreme(columns[place["min"]], NO_MIN)
        case "max":
            return _extreme(columns[place["max"]], NO_MAX)
        case "first" | "last":
            column = place[feature.function]
            nothing = NO_MIN if feature.function == "first" else NO_MAX
            times, ties, codes = columns[column : column + PICK_WIDTH]
            return _picks(times != nothing, ties & 1 == 1, codes, texts)
        case "distinct" | "quantile" | "top_k":
            return _sketched(feature, totals, texts)
    raise TilesError(f"nothing is accumulated that {feature.function} needs")


def _sum(plan: Plan, columns: Ints, high: int) -> Numbers:
    """Sums in millionths, rounded once: each half is a whole number that a double holds."""
    total: Numbers = columns[high] * np.float64(1 << HALF_BITS)
    total += columns[plan.low_half(high)]
    return total


def _quotients(sums: Numbers, counts: Ints, scale: int) -> Numbers:
    found = np.full(counts.size, np.nan)
    np.divide(sums, counts * scale, out=found, where=counts > 0)
    return found


def _variances(plan: Plan, columns: Ints, feature: Feature) -> Numbers:
    """Population variances: exact up to the one division, which rounds correctly."""

    def exact(high: int) -> list[int]:
        halves = zip(columns[high].tolist(), columns[plan.low_half(high)].tolist(), strict=True)
        return [(upper << HALF_BITS) + lower for upper, lower in halves]

    sums = exact(feature.place["sum"])
    squares = zip(*(exact(feature.place[kind]) for kind in SQUARES), strict=True)
    found = np.full(columns.shape[1], np.nan)
    for row, (count, total, (high, mixed, low)) in enumerate(
        zip(columns[feature.place["count"]].tolist(), sums, squares, strict=True)
    ):
        if count:
            square = (high << 50) + (mixed << 26) + low
            found[row] = (count * square - total * total) / (count * SCALE) ** 2
    return found


def _extreme(column: Ints, nothing: int) -> Numbers:
    return np.where(column == nothing, np.nan, column / SCALE)


def _picks(some: Flags, is_text: Flags, codes: Ints, texts: Texts) -> Column:
    """Values that are kept as they are: doubles, or, if one is, texts with None for unknown."""
    is_text = is_text & some
    if not is_text.any():
        return np.where(some, codes.view(np.float64), np.nan)
    found = np.full(some.size, None, dtype=object)
    named = texts(set(codes[is_text].tolist()))
    for row in np.flatnonzero(some).tolist():
        found[row] = named[int(codes[row])] if is_text[row] else float(codes[row : row + 1].view(np.float64)[0])
    return found


def _sketched(feature: Feature, totals: Totals, texts: Texts) -> Column:
    rows = totals.columns.shape[1]
    (slot,) = feature.place.values()
    chosen = totals.cells[1] >> 1 == slot
    owner, (_, slots, cells, values) = totals.cell_row[chosen], totals.cells[:, chosen]
    bounds = np.searchsorted(owner, np.arange(rows + 1))
    match feature.function:
        case "distinct":
            return distincts(values, bounds)
        case "quantile":
            return quantiles(cells, values, bounds, feature.quantile)
    is_text = slots & 1 == 1
    return _tops(tops(cells, values, bounds, feature.k), bool(is_text.any()), feature.k, texts)


def _tops(found: list[list[tuple[int, int]]], is_text: bool, k: int, texts: Texts) -> Column:  # noqa: FBT001
    """Lists of the most frequent values, those as frequent by value; None where there are none."""
    codes = {code for one in found for code, _ in one}
    values: Mapping[int, Any]
    if is_text:
        values = texts(codes)
    else:
        listed = sorted(codes)
        values = dict(zip(listed, np.array(listed, np.int64).view(np.float64).tolist(), strict=True))
    column = np.full(len(found), None, dtype=object)
    for row, pairs in enumerate(found):
        if pairs:
            ordered = sorted((-count, values[code]) for code, count in pairs)
            column[row] = [value for _, value in ordered[:k]]
    return column
