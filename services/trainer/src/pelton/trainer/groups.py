"""Rows in groups by the values of one attribute: few enough that each is worth a look, and the same every time."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST_VALUES: Final = 50
BINS: Final = 10
MISSING: Final = "(missing)"
OTHER: Final = "(other)"


@dataclass(frozen=True, slots=True)
class Grouping:
    """The names of the groups, none of them empty, and for each row, shape (n,), the place of its group among them."""

    names: tuple[str, ...]
    members: NDArray[np.intp]

    def rows(self, place: int) -> NDArray[np.bool_]:
        """Which rows belong to a group, shape (n,)."""
        return np.equal(self.members, place)


def group(values: NDArray[Any]) -> Grouping:
    """Group rows by an attribute of shape (n,): numbers with NaN, or texts with None, where a row has no value.

    Each value is a group. Of more than `MOST_VALUES` numbers, each tenth of the rows is one, bounded by deciles: rows
    of one number are never parted. Of more texts, the most frequent are groups, and the rest is one together.
    """
    if values.dtype == object:
        return _by_text(values)
    return _by_number(values)


def _by_text(values: NDArray[Any]) -> Grouping:
    counted = Counter(value for value in values.tolist() if value is not None)
    ranked = sorted(counted, key=lambda value: (-counted[value], value))
    kept = ranked if len(ranked) <= MOST_VALUES else ranked[: MOST_VALUES - 1]
    names = [*sorted(kept), OTHER, MISSING]
    places = {name: place for place, name in enumerate(names[:-2])}
    other, missing = len(names) - 2, len(names) - 1
    found = [missing if value is None else places.get(value, other) for value in values.tolist()]
    return _without_empty(names, np.array(found, dtype=np.intp))


def _by_number(values: NDArray[np.floating[Any]]) -> Grouping:
    missing = np.isnan(values)
    known = values[~missing]
    distinct = np.unique(known)
    if distinct.size <= MOST_VALUES:
        names = [_number(value) for value in distinct]
        places = np.searchsorted(distinct, values)
    else:
        edges = np.unique(np.sort(known)[known.size * np.arange(1, BINS) // BINS])
        bounds = [-np.inf, *edges, np.inf]
        names = [f"[{_number(low)}, {_number(high)})" for low, high in pairwise(bounds)]
        places = np.searchsorted(edges, values, side="right")
    return _without_empty([*names, MISSING], np.where(missing, len(names), places))


def _without_empty(names: list[str], places: NDArray[np.intp]) -> Grouping:
    used, members = np.unique(places, return_inverse=True)
    return Grouping(tuple(names[place] for place in used), members)


def _number(value: float | np.floating[Any]) -> str:
    """The shortest digits that tell a number from any other of its own precision."""
    return str(value).removesuffix(".0")
