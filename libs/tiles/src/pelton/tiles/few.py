"""Windows of a few rows in plain Python, which for them is faster than arrays and comes to the same whole numbers."""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pelton.tiles import nodes
from pelton.tiles.addresses import nodes_at
from pelton.tiles.finishing import NO_CELLS, Totals
from pelton.tiles.plan import PICK_WIDTH, Plan
from pelton.tiles.records import RecordStore


@dataclass(slots=True)
class _Node:
    """A record that was read: the spans of its entries are `grain` long, and its own is from `start` to `end`."""

    words: tuple[int, ...]
    starts: tuple[int, ...]
    grain: int
    start: int
    end: int
    is_inner: bool


@dataclass(slots=True)
class FewRows:
    """Rows of entities, by the names of their records, whose windows end at some moments.

    Only for views that keep no cells.
    """

    plan: Plan
    names: Sequence[bytes]
    ends: Sequence[int]
    nodes: list[list[_Node]] = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = [[] for _ in self.names]

    def read(self, records: RecordStore, scope: bytes) -> None:
        """Read what is kept in a view's part of a partition.

        Raises:
            ForeignRecordError: a record is of another format or another view, or damaged.
            TilesError: the store cannot be read.
        """
        plan, (size, *finer) = self.plan, self.plan.sizes
        wanted = [
            (row, start)
            for row, end in enumerate(self.ends)
            for start in range((end - plan.longest_ms) // size * size, end, size)
        ]
        for level, child in enumerate([*finer, plan.grain_ms]):
            asked = [(nodes_at(scope, level, start), self.names[row]) for row, start in wanted]
            found = zip(wanted, records.get(asked), strict=True)
            split = [(row, start) for (row, start), record in found if record and self._add(row, level, start, record)]
            if level == len(finer):
                return
            size = plan.sizes[level]
            wanted = [(row, one) for row, start in split for one in self._children(row, start, start + size, child)]
            if not wanted:
                return

    def totals(self, window_ms: int) -> tuple[Totals, NDArray[np.bool_]]:
        """What a window holds of each row, and of which rows it holds anything."""
        empty = self.plan.nothing
        columns, some = [], []
        for end, held in zip(self.ends, self.nodes, strict=True):
            added = list(empty)
            is_known = False
            for node in held:
                is_known |= self._sum(added, node, end - window_ms, end)
            columns.append(added)
            some.append(is_known)
        return Totals(np.array(columns, np.int64).T, *NO_CELLS), np.array(some)

    def _children(self, row: int, start: int, end: int, size: int) -> set[int]:
        """Where the children of a node begin that hold an end of a window in their middle."""
        edges = (self.ends[row] - window for window in (0, *self.plan.windows))
        return {edge // size * size for edge in edges if edge % size and start <= edge < end}

    def _add(self, row: int, level: int, start: int, record: bytes) -> bool:
        """Note a record of a row; whether it is split is returned."""
        plan = self.plan
        stride = 1 + plan.width
        words = struct.unpack(f"<{len(record) // 8}q", record) if len(record) % 8 == 0 else ()
        if not words or words[0] & 0xFF != nodes.FORMAT or len(words) != 1 + stride * (words[0] >> nodes.COUNT_BITS):
            nodes.decode(plan, [record])
        split = bool(words[0] >> nodes.SPLIT_BIT & 1)
        grain = plan.sizes[level + 1] if split else plan.grain_ms
        end = start + plan.sizes[level]
        self.nodes[row].append(_Node(words, words[1::stride], grain, start, end, level > 0))
        return split

    def _sum(self, added: list[int], node: _Node, low: int, high: int) -> bool:
        """Add the entries of a node that lie in a window, unless the entry of its parent does."""
        if node.is_inner and low <= node.start and node.end <= high:
            return False
        first, last = bisect_left(node.starts, low), bisect_right(node.starts, high - node.grain)
        if first >= last:
            return False
        plan, words = self.plan, node.words
        stride = 1 + plan.width
        begin, stop = 2 + first * stride, 1 + last * stride
        for column in range(plan.lows.stop):
            added[column] += sum(words[begin + column : stop : stride])
        for column in range(plan.minima.start, plan.minima.stop):
            added[column] = min(added[column], *words[begin + column : stop : stride])
        for column in range(plan.maxima.start, plan.maxima.stop):
            added[column] = max(added[column], *words[begin + column : stop : stride])
        for kind, column in plan.picks:
            block = slice(column, column + PICK_WIDTH)
            picks = zip(*(words[begin + column + place : stop : stride] for place in range(PICK_WIDTH)), strict=True)
            choose = min if kind == "first" else max
            added[block] = choose(tuple(added[block]), *picks)
        return True
