"""How the values of one column fall into cells: the last cell is always that of the missing ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

MAX_BINS: Final = 10
MAX_CATEGORIES: Final = 30

_GLANCE: Final = 1024


class UnfitColumnError(ValueError):
    """A column that cannot be counted; the message names it and says what is wrong."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Numbers in bins: the first is open below, the last above, and bin i holds `edges[i - 1] < x <= edges[i]`.

    Edges are finite and strictly increasing. NaN is missing; an infinity is in an outer bin.
    """

    edges: tuple[float, ...]

    @classmethod
    def of(cls, values: NDArray[Any]) -> Self:
        """The bins of a reference: its quantiles, or its levels where it has at most ten of them.

        Quantiles are order statistics, with no interpolation, so that ties make fewer bins and never empty ones
        in the middle. Each level gets a bin of its own, and what lies below the lowest or above the highest falls
        in a bin that is empty in the reference: a new code at either end shows.
        """
        # Adding zero makes -0.0 into 0.0: which of the two equal ones is found first would depend on the order.
        finite = values[np.isfinite(values)] + 0.0
        if not finite.size:
            return cls(edges=())
        # More than ten levels among some rows settle it for all rows, without sorting them.
        levels = np.unique(finite[:_GLANCE])
        if levels.size <= MAX_BINS and finite.size > _GLANCE:
            levels = np.unique(finite)
        if levels.size <= MAX_BINS:
            below = np.nextafter(levels[0], -np.inf)
            return cls(edges=(float(below), *map(float, levels)))
        ranks = [-(-finite.size * part // MAX_BINS) - 1 for part in range(1, MAX_BINS)]
        return cls(edges=tuple(sorted({float(quantile) for quantile in np.partition(finite, ranks)[ranks]})))

    def count(self, values: NDArray[Any]) -> tuple[int, ...]:
        """Rows in each bin, then the missing ones: `len(edges) + 2` counts."""
        missing = int(np.count_nonzero(np.isnan(values)))
        # One pass an edge is faster than a binary search a row while the edges are this few.
        up_to = [int(np.count_nonzero(values <= edge)) for edge in self.edges]
        bounds = [0, *up_to, values.size - missing]
        return (*(high - low for low, high in pairwise(bounds)), missing)


@dataclass(frozen=True, slots=True)
class Categories:
    """Texts by name, in alphabetical order; then all the others together, then the missing (None or NaN)."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, values: NDArray[Any]) -> Self:
        """The thirty most frequent texts of a reference; of equally frequent ones, the first by name."""
        counts = _texts(values)
        most = sorted(counts, key=lambda name: (-counts[name], name))[:MAX_CATEGORIES]
        return cls(names=tuple(sorted(most)))

    def count(self, values: NDArray[Any]) -> tuple[int, ...]:
        """Rows of each name, of other names, and missing: `len(names) + 2` counts."""
        counts = _texts(values)
        known = [counts[name] for name in self.names]
        present = counts.total()
        return (*known, present - sum(known), values.size - present)


def cells(name: str, values: Sequence[object] | NDArray[Any]) -> NDArray[Any]:
    """The column as one of the two kinds that can be counted: floats, or texts as objects.

    Raises:
        UnfitColumnError: more than one dimension, or neither numbers nor texts.
    """
    column = np.asarray(values)
    if column.ndim != 1:
        raise UnfitColumnError(f"column {name!r} has {column.ndim} dimensions: pass one value a row")
    if column.dtype.kind in "fiub":
        return column.astype(np.float64, copy=False)
    if column.dtype.kind in "UO":
        texts = column.astype(object)
        for row, value in enumerate(texts):
            if not (isinstance(value, str) or value is None or value != value):  # noqa: PLR0124 - only NaN differs from itself
                raise UnfitColumnError(
                    f"column {name!r} has {value!r} in row {row}: pass numbers as a numeric array, "
                    "texts as str, and None for what is missing"
                )
        return texts
    raise UnfitColumnError(f"column {name!r} is of type {column.dtype}: pass numbers or texts")


def _texts(values: NDArray[Any]) -> Counter[str]:
    return Counter(value for value in values.tolist() if isinstance(value, str))
