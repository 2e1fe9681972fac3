"""Extremes of ranges of an array, and searches back in it, for many ranges at once."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Extremes:
    """The least (or greatest) of every range of an array whose length is a power of two, up to a longest length."""

    def __init__(self, values: Ints, ufunc: np.ufunc, longest: int) -> None:
        self._ufunc = ufunc
        self._tables = [values]
        while 2 << (len(self._tables) - 1) <= min(longest, values.size):
            half = 1 << (len(self._tables) - 1)
            last = self._tables[-1]
            self._tables.append(ufunc(last[:-half], last[half:]))

    def between(self, low: Ints, high: Ints) -> Ints:
        """The extreme of `low[i] <= place < high[i]`; no range is empty, or longer than the longest."""
        powers = np.frexp((high - low).astype(np.float64))[1] - 1
        found = np.empty(low.size, np.int64)
        for power in np.unique(powers).tolist():
            rows = np.flatnonzero(powers == power)
            table = self._tables[power]
            found[rows] = self._ufunc(table[low[rows]], table[high[rows] - (1 << power)])
        return found

    def last_at_most(self, low: Ints, high: Ints, limits: Ints) -> Ints:
        """Of least values: the last place of each range whose value is at most the limit; `low[i] - 1` without one."""
        place = high.copy()
        for power in range(len(self._tables) - 1, -1, -1):
            width = 1 << power
            rows = np.flatnonzero(place - width >= low)
            above = self._tables[power][place[rows] - width] > limits[rows]
            place[rows[above]] -= width
        return place - 1
