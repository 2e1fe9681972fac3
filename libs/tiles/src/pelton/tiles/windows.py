"""Windows out of entries of several sizes: coarse ones in the middle, finer ones at the ends."""

from dataclasses import dataclass

import numpy as np

from pelton.tiles.entries import CELL_WIDTH, Entries, joined, merged, merged_cells
from pelton.tiles.finishing import Totals
from pelton.tiles.measuring import Flags, Ints
from pelton.tiles.plan import Plan


@dataclass(frozen=True, slots=True)
class Level:
    """Entries that were read at one level of nodes, by the place of their entity.

    `grain`, of shape (groups,), is the size of the entries of each record, and `record`, of shape (m,), and
    `cell_record`, of shape (c,), say of which record each is. Entries of `parent_ms` keep the sum of these, 0 for none.
    """

    entries: Entries
    sizes: Ints
    cell_sizes: Ints
    parent_ms: int


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Each entry (or cell) with each row of its entity, sorted by row."""

    row: Ints
    item: Ints
    start: Ints
    end: Ints
    parent: Ints
    parent_end: Ints

    @classmethod
    def of(cls, group: Ints, start: Ints, size: Ints, parent_ms: Ints, places: Ints) -> "_Pairs":
        order = np.argsort(group, kind="stable")
        bounds = np.searchsorted(group[order], np.stack([places, places + 1]))
        counts = bounds[1] - bounds[0]
        row = np.repeat(np.arange(places.size), counts)
        within = np.arange(row.size) - np.repeat(np.cumsum(counts) - counts, counts)
        item = order[np.repeat(bounds[0], counts) + within]
        start, parent_ms = start[item], parent_ms[item]
        # Without a parent there is none that could stand for the entry: its span is everything.
        some = np.maximum(parent_ms, 1)
        parent = np.where(parent_ms > 0, start - start % some, np.iinfo(np.int64).min)
        return cls(row, item, start, start + size[item], parent, parent + parent_ms)

    def inside(self, ends: Ints, window_ms: int) -> Ints:
        """Those of a window that ends at a moment of each row, where no entry of the parent's lies inside too."""
        high = ends[self.row]
        low = high - window_ms
        inside = (self.start >= low) & (self.end <= high)
        return np.flatnonzero(inside & ~((self.parent >= low) & (self.parent_end <= high)))


class Windows:
    """What is in the windows of n rows, each of an entity by its place, that end at some moments."""

    def __init__(self, plan: Plan, levels: list[Level], places: Ints, ends: Ints) -> None:
        self._plan = plan
        self._ends = ends
        levels = [level for level in levels if level.entries.group.size]
        self._entries = joined(plan, [level.entries for level in levels])
        sizes = np.concatenate([level.sizes for level in levels] or [np.empty(0, np.int64)])
        parents = np.repeat([level.parent_ms for level in levels] or [0], [level.sizes.size for level in levels] or [0])
        self._pairs = _Pairs.of(self._entries.group, self._entries.start, sizes, parents, places)
        self._cells: _Pairs | None = None
        if self._entries.cell_group.size:
            cell_sizes = np.concatenate([level.cell_sizes for level in levels])
            cell_parents = np.repeat([level.parent_ms for level in levels], [level.cell_sizes.size for level in levels])
            starts = self._entries.cells[0]
            self._cells = _Pairs.of(self._entries.cell_group, starts, cell_sizes, cell_parents, places)

    def totals(self, window_ms: int) -> tuple[Totals, Flags]:
        """What a window holds of each row, and of which rows it holds anything."""
        totals = Totals.empty(self._plan, self._ends.size)
        some = np.zeros(self._ends.size, np.bool_)
        chosen = self._pairs.inside(self._ends, window_ms)
        if chosen.size:
            row = self._pairs.row[chosen]
            first = np.flatnonzero(np.concatenate([[True], row[1:] != row[:-1]]))
            columns = np.take(self._entries.columns, self._pairs.item[chosen], axis=1)
            totals.columns[:, row[first]] = merged(self._plan, columns, first)
            some[row[first]] = True
        if self._cells is None:
            return totals, some
        return Totals(totals.columns, *self._cells_of(self._cells, window_ms)), some

    def _cells_of(self, pairs: _Pairs, window_ms: int) -> tuple[Ints, Ints]:
        chosen = pairs.inside(self._ends, window_ms)
        row, cells = pairs.row[chosen], np.take(self._entries.cells, pairs.item[chosen], axis=1)
        return grouped_cells(self._plan, row, cells)


def grouped_cells(plan: Plan, row: Ints, cells: Ints) -> tuple[Ints, Ints]:
    """Cells by row, slot and cell, those of one made one whatever their start."""
    if not row.size:
        return row, np.empty((CELL_WIDTH, 0), np.int64)
    order = np.lexsort((cells[2], cells[1], row))
    row, cells = row[order], np.take(cells, order, axis=1)
    changes = (cells[1:3, 1:] != cells[1:3, :-1]).any(axis=0) | (row[1:] != row[:-1])
    first = np.flatnonzero(np.concatenate([[True], changes]))
    return row[first], merged_cells(plan, cells, first)
