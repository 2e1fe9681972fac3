"""Windows of many rows, with arrays: nodes are read level by level, as far down as the ends of windows need."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pelton.tiles import nodes
from pelton.tiles.addresses import nodes_at
from pelton.tiles.finishing import Totals
from pelton.tiles.measuring import Ints
from pelton.tiles.plan import Plan
from pelton.tiles.records import RecordStore
from pelton.tiles.windows import Level, Windows


class ManyRows:
    """Rows of entities, by the names of their records, whose windows end at some moments."""

    def __init__(self, plan: Plan, names: Sequence[bytes], ends: Ints) -> None:
        index = {name: place for place, name in enumerate(dict.fromkeys(names))}
        self._plan = plan
        self._names = list(index)
        self._places = np.fromiter((index[name] for name in names), np.int64, len(names))
        self._ends = ends
        self._levels: list[Level] = []
        self._windows: Windows | None = None

    def read(self, records: RecordStore, scope: bytes) -> None:
        """Read what is kept in a view's part of a partition.

        Raises:
            ForeignRecordError: a record is of another format or another view, or damaged.
            TilesError: the store cannot be read.
        """
        plan, places, ends = self._plan, self._places, self._ends
        # The whole of the longest window, then whatever holds an end of a window.
        size = plan.sizes[0]
        first, last = (ends - plan.longest_ms) // size, (ends - 1) // size
        counts = last - first + 1
        rows = np.repeat(np.arange(ends.size), counts)
        spans = np.repeat(first, counts) + np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
        split = self._nodes(records, scope, 0, places[rows], spans * size)
        edges = np.unique(
            np.concatenate([ends, *(ends - window for window in plan.windows)]).reshape(-1, ends.size), axis=0
        )
        entity, edge = np.broadcast_to(places, edges.shape).ravel(), edges.ravel()
        for level in range(1, len(plan.sizes)):
            above, size = plan.sizes[level - 1], plan.sizes[level]
            inner = np.fromiter(
                (
                    moment % size != 0 and (place, moment // above * above) in split
                    for place, moment in zip(entity.tolist(), edge.tolist(), strict=True)
                ),
                np.bool_,
                edge.size,
            )
            entity, edge = entity[inner], edge[inner]
            if not edge.size:
                return
            split = self._nodes(records, scope, level, entity, edge // size * size)

    def totals(self, window_ms: int) -> tuple[Totals, NDArray[np.bool_]]:
        """What a window holds of each row, and of which rows it holds anything."""
        if self._windows is None:
            self._windows = Windows(self._plan, self._levels, self._places, self._ends)
        return self._windows.totals(window_ms)

    def _nodes(
        self, records: RecordStore, scope: bytes, level: int, places: Ints, starts: Ints
    ) -> set[tuple[int, int]]:
        """Read nodes, each once; which of them are split is returned."""
        plan = self._plan
        wanted = sorted(set(zip(places.tolist(), starts.tolist(), strict=True)))
        buckets = {start: nodes_at(scope, level, start) for start in {start for _, start in wanted}}
        read = records.get([(buckets[start], self._names[place]) for place, start in wanted])
        held = [(pair, record) for pair, record in zip(wanted, read, strict=True) if record is not None]
        if not held:
            return set()
        found = nodes.decode(plan, [record for _, record in held])
        coarse = plan.sizes[level + 1] if level + 1 < len(plan.sizes) else plan.grain_ms
        sizes = np.where(found.split, coarse, plan.grain_ms)
        entries = found.entries
        owners = np.array([place for (place, _), _ in held], np.int64)
        self._levels.append(
            Level(
                entries.regrouped(owners),
                sizes[entries.group],
                sizes[entries.cell_group],
                plan.sizes[level] if level else 0,
            )
        )
        return {pair for (pair, _), is_split in zip(held, found.split.tolist(), strict=True) if is_split}
