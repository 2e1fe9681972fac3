"""From events to whole numbers: what each event adds to each accumulator of a view."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles.entities import Column, Entities
from pelton.tiles.hashing import Hashes, hash_codes, hash_texts
from pelton.tiles.plan import NO_MAX, NO_MIN, SCALE, Accumulator, Kind, Measure, Plan, plan_of
from pelton.tiles.sketches import distinct_cells, quantile_cells

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Up to here a float64 tells millionths apart.
LARGEST: Final = 1e9
# A sum is `high * 2**32 + low` with `0 <= low < 2**32`: one form for one sum, and room for 2**45 values of 10**9.
HALF_BITS: Final = 32
HALF_MASK: Final = 2**HALF_BITS - 1
NULL: Final = int(np.float64(np.nan).view(np.int64))
_LIMB_BITS: Final = 25
_LIMB_MASK: Final = 2**_LIMB_BITS - 1
# Hashes that are stored have one bit for the sign and one that says whether they stand for a text.
_TEXT: Final = 1


@dataclass(frozen=True, slots=True)
class Cells:
    """What events add to the cells of a sketch: `rows[i]` adds `values[i]` to cell `cells[i]`."""

    rows: Ints
    cells: Ints
    values: Ints
    is_text: bool = False


@dataclass(frozen=True)
class Measured:
    """Events of a view as whole numbers.

    `columns` has shape (width, n), `cells` is by slot. Where a value is a text its code is: `texts` says of which,
    `uses` in which rows. `refused` says how many values were too large to be held.
    """

    entities: Entities
    times: Ints
    columns: Ints
    cells: Mapping[int, Cells]
    texts: Mapping[int, str]
    uses: tuple[tuple[Ints, Ints], ...]
    refused: int


@dataclass(frozen=True, slots=True)
class Picked:
    """Values that are kept as they are: `codes`, of shape (features, n), are the bits of doubles, or stand for texts.

    Those that do are in `texts`, by feature and code. `NULL` is the code of null.
    """

    codes: Ints
    texts: Mapping[tuple[int, int], str]


@dataclass(slots=True)
class _Values:
    """The value of each event under a measure: which events count, and their values as far as they were asked for."""

    counted: Flags
    column: NDArray[Any]
    held: Flags | None = None
    scaled: Ints | None = None
    codes: Ints | None = None


@dataclass(slots=True)
class _Measuring:
    plan: Plan
    columns: Mapping[str, NDArray[Any]]
    times: Ints
    ties: Ints
    found: dict[Measure, _Values] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    uses: list[tuple[Ints, Ints]] = field(default_factory=list)
    refused: int = 0


def measure(
    view: FeatureViewDefinition, columns: Mapping[str, Column], entities: Entities, times_ms: Ints, ties: Ints
) -> Measured:
    """What some events, each counted once, add to a view; columns, times and ties have shape (n,).

    Ties tell events of one time apart, are even, and not negative. Values are held as integers of millionths: what is
    finer is rounded, half to even; a null counts for nothing. Those beyond 10**9 either way are refused and counted.

    Raises:
        ExpressionError: a field that the view reads is missing.
    """
    plan = plan_of(view)
    measuring = _Measuring(plan, readable(plan, columns, times_ms.size), times_ms, ties)
    filled = np.zeros((plan.width, times_ms.size), np.int64)
    for accumulator, column in plan.columns.items():
        _fill(measuring, accumulator, column, filled)
    cells = {slot: _cells(measuring, accumulator) for accumulator, slot in plan.slots.items()}
    return Measured(entities, times_ms, filled, cells, measuring.texts, tuple(measuring.uses), measuring.refused)


def measure_latest(view: FeatureViewDefinition, columns: Mapping[str, Column], rows: int) -> Picked:
    """The values of a view's latest features, as codes and not as millionths.

    Raises:
        ExpressionError: a field that the view reads is missing.
    """
    plan = plan_of(view)
    read = readable(plan, columns, rows)
    codes = np.empty((len(plan.latest), rows), np.int64)
    texts: dict[tuple[int, int], str] = {}
    for place, one in enumerate(plan.latest):
        column = one.value.column(read)
        if _is_text(column):
            codes[place], named = text_codes(column)
            codes[place][_is_null(column)] = NULL
            texts |= {(place, code): text for code, text in named.items()}
        else:
            codes[place] = column.view(np.int64)
    return Picked(codes, texts)


def text_codes(column: NDArray[Any]) -> tuple[Ints, dict[int, str]]:
    """A code for each text, that of the empty one for null; and the text of each code."""
    texts = pl.Series(column.tolist(), dtype=pl.String)
    codes = _code(hash_texts(texts), _TEXT)
    distinct = pl.DataFrame({"text": texts, "code": codes}).drop_nulls().unique()
    return codes, dict(zip(distinct["code"].to_list(), distinct["text"].to_list(), strict=True))


def ties_of(hashes: Hashes) -> Ints:
    """What tells events of one time apart, of the hashes of their ids."""
    return _code(hashes, 0)


def readable(plan: Plan, columns: Mapping[str, Column], rows: int) -> dict[str, NDArray[Any]]:
    """The columns as expressions read them; those that no expression reads are left as they are, or empty."""
    found = {}
    for name, column in columns.items():
        if isinstance(column, np.ndarray):
            found[name] = column
        else:
            found[name] = as_array(column) if name in plan.fields else np.empty(rows)
    return found


def as_array(column: pl.Series) -> NDArray[Any]:
    """A column as expressions read it: float64 with NaN for null, or objects with None."""
    if column.dtype == pl.String:
        return np.array(column.to_list(), dtype=object)
    return column.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _values(measuring: _Measuring, measured: Measure) -> _Values:
    known = measuring.found.get(measured)
    if known is None:
        counted = np.ones(measuring.times.size, dtype=np.bool_)
        if measured.where is not None:
            counted = measured.where.evaluate(measuring.columns) == 1.0
        column = np.zeros(measuring.times.size)
        if measured.value is not None:
            column = measured.value.column(measuring.columns)
            counted = counted & ~_is_null(column)
        known = measuring.found[measured] = _Values(counted, column)
    return known


def _scaled(measuring: _Measuring, measured: Measure) -> tuple[Flags, Ints]:
    """Which events count, and their values in millionths, 0 where they do not."""
    values = _values(measuring, measured)
    if measured.value is None:
        return values.counted, np.zeros(measuring.times.size, np.int64)
    if values.scaled is None or values.held is None:
        # `evaluate` says what is wrong where a text is to be added up.
        column = measured.value.evaluate(measuring.columns) if _is_text(values.column) else values.column
        with np.errstate(invalid="ignore"):
            values.held = values.counted & (np.abs(column) <= LARGEST)
        measuring.refused += int(values.counted.sum()) - int(values.held.sum())
        values.scaled = np.rint(np.where(values.held, column, 0.0) * SCALE).astype(np.int64)
    return values.held, values.scaled


def _coded_values(measuring: _Measuring, measured: Measure) -> tuple[Flags, Ints, int]:
    """Which events count, the code of each value, and 1 where codes stand for texts."""
    values = _values(measuring, measured)
    column = values.column
    if values.codes is None:
        if _is_text(column):
            values.codes, texts = text_codes(column)
            measuring.texts.update(texts)
            rows = np.flatnonzero(values.counted)
            measuring.uses.append((rows, values.codes[rows]))
        else:
            values.codes = column.view(np.int64)
    return values.counted, values.codes, int(_is_text(column))


def _code(hashes: Hashes, low: int) -> Ints:
    return ((hashes >> np.uint64(2)) << np.uint64(1)).astype(np.int64) | low


def _fill(measuring: _Measuring, accumulator: Accumulator, column: int, filled: Ints) -> None:
    match accumulator.kind:
        case "first" | "last":
            counted, codes, is_text = _coded_values(measuring, accumulator.measure)
            nothing = NO_MIN if accumulator.kind == "first" else NO_MAX
            parts = (measuring.times, measuring.ties | is_text, codes)
            for place, part in enumerate(parts):
                filled[column + place] = np.where(counted, part, nothing)
        case "min" | "max":
            counted, scaled = _scaled(measuring, accumulator.measure)
            filled[column] = np.where(counted, scaled, NO_MIN if accumulator.kind == "min" else NO_MAX)
        case "count":
            filled[column] = _scaled(measuring, accumulator.measure)[0]
        case kind:
            _, scaled = _scaled(measuring, accumulator.measure)
            added = _ADDED[kind](scaled)
            filled[column] = added >> HALF_BITS
            filled[measuring.plan.low_half(column)] = added & HALF_MASK


_ADDED: Final[Mapping[Kind, Callable[[Ints], Ints]]] = {
    "sum": lambda scaled: scaled,
    "square_high": lambda scaled: (scaled >> _LIMB_BITS) ** 2,
    "square_mixed": lambda scaled: (scaled >> _LIMB_BITS) * (scaled & _LIMB_MASK),
    "square_low": lambda scaled: (scaled & _LIMB_MASK) ** 2,
}


def _cells(measuring: _Measuring, accumulator: Accumulator) -> Cells:
    if accumulator.kind == "quantile":
        counted, scaled = _scaled(measuring, accumulator.measure)
        rows = np.flatnonzero(counted)
        return Cells(rows, quantile_cells(scaled[rows]), np.ones(rows.size, np.int64))
    counted, codes, is_text = _coded_values(measuring, accumulator.measure)
    rows = np.flatnonzero(counted)
    # There is one zero.
    codes = codes[rows] if is_text else (codes[rows].view(np.float64) + 0.0).view(np.int64)
    if accumulator.kind == "top_k":
        return Cells(rows, codes, np.ones(rows.size, np.int64), bool(is_text))
    cells, ranks = distinct_cells(hash_codes(codes))
    return Cells(rows, cells, ranks)


def _is_text(column: NDArray[Any]) -> bool:
    return column.dtype == object


def _is_null(column: NDArray[Any]) -> Flags:
    if _is_text(column):
        return np.fromiter((value is None for value in column), np.bool_, len(column))
    gaps: Flags = np.isnan(column)
    return gaps
