"""Features of many entities at many moments out of all events: what training reads."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pelton.tiles.entries import merged
from pelton.tiles.finishing import Column, Totals, finish
from pelton.tiles.measuring import Flags, Ints, Measured
from pelton.tiles.plan import PICK_WIDTH, Plan
from pelton.tiles.ranges import Extremes
from pelton.tiles.windows import grouped_cells

# As many pairs of a row and an event are looked at together.
_PAIRS = 2_000_000
_ROOM = 2**62


@dataclass(frozen=True, slots=True)
class Timeline:
    """Events sorted by entity and time, and rows that ask for moments of entities.

    `order`, of shape (m,), has the places of the events among those given; `times` and `arrivals` are in that order.
    Rows have shape (n,): `first` and `last` are where the events of the row's entity begin and end, `at_ms` is its
    moment, and events that arrived after `known_ms` it does not know; None of both if every row knows all.
    """

    order: Ints
    ranks: Ints
    times: Ints
    entity: Ints
    at_ms: Ints
    arrivals: Ints | None
    known_ms: Ints | None
    distinct: Ints | None
    least: int
    stride: int

    @classmethod
    def of(
        cls, place: Ints, times: Ints, ties: Ints | None, rows: Ints, at_ms: Ints, known: tuple[Ints, Ints] | None
    ) -> "Timeline":
        """Of events and rows by the place of their entity; events and rows of place -1 are nobody's."""
        held = np.flatnonzero(place >= 0)
        least, greatest = (int(times.min()), int(times.max())) if times.size else (0, 0)
        distinct, within, stride = None, times[held] - least, greatest - least + 2
        if (int(place.max(initial=0)) + 1) * stride >= _ROOM:
            distinct = np.unique(times)
            within, stride = np.searchsorted(distinct, times[held]), distinct.size + 1
        ranks = place[held] * stride + within
        if (ranks[1:] < ranks[:-1]).any() or ties is not None:
            order = np.argsort(ranks, kind="stable") if ties is None else _order(ranks, ties[held])
            held, ranks = held[order], ranks[order]
        arrivals, known_ms = (known[0][held], known[1]) if known is not None else (None, None)
        return cls(held, ranks, times[held], rows, at_ms, arrivals, known_ms, distinct, least, stride)

    def before(self, moments: Ints) -> Ints:
        """How many events come before a moment of each row's entity, and those of the entities before it."""
        if self.distinct is None:
            within = np.clip(moments - self.least, 0, self.stride - 1)
        else:
            within = np.searchsorted(self.distinct, moments)
        wanted = np.maximum(self.entity, 0) * self.stride + within
        # In order, neighbours look at the same ranks, which are in the cache by then.
        order = np.argsort(wanted)
        found = np.empty(wanted.size, np.int64)
        found[order] = np.searchsorted(self.ranks, wanted[order])
        return found

    def newest(self) -> Ints:
        """The place of the newest event before each row's moment that it knows; -1 without one."""
        if not self.ranks.size:
            return np.full(self.at_ms.size, -1, np.int64)
        high = self.before(self.at_ms)
        if self.arrivals is None or self.known_ms is None:
            newest = np.maximum(high - 1, 0)
            mine = (high > 0) & (self.ranks[newest] // self.stride == self.entity)
            return np.where(mine, newest, -1)
        low = self.before(np.full(self.at_ms.size, self.least))
        high = np.where(self.entity >= 0, high, low)
        longest = int((high - low).max(initial=1))
        places = Extremes(self.arrivals, np.minimum, longest).last_at_most(low, high, self.known_ms)
        return np.where(places >= low, places, -1)


def _order(ranks: Ints, ties: Ints) -> Ints:
    """Where the least rank is, then the next, and of one rank the least tie: few ranks are of several events."""
    order = np.argsort(ranks)
    ranked = ranks[order]
    same = ranked[1:] == ranked[:-1]
    shared = np.flatnonzero(np.concatenate([same, [False]]) | np.concatenate([[False], same]))
    of_shared = order[shared]
    order[shared] = of_shared[np.lexsort((ties[of_shared], ranks[of_shared]))]
    return order


def windowed(plan: Plan, measured: Measured, timeline: Timeline, ends: Ints) -> tuple[dict[str, Column], Flags]:
    """The features of windows that end at `ends`, for each row, and which rows know an event in the longest one."""
    columns = np.take(measured.columns, timeline.order, axis=1)
    cells = _cells_by_event(measured, timeline)
    high = timeline.before(ends)
    low = {window: np.where(timeline.entity >= 0, timeline.before(ends - window), high) for window in plan.windows}
    some, slow = high > low[plan.longest_ms], np.zeros(ends.size, np.bool_)
    if timeline.arrivals is not None and timeline.known_ms is not None and some.any():
        rows = np.flatnonzero(some)
        longest = int((high - low[plan.longest_ms]).max())
        newest = Extremes(timeline.arrivals, np.maximum, longest).between(low[plan.longest_ms][rows], high[rows])
        slow[rows] = newest > timeline.known_ms[rows]
    fast = _Fast(plan, columns)
    found: dict[str, Column] = {}
    known = some & ~slow
    for window in plan.windows:
        totals = fast.totals(low[window], np.where(slow, low[window], high))
        parts = []
        for row, event in _pairs(low[window], high, np.ones_like(slow) if cells else slow):
            rows, events = row, event
            if timeline.arrivals is not None and timeline.known_ms is not None:
                seen = timeline.arrivals[event] <= timeline.known_ms[row]
                rows, events = row[seen], event[seen]
            one = slow[rows]
            _add(plan, totals.columns, columns, rows[one], events[one])
            known[rows] = True
            parts += [grouped_cells(plan, *_paired_cells(rows, events, *cell)) for cell in cells]
        totals = _with_cells(plan, totals, parts)
        found |= finish(plan, window, totals, lambda codes: {code: measured.texts[code] for code in codes})
    return {feature.name: found[feature.name] for feature in plan.features}, known


class _Fast:
    """Totals of ranges of events that all count, by sums of prefixes and extremes of powers of two."""

    def __init__(self, plan: Plan, columns: Ints) -> None:
        self._plan = plan
        self._columns = columns
        self._running = np.zeros((plan.lows.stop, columns.shape[1] + 1), np.int64)
        # They may wrap around; the difference of two is right even then.
        np.cumsum(columns[: plan.lows.stop], axis=1, out=self._running[:, 1:])

    def totals(self, low: Ints, high: Ints) -> Totals:
        """What the events at `low[i] <= place < high[i]` hold, but for their cells."""
        plan, columns = self._plan, self._columns
        totals = Totals.empty(plan, low.size)
        totals.columns[: plan.lows.stop] = self._running.take(high, axis=1) - self._running.take(low, axis=1)
        rows = np.flatnonzero(high > low)
        if not rows.size:
            return totals
        low, high = low[rows], high[rows]
        longest = int((high - low).max())
        for inside, ufunc in ((plan.minima, np.minimum), (plan.maxima, np.maximum)):
            for column in range(inside.start, inside.stop):
                totals.columns[column, rows] = Extremes(columns[column], ufunc, longest).between(low, high)
        for kind, column in plan.picks:
            counted = np.flatnonzero(columns[column] != plan.nothing[column])
            places = np.searchsorted(counted, low) if kind == "first" else np.searchsorted(counted, high) - 1
            inside_of = (places >= 0) & (places < counted.size)
            chosen = counted[np.clip(places, 0, max(counted.size - 1, 0))] if counted.size else places
            inside_of &= (chosen >= low) & (chosen < high)
            block = slice(column, column + PICK_WIDTH)
            totals.columns[block, rows[inside_of]] = columns[block][:, chosen[inside_of]]
        return totals


def _pairs(low: Ints, high: Ints, wanted: Flags) -> Iterator[tuple[Ints, Ints]]:
    """Each wanted row with each event of its range, as many at a time as are good."""
    rows = np.flatnonzero(wanted & (high > low))
    sizes = (high - low)[rows]
    parts = np.cumsum(sizes) // _PAIRS
    for part in np.unique(parts).tolist():
        chosen = rows[parts == part]
        counts = (high - low)[chosen]
        row = np.repeat(chosen, counts)
        yield row, np.repeat(low[chosen], counts) + np.arange(row.size) - np.repeat(np.cumsum(counts) - counts, counts)


def _add(plan: Plan, totals: Ints, columns: Ints, row: Ints, event: Ints) -> None:
    if row.size:
        first = np.flatnonzero(np.concatenate([[True], row[1:] != row[:-1]]))
        totals[:, row[first]] = merged(plan, np.take(columns, event, axis=1), first)


def _cells_by_event(measured: Measured, timeline: Timeline) -> list[tuple[int, Ints, Ints]]:
    """The cells of each slot: its number, the cell of each event, what is added to it (0 for nothing)."""
    found = []
    for slot, cells in measured.cells.items():
        cell = np.zeros(measured.times.size, np.int64)
        value = np.zeros(measured.times.size, np.int64)
        cell[cells.rows], value[cells.rows] = cells.cells, cells.values
        found.append((2 * slot + cells.is_text, cell[timeline.order], value[timeline.order]))
    return found


def _paired_cells(row: Ints, event: Ints, slot: int, cell: Ints, value: Ints) -> tuple[Ints, Ints]:
    counted = value[event] > 0
    row, event = row[counted], event[counted]
    return row, np.stack([np.zeros(row.size, np.int64), np.full(row.size, slot), cell[event], value[event]])


def _with_cells(plan: Plan, totals: Totals, parts: list[tuple[Ints, Ints]]) -> Totals:
    if not parts:
        return totals
    rows = np.concatenate([row for row, _ in parts])
    return Totals(totals.columns, *grouped_cells(plan, rows, np.concatenate([cells for _, cells in parts], axis=1)))
