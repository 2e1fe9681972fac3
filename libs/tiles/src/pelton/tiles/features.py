"""Features of many entities at many moments: what the online store and the offline store both answer with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles.fold import fold
from pelton.tiles.tiles import Ints, Tiles
from pelton.tiles.values import values

Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Features:
    """Every feature of a view for n rows, each a row's entity at a row's moment.

    `columns` by the feature's name, each of shape (n,): float64 with NaN for what is unknown, or objects with None.
    `known`, of shape (n,), says which entities have events at all. `newest_ms`, of shape (n,), is the time of the newest
    event before the row's moment that latest values come from, -1 without one; None of a view without latest values.
    """

    columns: Mapping[str, Column]
    known: NDArray[np.bool_]
    newest_ms: Ints | None = None


def of_tiles(view: FeatureViewDefinition, tiles: Tiles, keys: Sequence[str], at_ms: Ints) -> Features:
    """The features of each (entity, moment) from tiles."""
    known = np.fromiter((key in tiles.places for key in keys), dtype=np.bool_, count=len(keys))
    return Features(values(view, tiles, keys, at_ms), known)


def of_events(
    view: FeatureViewDefinition, events: Mapping[str, Column], times_ms: Ints, keys: Sequence[str], at_ms: Ints
) -> Features:
    """The features of each (entity, moment) from events, each of them counted; their columns have shape (m,).

    Raises:
        ExpressionError: a field that the view reads, or its entity, is missing.
    """
    return of_tiles(view, fold(view, events, times_ms), keys, at_ms)
