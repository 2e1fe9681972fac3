"""Tiles of many entities in one layout, and their merging: integers only, so that no order matters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pelton.tiles.errors import ForeignRecordError
from pelton.tiles.plan import Plan

Ints = NDArray[np.int64]

NO_MIN: Final = np.iinfo(np.int64).max
NO_MAX: Final = np.iinfo(np.int64).min
# A sum is `high * 2**32 + low` with `0 <= low < 2**32`: one form for one sum, and room for 2**45 values of 10**9.
HALF_BITS: Final = 32
HALF_MASK: Final = 2**HALF_BITS - 1
# Format 1 had sums of one integer, which wrapped; nothing tells which of them did.
_FORMAT: Final = 2
_HEADER: Final = 8
_REBUILD: Final = "Rebuild the online store from the log"


@dataclass(frozen=True)
class Tiles:
    """Tiles by entity: those of `names[i]` are at `bounds[i] <= place < bounds[i + 1]`, sorted by their start.

    `starts` (milliseconds since 1970) has shape (m,), `columns` shape (width, m) in the order that the plan says: exact
    integers, counts and values times 10**6. `refused` says how many values were too large to be held.
    """

    names: tuple[str, ...]
    bounds: Ints
    starts: Ints
    columns: Ints
    refused: int = 0

    @classmethod
    def empty(cls, width: int) -> Self:
        """No tiles."""
        return cls((), np.zeros(1, np.int64), np.empty(0, np.int64), np.empty((width, 0), np.int64))

    @classmethod
    def joined(cls, width: int, parts: Mapping[str, "Series"]) -> Self:
        """The tiles of several entities in one."""
        if not parts:
            return cls.empty(width)
        names = tuple(parts)
        sizes = [part.starts.size for part in parts.values()]
        bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        starts = np.concatenate([part.starts for part in parts.values()])
        return cls(names, bounds, starts, np.concatenate([part.columns for part in parts.values()], axis=1))

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The place of each entity."""
        return {name: place for place, name in enumerate(self.names)}

    def keys(self) -> tuple[str, ...]:
        """The entities that have tiles."""
        return self.names

    def series(self, name: str) -> "Series":
        """One entity's tiles.

        Raises:
            KeyError: it has none.
        """
        place = self.places[name]
        inside = slice(int(self.bounds[place]), int(self.bounds[place + 1]))
        return Series(self.starts[inside], self.columns[:, inside])


@dataclass(frozen=True, slots=True)
class Series:
    """One entity's tiles: `starts` of shape (n,), sorted, and `columns` of shape (width, n)."""

    starts: Ints
    columns: Ints

    def merged(self, other: "Series", plan: Plan) -> "Series":
        """The tiles of two disjoint sets of events together."""
        starts = np.concatenate([self.starts, other.starts])
        order = np.argsort(starts, kind="stable")
        return combine(plan, starts[order], np.concatenate([self.columns, other.columns], axis=1)[:, order])

    def since(self, start: int) -> "Series":
        """The tiles that start at or after a moment."""
        first = int(np.searchsorted(self.starts, start))
        return self if first == 0 else Series(self.starts[first:], self.columns[:, first:])

    def to_bytes(self) -> bytes:
        """The stored form: format, width and number as little-endian integers, then starts, then columns."""
        width, count = len(self.columns), self.starts.size
        header = bytes((_FORMAT,)) + width.to_bytes(3, "little") + count.to_bytes(4, "little")
        little = self.starts.astype("<i8").tobytes() + np.ascontiguousarray(self.columns, dtype="<i8").tobytes()
        return header + little

    @classmethod
    def from_bytes(cls, record: bytes | memoryview, plan: Plan) -> Self:
        """Read the stored form.

        Raises:
            ForeignRecordError: another format, another view's width, or a wrong length.
        """
        if len(record) < _HEADER:
            raise ForeignRecordError(f"a record of tiles has {len(record)} bytes; it is damaged. {_REBUILD}")
        if record[0] != _FORMAT:
            raise ForeignRecordError(
                f"a record of tiles has format {record[0]}, and this version of Pelton reads format {_FORMAT}; it was "
                f"written by another version, or is damaged. {_REBUILD}"
            )
        width = int.from_bytes(record[1:4], "little")
        if width != plan.width:
            raise ForeignRecordError(
                f"a record of tiles has {width} columns where its view has {plan.width}; it is damaged. {_REBUILD}"
            )
        count = int.from_bytes(record[4:8], "little")
        if len(record) != _HEADER + 8 * count * (1 + plan.width):
            raise ForeignRecordError(f"a record of {count} tiles has {len(record)} bytes; it is damaged. {_REBUILD}")
        numbers = np.frombuffer(record, dtype="<i8", offset=_HEADER).astype(np.int64, copy=False)
        return cls(numbers[:count], numbers[count:].reshape(plan.width, count))


def combine(plan: Plan, starts: Ints, columns: Ints) -> Series:
    """Tiles sorted by start, with those of one start made one."""
    if starts.size == 0:
        return Series(starts, columns)
    first = np.flatnonzero(np.concatenate([[True], starts[1:] != starts[:-1]]))
    if first.size == starts.size:
        return Series(starts, columns)
    merged = np.empty((plan.width, first.size), np.int64)
    added = slice(0, plan.lows.stop)
    np.add.reduceat(columns[added], first, axis=1, out=merged[added])
    np.minimum.reduceat(columns[plan.minima], first, axis=1, out=merged[plan.minima])
    np.maximum.reduceat(columns[plan.maxima], first, axis=1, out=merged[plan.maxima])
    carry(plan, merged)
    return Series(starts[first], merged)


def carry(plan: Plan, columns: Ints) -> None:
    """Move what low halves hold beyond their bits to the high ones, in place, so that one sum has one form."""
    lows = columns[plan.lows]
    columns[plan.highs] += lows >> HALF_BITS
    lows &= HALF_MASK


def merge(plan: Plan, parts: Iterable[Tiles]) -> Tiles:
    """The tiles of several disjoint sets of events together; the same in whatever order."""
    found: dict[str, Series] = {}
    refused = 0
    for part in parts:
        refused += part.refused
        for name in part.names:
            series = part.series(name)
            found[name] = found[name].merged(series, plan) if name in found else series
    joined = Tiles.joined(plan.width, dict(sorted(found.items())))
    return Tiles(joined.names, joined.bounds, joined.starts, joined.columns, refused)
