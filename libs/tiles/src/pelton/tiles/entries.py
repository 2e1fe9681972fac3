"""Entries: what was accumulated of spans of time; in tables, sorted, and merged without any order that matters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pelton.tiles.measuring import HALF_BITS, HALF_MASK, Flags, Measured
from pelton.tiles.plan import PICK_WIDTH, Plan

Ints = NDArray[np.int64]

CELL_WIDTH: Final = 4
"""A cell has a start, a slot (twice its number, one more where the cell is the code of a text), a cell and a value."""
_ROOM: Final = 2**62


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of several groups, such as records or entities.

    `group` and `start`, of shape (m,), say of what and from when an entry is, `columns`, of shape (width, m), what it
    accumulates. `cell_group` has shape (c,), `cells` (CELL_WIDTH, c).
    """

    group: Ints
    start: Ints
    columns: Ints
    cell_group: Ints
    cells: Ints

    @classmethod
    def empty(cls, plan: Plan) -> "Entries":
        """No entries."""
        none = np.empty(0, np.int64)
        return cls(none, none, np.empty((plan.width, 0), np.int64), none, np.empty((CELL_WIDTH, 0), np.int64))

    @classmethod
    def of(cls, plan: Plan, measured: Measured) -> "Entries":
        """What events add, of the plan's grain, by the place of their entity."""
        taken = np.flatnonzero(measured.entities.place >= 0)
        starts = measured.times // plan.grain_ms * plan.grain_ms if plan.grain_ms > 1 else measured.times
        added = []
        for slot, cells in measured.cells.items():
            held = measured.entities.place[cells.rows] >= 0
            rows = cells.rows[held]
            tagged = np.full(rows.size, 2 * slot + cells.is_text)
            table = np.stack([starts[rows], tagged, cells.cells[held], cells.values[held]])
            added.append((measured.entities.place[rows], table))
        cell_group, table = _cells_joined(added)
        columns = np.take(measured.columns, taken, axis=1)
        return combined(plan, cls(measured.entities.place[taken], starts[taken], columns, cell_group, table))

    def within(self, chosen: Flags) -> "Entries":
        """The entries of some groups, each flagged, in their order."""
        rows, cells = np.flatnonzero(chosen[self.group]), np.flatnonzero(chosen[self.cell_group])
        columns, table = np.take(self.columns, rows, axis=1), np.take(self.cells, cells, axis=1)
        return Entries(self.group[rows], self.start[rows], columns, self.cell_group[cells], table)

    def regrouped(self, groups: Ints) -> "Entries":
        """The entries with group i named `groups[i]`."""
        return Entries(groups[self.group], self.start, self.columns, groups[self.cell_group], self.cells)

    def coarser(self, size_ms: int) -> "Entries":
        """The entries as of spans of a size, not merged yet."""
        cells = self.cells.copy()
        cells[0] -= cells[0] % size_ms
        return Entries(self.group, self.start - self.start % size_ms, self.columns, self.cell_group, cells)


def joined(plan: Plan, parts: Sequence[Entries]) -> Entries:
    """All of the entries, not merged yet."""
    parts = [part for part in parts if part.group.size]
    if len(parts) <= 1:
        return parts[0] if parts else Entries.empty(plan)
    return Entries(
        np.concatenate([part.group for part in parts]),
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.columns for part in parts], axis=1),
        *_cells_joined([(part.cell_group, part.cells) for part in parts]),
    )


def combined(plan: Plan, entries: Entries) -> Entries:
    """Entries sorted by group and start, those of one group and start made one; cells likewise, by slot and cell."""
    cell_group, cells = _combined_cells(plan, entries.cell_group, entries.cells)
    if not entries.group.size:
        return Entries(entries.group, entries.start, entries.columns, cell_group, cells)
    ranks = _ranks(entries.group, entries.start)
    # Stable, because that merges what is sorted already.
    order = np.argsort(ranks, kind="stable") if ranks is not None else np.lexsort((entries.start, entries.group))
    group, start = entries.group[order], entries.start[order]
    first = np.flatnonzero(np.concatenate([[True], (group[1:] != group[:-1]) | (start[1:] != start[:-1])]))
    columns = np.take(entries.columns, order, axis=1)
    if first.size < group.size:
        columns = merged(plan, columns, first)
        group, start = group[first], start[first]
    return Entries(group, start, columns, cell_group, cells)


def merged(plan: Plan, columns: Ints, first: Ints) -> Ints:
    """The columns of entries that lie together: those from one of `first` up to the next are made one."""
    found = np.empty((plan.width, first.size), np.int64)
    added, minima, maxima = slice(0, plan.lows.stop), plan.minima, plan.maxima
    np.add.reduceat(columns[added], first, axis=1, out=found[added])
    np.minimum.reduceat(columns[minima], first, axis=1, out=found[minima])
    np.maximum.reduceat(columns[maxima], first, axis=1, out=found[maxima])
    carry(plan, found)
    for kind, column in plan.picks:
        inside = slice(column, column + PICK_WIDTH)
        found[inside] = _picked(columns[inside], first, earliest=kind == "first")
    return found


def carry(plan: Plan, columns: Ints) -> None:
    """Move what low halves hold beyond their bits to the high ones, in place, so that one sum has one form."""
    lows = columns[plan.lows]
    columns[plan.highs] += lows >> HALF_BITS
    lows &= HALF_MASK


def _picked(picks: Ints, first: Ints, *, earliest: bool) -> Ints:
    """The least, or the greatest, of each group's (time, tie, value)."""
    group = np.repeat(np.arange(first.size), np.diff(np.append(first, picks.shape[1])))
    order = np.lexsort((*picks[::-1], group))
    ends = first if earliest else np.append(first[1:], picks.shape[1]) - 1
    return np.take(picks, order[ends], axis=1)


def _ranks(groups: Ints, starts: Ints) -> Ints | None:
    """One number for each (group, start), in their order; None where 64 bits do not hold them."""
    least = int(starts.min())
    stride = int(starts.max()) - least + 1
    if (int(groups.max()) + 1) * stride >= _ROOM:
        return None
    return groups * stride + (starts - least)


def _cells_joined(parts: Sequence[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    if not parts:
        return np.empty(0, np.int64), np.empty((CELL_WIDTH, 0), np.int64)
    return np.concatenate([group for group, _ in parts]), np.concatenate([cells for _, cells in parts], axis=1)


def _combined_cells(plan: Plan, group: Ints, cells: Ints) -> tuple[Ints, Ints]:
    if not group.size:
        return group, cells
    order = np.lexsort((cells[2], cells[1], cells[0], group))
    group, cells = group[order], np.take(cells, order, axis=1)
    changes = (cells[:3, 1:] != cells[:3, :-1]).any(axis=0) | (group[1:] != group[:-1])
    first = np.flatnonzero(np.concatenate([[True], changes]))
    return group[first], merged_cells(plan, cells, first)


def merged_cells(plan: Plan, cells: Ints, first: Ints) -> Ints:
    """Cells that lie together made one; ranks of `distinct` are not added up."""
    found = np.take(cells, first, axis=1)
    greatest = np.isin(found[1] >> 1, [slot for one, slot in plan.slots.items() if one.kind == "distinct"])
    found[3] = np.where(greatest, np.maximum.reduceat(cells[3], first), np.add.reduceat(cells[3], first))
    return found
