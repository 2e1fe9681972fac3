"""Adding the events of a batch to what a view keeps of a partition."""

from collections import defaultdict
from dataclasses import dataclass, field

import msgspec
import numpy as np
import polars as pl

from pelton.tiles import latest, nodes
from pelton.tiles.addresses import code_name, entity_name, latest_of, nodes_at, texts_at
from pelton.tiles.entries import Entries, Ints, combined, joined
from pelton.tiles.latest import History
from pelton.tiles.measuring import Measured
from pelton.tiles.plan import Plan
from pelton.tiles.records import Address, Bytes, RecordStore


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """How much a bucket holds: records, entries in them, bytes."""

    records: int = 0
    entries: int = 0
    bytes: int = 0

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(self.records + other.records, self.entries + other.entries, self.bytes + other.bytes)


class View(msgspec.Struct, frozen=True, array_like=True):
    """What a view keeps of a partition: since which offset it was taken in, and how much is in each bucket.

    `nodes` is by level and start, `texts` by start.
    """

    since: int
    nodes: dict[tuple[int, int], Kept]
    texts: dict[int, Kept]
    latest: Kept = Kept()


@dataclass(slots=True)
class Merge:
    """What a batch changes of a view's part of a partition, found out of the store but not written to it."""

    store: RecordStore
    plan: Plan
    scope: bytes
    kept: View
    puts: list[tuple[Address, Bytes]] = field(default_factory=list)
    drops: list[bytes] = field(default_factory=list)

    def add(self, measured: Measured, horizon_ms: int) -> None:
        """Add events to the nodes, but for those that end before the horizon: no window reaches them any more."""
        names = [entity_name(name) for name in measured.entities.names.to_list()]
        pending = Entries.of(self.plan, measured)
        for level in range(len(self.plan.sizes)):
            pending = self._add_to(level, names, pending, horizon_ms)
            if not pending.group.size:
                break
        self._add_texts(measured, horizon_ms)

    def remember(self, history: History, names: pl.Series, arrival_ms: int) -> None:
        """Add events to the latest values, each group those of the entity of its place in `names`."""
        bucket = latest_of(self.scope)
        addresses = [(bucket, entity_name(name)) for name in names.to_list()]
        before = self.store.get(addresses)
        after = latest.newest([latest.decode(self.plan, before), history], arrival_ms)
        records = latest.encode(self.plan, after, len(addresses))
        self.puts += zip(addresses, records, strict=True)
        new = sum(record is None for record in before)
        grown = sum(map(len, records)) - sum(len(record) for record in before if record is not None)
        self.kept = msgspec.structs.replace(self.kept, latest=self.kept.latest + Kept(new, new, grown))

    def expire(self, horizon_ms: int) -> None:
        """Drop the nodes and texts that end before the horizon."""
        sizes = self.plan.sizes
        for level, start in [key for key in self.kept.nodes if key[1] + sizes[key[0]] <= horizon_ms]:
            self.drops.append(nodes_at(self.scope, level, start))
            del self.kept.nodes[level, start]
        for start in [start for start in self.kept.texts if start + sizes[0] <= horizon_ms]:
            self.drops.append(texts_at(self.scope, start))
            del self.kept.texts[start]

    def _add_to(self, level: int, names: list[bytes], added: Entries, horizon_ms: int) -> Entries:
        """Add entries, sorted and of the grain, to the nodes of a level; what their children are to get is returned."""
        size = self.plan.sizes[level]
        starts = added.start // size * size
        live = starts + size > horizon_ms
        if not live.all():
            cells_live = added.cells[0] // size * size + size > horizon_ms
            added = Entries(
                added.group[live],
                added.start[live],
                added.columns[:, live],
                added.cell_group[cells_live],
                added.cells[:, cells_live],
            )
            starts = starts[live]
        if not added.group.size:
            return added
        first = np.flatnonzero(
            np.concatenate([[True], (added.group[1:] != added.group[:-1]) | (starts[1:] != starts[:-1])])
        )
        entity, start = added.group[first], starts[first]
        buckets = {one: nodes_at(self.scope, level, one) for one in np.unique(start).tolist()}
        addresses = [(buckets[one], names[place]) for one, place in zip(start.tolist(), entity.tolist(), strict=True)]
        before = self.store.get(addresses)
        by_node = _by_node(added, size, first)
        old = nodes.decode(self.plan, before)
        new, passed = self._changed(level, old, by_node)
        records = nodes.encode(self.plan, new)
        self.puts += zip(addresses, records, strict=True)
        more = np.bincount(new.entries.group, minlength=start.size)
        more -= np.bincount(old.entries.group, minlength=start.size)
        self._count(level, start, before, records, more)
        return passed.regrouped(entity)

    def _changed(self, level: int, old: nodes.Nodes, added: Entries) -> tuple[nodes.Nodes, Entries]:
        """The nodes with entries added, and the entries that their children get; groups are the nodes' places."""
        plan = self.plan
        if level + 1 == len(plan.sizes):
            after = combined(plan, joined(plan, [old.entries, added]))
            return nodes.Nodes(old.split, after), Entries.empty(plan)
        child = plan.sizes[level + 1]
        if not old.split.any():
            after = combined(plan, joined(plan, [old.entries, added]))
            passed: list[Entries] = []
        else:
            deeper = added.within(old.split)
            after = combined(plan, joined(plan, [old.entries, added.within(~old.split), deeper.coarser(child)]))
            passed = [deeper]
        crowded = ~old.split & (np.bincount(after.group, minlength=old.split.size) > nodes.LEAF_ENTRIES)
        if crowded.any():
            fine = after.within(crowded)
            after = combined(plan, joined(plan, [after.within(~crowded), fine.coarser(child)]))
            passed.append(fine)
        down = joined(plan, passed)
        return nodes.Nodes(old.split | crowded, after), combined(plan, down) if len(passed) > 1 else down

    def _count(
        self, level: int, start: Ints, before: list[bytes | None], after: list[memoryview], entries: Ints
    ) -> None:
        new = np.fromiter((record is None for record in before), np.int64, len(before))
        grown = np.fromiter(map(len, after), np.int64, len(after))
        grown -= np.fromiter((len(record or b"") for record in before), np.int64, len(before))
        distinct, place = np.unique(start, return_inverse=True)
        sums = [
            np.bincount(place, weights=one, minlength=distinct.size).astype(np.int64).tolist()
            for one in (new, entries, grown)
        ]
        for one, *more in zip(distinct.tolist(), *sums, strict=True):
            self.kept.nodes[level, one] = self.kept.nodes.get((level, one), Kept()) + Kept(*more)

    def _add_texts(self, measured: Measured, horizon_ms: int) -> None:
        size = self.plan.sizes[0]
        wanted: dict[int, set[int]] = defaultdict(set)
        for rows, codes in measured.uses:
            rows_held = measured.entities.place[rows] >= 0
            pairs = np.unique(np.stack([measured.times[rows] // size * size, codes])[:, rows_held], axis=1)
            for start, code in pairs.T.tolist():
                if start + size > horizon_ms:
                    wanted[start].add(code)
        for start, codes_used in wanted.items():
            bucket = texts_at(self.scope, start)
            ordered = sorted(codes_used)
            known = self.store.get([(bucket, code_name(code)) for code in ordered])
            new = [
                (code, measured.texts[code].encode()) for code, text in zip(ordered, known, strict=True) if text is None
            ]
            self.puts += [((bucket, code_name(code)), text) for code, text in new]
            more = Kept(len(new), len(new), sum(len(text) for _, text in new))
            self.kept.texts[start] = self.kept.texts.get(start, Kept()) + more


def _by_node(entries: Entries, size: int, first: Ints) -> Entries:
    """Sorted entries of entities, by the place of the node that they belong to; nodes begin at `first`."""
    counts = np.diff(np.append(first, entries.group.size))
    node = np.repeat(np.arange(first.size), counts)
    if not entries.cell_group.size:
        return Entries(node, entries.start, entries.columns, entries.cell_group, entries.cells)
    # Each cell has an entry of its own group and start, and both are in one order.
    keys = np.stack([entries.group[first], entries.start[first] // size])
    cell_keys = np.stack([entries.cell_group, entries.cells[0] // size])
    return Entries(node, entries.start, entries.columns, _places(keys, cell_keys), entries.cells)


def _places(sorted_keys: Ints, keys: Ints) -> Ints:
    """The place of each (group, number) among some that are sorted and have it."""
    least = int(min(sorted_keys[1].min(), keys[1].min()))
    stride = int(max(sorted_keys[1].max(), keys[1].max())) - least + 1
    ranks, wanted = (one[0] * stride + one[1] - least for one in (sorted_keys, keys))
    places: Ints = np.searchsorted(ranks, wanted)
    return places
