"""Reading features online, from any process that reaches the store, and without ever writing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles import latest, nodes
from pelton.tiles.addresses import (
    code_name,
    entity_name,
    latest_of,
    nodes_at,
    partition_of,
    partitions_of,
    scope_of,
    texts_at,
)
from pelton.tiles.features import Column, Features
from pelton.tiles.finishing import finish
from pelton.tiles.judging import NEVER_MS
from pelton.tiles.lmdb_records import LmdbRecordStore
from pelton.tiles.measuring import Ints
from pelton.tiles.plan import Plan, plan_of
from pelton.tiles.records import RecordStore
from pelton.tiles.windows import Level, Windows


class TileReader:
    """Reads what is kept of entities. The store may come into being later than the reader."""

    def __init__(self, records: RecordStore | Path) -> None:
        """Over a store, or over that in a folder that another process writes."""
        self.records = LmdbRecordStore(records, readonly=True) if isinstance(records, Path) else records
        self._scopes: dict[tuple[bytes, bytes], bytes] = {}

    @classmethod
    def over(cls, records: RecordStore) -> "TileReader":
        """A reader in the writer's own process, which may not open the file a second time."""
        return cls(records)

    def features(self, view: FeatureViewDefinition, keys: Sequence[str], at_ms: Ints) -> Features:
        """Every feature of the view for each (entity, moment).

        Raises:
            TilesError: the store cannot be read.
        """
        plan = plan_of(view)
        scopes = self._scopes_of(plan)
        columns: dict[str, Column] = {}
        known = np.zeros(len(keys), np.bool_)
        newest_ms = None
        if plan.features:
            reading = _Reading(self.records, plan, scopes, keys, at_ms)
            columns, known = reading.windowed()
        if plan.latest:
            newest = latest.Newest(plan, at_ms.tolist())
            for scope in scopes:
                bucket = latest_of(scope)
                read = self.records.get([(bucket, entity_name(key)) for key in keys])
                for row, record in enumerate(read):
                    if record is not None:
                        newest.see(row, record)
            picked, times = newest.columns()
            columns |= picked
            known = times != NEVER_MS
            newest_ms = np.where(known, times, -1)
        return Features(columns, known, newest_ms)

    def _scopes_of(self, plan: Plan) -> list[bytes]:
        found = []
        for name, _ in self.records.scan(partitions_of(plan.view.source)):
            key = (plan.prefix, name)
            if key not in self._scopes:
                self._scopes[key] = scope_of(plan, partition_of(name))
            found.append(self._scopes[key])
        return found


@dataclass(slots=True)
class _Reading:
    """One reading of windows: nodes are read level by level, as far down as the ends of windows need."""

    records: RecordStore
    plan: Plan
    scopes: Sequence[bytes]
    keys: Sequence[str]
    at_ms: Ints
    levels: list[Level] = field(default_factory=list)
    spans: set[int] = field(default_factory=set)

    def windowed(self) -> tuple[dict[str, Column], np.ndarray]:
        plan = self.plan
        names = list(dict.fromkeys(self.keys))
        index = {name: place for place, name in enumerate(names)}
        places = np.fromiter((index[key] for key in self.keys), np.int64, len(self.keys))
        ends = self.at_ms // plan.grain_ms * plan.grain_ms
        raw = [entity_name(name) for name in names]
        for scope in self.scopes:
            self._read(scope, raw, places, ends)
        windows = Windows(plan, self.levels, places, ends)
        columns: dict[str, Column] = {}
        known = np.zeros(len(self.keys), np.bool_)
        for window in plan.windows:
            totals, some = windows.totals(window)
            columns |= finish(plan, window, totals, self._texts)
            known |= some
        return {feature.name: columns[feature.name] for feature in plan.features}, known

    def _read(self, scope: bytes, names: list[bytes], places: Ints, ends: Ints) -> None:
        plan = self.plan
        # The whole of the longest window, then whatever holds an end of a window.
        size = plan.sizes[0]
        first, last = (ends - plan.longest_ms) // size, (ends - 1) // size
        counts = last - first + 1
        rows = np.repeat(np.arange(ends.size), counts)
        spans = np.repeat(first, counts) + np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
        split = self._nodes(scope, 0, names, places[rows], spans * size)
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
            split = self._nodes(scope, level, names, entity, edge // size * size)

    def _nodes(self, scope: bytes, level: int, names: list[bytes], places: Ints, starts: Ints) -> set[tuple[int, int]]:
        """Read nodes, each once; which of them are split is returned."""
        plan = self.plan
        wanted = sorted(set(zip(places.tolist(), starts.tolist(), strict=True)))
        buckets = {start: nodes_at(scope, level, start) for start in {start for _, start in wanted}}
        if level == 0:
            self.spans |= buckets.keys()
        read = self.records.get([(buckets[start], names[place]) for place, start in wanted])
        held = [(pair, record) for pair, record in zip(wanted, read, strict=True) if record is not None]
        if not held:
            return set()
        found = nodes.decode(plan, [record for _, record in held])
        coarse = plan.sizes[level + 1] if level + 1 < len(plan.sizes) else plan.grain_ms
        sizes = np.where(found.split, coarse, plan.grain_ms)
        entries = found.entries
        owners = np.array([place for (place, _), _ in held], np.int64)
        self.levels.append(
            Level(
                entries.regrouped(owners),
                sizes[entries.group],
                sizes[entries.cell_group],
                plan.sizes[level] if level else 0,
            )
        )
        return {pair for (pair, _), is_split in zip(held, found.split.tolist(), strict=True) if is_split}

    def _texts(self, codes: Iterable[int]) -> Mapping[int, str]:
        wanted = [
            (code, (texts_at(scope, start), code_name(code)))
            for code in codes
            for scope in self.scopes
            for start in self.spans
        ]
        read = self.records.get([address for _, address in wanted])
        return {code: text.decode() for (code, _), text in zip(wanted, read, strict=True) if text is not None}
