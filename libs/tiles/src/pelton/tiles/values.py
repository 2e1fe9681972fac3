"""From tiles to features, for many entities and moments at once: the same online and offline."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles.errors import TilesError
from pelton.tiles.plan import SCALE, Feature, Plan, plan_of
from pelton.tiles.tiles import HALF_BITS, NO_MAX, NO_MIN, Ints, Tiles

Column = NDArray[np.float64]


def values(view: FeatureViewDefinition, tiles: Tiles, keys: Sequence[str], at_ms: Ints) -> dict[str, Column]:
    """Every feature of the view for each (entity, moment), each of shape (n,).

    A value covers the tiles that start at `floor(at) - window <= start < floor(at)`, where floor rounds down to the
    tile. Without events in them a count and a sum are 0, and mean, min and max are NaN.
    """
    plan = plan_of(view)
    places = np.fromiter((tiles.places.get(key, -1) for key in keys), dtype=np.int64, count=len(keys))
    known = places >= 0
    # One sorted axis over all entities: the entity's place, then the tile.
    ends = at_ms // plan.tile_ms
    axis = _Axis.of(tiles, plan, ends)
    running = _running(tiles.columns[: plan.minima.start])
    high = np.where(known, axis.position(places, ends), 0)
    lows: dict[int, Ints] = {}
    found: dict[str, Column] = {}
    for feature in plan.features:
        if feature.window_ms not in lows:
            first = axis.position(places, ends - feature.window_ms // plan.tile_ms)
            lows[feature.window_ms] = np.where(known, first, 0)
        low = lows[feature.window_ms]
        found[feature.name] = _feature(plan, tiles.columns, running, feature, low, high)
    return found


class _Axis:
    """Tiles of all entities in one order, and where a (place, tile number) falls in it."""

    def __init__(self, ranks: Ints, first: int, stride: int) -> None:
        self._ranks = ranks
        self._first = first
        self._stride = stride

    @classmethod
    def of(cls, tiles: Tiles, plan: Plan, ends: Ints) -> "_Axis":
        numbers = tiles.starts // plan.tile_ms
        low = min(int(numbers.min(initial=0)), int(ends.min(initial=0)) - plan.longest_ms // plan.tile_ms)
        highest = max(int(numbers.max(initial=0)), int(ends.max(initial=0)))
        stride = highest - low + 2
        entity = np.repeat(np.arange(len(tiles.names), dtype=np.int64), np.diff(tiles.bounds))
        return cls(entity * stride + (numbers - low), low, stride)

    def position(self, places: Ints, numbers: Ints) -> Ints:
        """How many tiles come before tile `numbers[i]` of entity `places[i]`; of no entity, any."""
        return np.searchsorted(self._ranks, places * self._stride + (numbers - self._first)).astype(np.int64)


def _feature(plan: Plan, columns: Ints, running: Ints, feature: Feature, low: Ints, high: Ints) -> Column:
    match feature.function:
        case "count":
            return _counts(running, feature, low, high)
        case "sum":
            return _totals(plan, running, feature, low, high) / SCALE
        case "mean":
            count = _counts(running, feature, low, high)
            mean: Column = np.full(count.size, np.nan)
            np.divide(_totals(plan, running, feature, low, high), count * SCALE, out=mean, where=count > 0)
            return mean
        case "min":
            return _extreme(columns[feature.other], low, high, np.minimum, NO_MIN)
        case "max":
            return _extreme(columns[feature.other], low, high, np.maximum, NO_MAX)
        case function:
            raise TilesError(f"no tile holds what {function} needs")


def _running(added: Ints) -> Ints:
    """Sums of the first 0, 1, ... tiles, by column. They may wrap around; the difference of two is right even then."""
    running = np.zeros((added.shape[0], added.shape[1] + 1), np.int64)
    np.cumsum(added, axis=1, out=running[:, 1:])
    return running


def _counts(running: Ints, feature: Feature, low: Ints, high: Ints) -> Column:
    return _between(running[feature.count], low, high).astype(np.float64)


def _totals(plan: Plan, running: Ints, feature: Feature, low: Ints, high: Ints) -> Column:
    """The exact sums in millionths, rounded once: each half is a whole number that float64 holds."""
    total: Column = _between(running[feature.other], low, high) * np.float64(1 << HALF_BITS)
    total += _between(running[plan.low_half(feature.other)], low, high)
    return total


def _between(running: Ints, low: Ints, high: Ints) -> Ints:
    return running.take(high) - running.take(low)


def _extreme(column: Ints, low: Ints, high: Ints, ufunc: np.ufunc, nothing: int) -> Column:
    result = np.full(low.size, nothing, dtype=np.int64)
    some = np.flatnonzero(high > low)
    if some.size:
        padded = np.concatenate([column, [nothing]])
        edges = np.stack([low[some], high[some]], axis=1).ravel()
        result[some] = ufunc.reduceat(padded, edges)[::2]
    return np.where(result == nothing, np.nan, result / SCALE)
