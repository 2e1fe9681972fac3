"""Sketches as cells of whole numbers, which merge by sums and maxima, and what is read off them.

Groups of cells lie one after another: those of group i are at `bounds[i] <= place < bounds[i + 1]`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pelton.tiles.hashing import Hashes

Ints = NDArray[np.int64]
Numbers = NDArray[np.float64]

QUANTILE_ERROR: Final = 0.01
DISTINCT_ERROR: Final = 0.01625
"""The standard error of `distinct`, 1.04 / sqrt(4096)."""

# The ratio of a bucket's edges, (1 + error) / (1 - error), as a fraction.
_UPPER, _LOWER = 101, 99
_BUCKETS: Final = 1728
_SCALE: Final = 1_000_000
_EDGES: Final = np.array([_UPPER**place // _LOWER**place for place in range(_BUCKETS)], np.int64)
_MIDDLES: Final = np.array(
    [_UPPER**place * _LOWER / (_LOWER**place * 100 * _SCALE) for place in range(_BUCKETS)], np.float64
)

_INDEX_BITS: Final = 12
_REGISTERS: Final = 1 << _INDEX_BITS
_RANK_BITS: Final = 64 - _INDEX_BITS


def quantile_cells(millionths: Ints) -> Ints:
    """The cell of each value: of DDSketch (Masson, Rim, Lee, "DDSketch", VLDB 2019), with edges in whole millionths.

    Cells are in the order of their values: 0 holds zero, the negatives mirror the positives.
    """
    return np.sign(millionths) * (np.searchsorted(_EDGES, np.abs(millionths)) + 1)


def quantiles(cells: Ints, counts: Ints, bounds: Ints, quantile: float) -> Numbers:
    """The lower quantile of each group within a relative error of `QUANTILE_ERROR`; NaN of an empty one.

    That is the element of rank `floor(quantile * (n - 1))`. Cells of a group are sorted.
    """
    found = np.full(bounds.size - 1, np.nan)
    if not cells.size:
        return found
    running = np.concatenate([[0], np.cumsum(counts)])
    before = running[bounds[:-1]]
    total = running[bounds[1:]] - before
    some = total > 0
    ranks = np.floor(quantile * (total[some] - 1)).astype(np.int64)
    chosen = cells[np.searchsorted(running[1:], before[some] + ranks, side="right")]
    middles = _MIDDLES[np.maximum(np.abs(chosen) - 1, 0)]
    found[some] = np.where(chosen == 0, 0.0, np.sign(chosen) * middles)
    return found


def distinct_cells(hashes: Hashes) -> tuple[Ints, Ints]:
    """The register of each hash, and the rank it has there: of HyperLogLog (Flajolet and others, 2007)."""
    rest = (hashes & np.uint64((1 << _RANK_BITS) - 1)).astype(np.int64)
    lengths = np.frexp(rest.astype(np.float64))[1]
    return (hashes >> np.uint64(_RANK_BITS)).astype(np.int64), (_RANK_BITS + 1 - lengths).astype(np.int64)


def distincts(ranks: Ints, bounds: Ints) -> Numbers:
    """How many distinct hashes made the registers of each group, to the nearest whole number.

    By the improved raw estimator of Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017;
    without the correction for ranks beyond 52, which would need 10**15 distinct values.
    """
    groups = bounds.size - 1
    used = np.diff(bounds)
    owner = np.repeat(np.arange(groups), used)
    levels = _RANK_BITS + 2
    histogram = np.bincount(owner * levels + ranks, minlength=groups * levels).reshape(groups, levels)
    total = np.zeros(groups)
    for level in range(levels - 1, 0, -1):
        total = 0.5 * (total + histogram[:, level])
    share = (_REGISTERS - used) / _REGISTERS
    with np.errstate(divide="ignore"):
        estimate = _REGISTERS / (2.0 * 0.6931471805599453) * _REGISTERS / (total + _REGISTERS * _sigma(share))
    return np.where(used == 0, 0.0, np.rint(estimate))


def _sigma(share: Numbers) -> Numbers:
    """Ertl's sigma of a share of empty registers below 1; of 1 what is finite of it."""
    power, total, weight = share, share.copy(), 1.0
    # After so many squarings the largest share below 1 is less than a double tells from zero.
    for _ in range(24):
        power = power * power
        total = total + power * weight
        weight *= 2.0
    return total


def tops(cells: Ints, counts: Ints, bounds: Ints, k: int) -> list[list[tuple[int, int]]]:
    """The `k` most frequent cells of each group and those as frequent as the last of them, with their counts."""
    found = []
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        inside = counts[start:end]
        chosen = np.arange(inside.size)
        if inside.size > k:
            least = np.partition(inside, inside.size - k)[inside.size - k]
            chosen = np.flatnonzero(inside >= least)
        found.append(list(zip(cells[start:end][chosen].tolist(), inside[chosen].tolist(), strict=True)))
    return found
