"""Taking events into the online store: judged, counted once, merged into nodes of time; one commit for all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import polars as pl

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles.addresses import (
    SOURCES,
    Partition,
    kept_of,
    partition_name,
    partition_of,
    partitions_of,
    scope_of,
)
from pelton.tiles.entities import Column, Entities, entity_keys
from pelton.tiles.judging import (
    ALWAYS_MS,
    DUPLICATE,
    LATE,
    NEVER_MS,
    ON_TIME,
    TOO_LATE,
    Hashes,
    Ints,
    Verdicts,
    hashed,
    judge,
)
from pelton.tiles.latest import History
from pelton.tiles.measuring import measure, measure_latest, ties_of
from pelton.tiles.merging import Merge, View
from pelton.tiles.partitions import Changes, Judged, PartitionRecords, State, state_of
from pelton.tiles.plan import Plan, plan_of
from pelton.tiles.records import Commit, RecordStore

__all__ = ["DUPLICATE", "LATE", "ON_TIME", "TOO_LATE", "Batch", "Partition", "SourceStatistics", "Taken", "TileWriter"]

SLACK_MS: Final = 3 * 86_400_000
"""How far before a partition's newest event the moments may lie that are asked for."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one partition (topic and number), in its order; arrays have shape (n,), one value an event.

    `arrivals_ms` is when the broker had them. `next_offset` is where to go on reading, and may lie beyond the events.
    `covered` is where the offline store ends: verdicts on events before it are asked for no more.
    """

    partition: Partition
    source: str
    lateness_ms: int
    offsets: Ints
    next_offset: int
    ids: pl.Series
    times_ms: Ints
    arrivals_ms: Ints
    events: Mapping[str, Column]
    views: Sequence[FeatureViewDefinition]
    covered: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch: a verdict for each event, and how many values were too large to be held.

    ON_TIME and LATE events are in the online store, TOO_LATE ones belong to the offline store alone, DUPLICATE ones
    were counted before.
    """

    verdicts: Verdicts
    refused: int


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """What was counted of a source: its newest and oldest event time (milliseconds since 1970), and how many events.

    Of the `events`, `late` were late, and `too_late` ones are in the offline store alone. Duplicates are none of them.
    """

    watermark_ms: int
    first_ms: int
    events: int
    late: int = 0
    too_late: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class ViewStatistics:
    """What a view keeps online: records, the tiles and finer entries in them, and their bytes."""

    records: int
    entries: int
    bytes: int


class TileWriter:
    """The writer of the partitions that it is given batches of; another writer of one of them is found out.

    What it remembers of ids is in memory too: 24 bytes for each event that a duplicate of would not be too late.
    """

    def __init__(self, records: RecordStore, *, slack_ms: int = SLACK_MS) -> None:
        """Over a store. What no window of a moment reaches that lies `slack_ms` back is dropped."""
        self.records = records
        self._slack_ms = slack_ms
        self._partitions: dict[Partition, PartitionRecords] = {}

    def take(self, batches: Sequence[Batch]) -> list[Taken]:
        """Take batches of different partitions in with one commit.

        Events at offsets that the store has already are not taken again: they get the verdict that they got then, or
        DUPLICATE once they are covered.

        Raises:
            StaleWriterError: another writer has taken a partition over; nothing was changed.
            TilesError: the store cannot be read or written.
            ExpressionError: a field that a view reads, or its entity, is missing.
        """
        work = [self._take(batch) for batch in batches]
        changes = [one for _, one in work]
        sources = {batch.source.encode(): None for batch in batches}
        self.records.commit(
            Commit(
                puts=[put for one in changes for put in one.puts] + [((SOURCES, name), b"") for name in sources],
                drops=[drop for one in changes for drop in one.drops],
                deletes=[delete for one in changes for delete in one.deletes],
                expected={one.partition.address: one.partition.raw for one in changes},
            )
        )
        for one in changes:
            one.apply()
        return [taken for taken, _ in work]

    def forget(self, partitions: Sequence[Partition]) -> None:
        """Forget what is in memory of partitions that another writer may have had since; the store is read anew."""
        for partition in partitions:
            self._partitions.pop(partition, None)

    def offsets(self) -> dict[Partition, int]:
        """The next offset of each partition."""
        return {
            partition: state.offset
            for source, _ in self.records.scan(SOURCES)
            for partition, state in self._states(source.decode()).items()
        }

    def seen(self, source: str, ids: Sequence[str]) -> list[bool]:
        """For each id whether an event of the source with it is remembered."""
        hashes = hashed(pl.Series(ids, dtype=pl.String))
        found = np.zeros(len(ids), np.bool_)
        for partition in self._states(source):
            known = self._loaded(source, partition)
            found |= known.remembered.times(*hashes) > NEVER_MS
        return found.tolist()

    def statistics(self, source: str) -> SourceStatistics | None:
        """What was counted of a source; None before its first event."""
        states = [state for state in self._states(source).values() if state.watermark_ms > NEVER_MS]
        if not states:
            return None
        on_time, late, too_late, duplicates = map(sum, zip(*(state.verdicts for state in states), strict=True))
        return SourceStatistics(
            watermark_ms=max(state.watermark_ms for state in states),
            first_ms=min(state.first_ms for state in states),
            events=on_time + late + too_late,
            late=late,
            too_late=too_late,
            duplicates=duplicates,
        )

    def watermark(self, source: str) -> int | None:
        """The newest event time of a source; None before its first event."""
        statistics = self.statistics(source)
        return statistics.watermark_ms if statistics is not None else None

    def kept(self, view: FeatureViewDefinition) -> ViewStatistics:
        """What a view keeps, over all partitions."""
        found = ViewStatistics(0, 0, 0)
        for _, raw in self.records.scan(kept_of(plan_of(view))):
            kept = msgspec.msgpack.decode(raw, type=View)
            for one in (*kept.nodes.values(), *kept.texts.values(), kept.latest):
                found = ViewStatistics(
                    found.records + one.records, found.entries + one.entries, found.bytes + one.bytes
                )
        return found

    def _states(self, source: str) -> dict[Partition, State]:
        return {partition_of(name): state_of(raw) for name, raw in self.records.scan(partitions_of(source))}

    def _loaded(self, source: str, partition: Partition) -> PartitionRecords:
        known = self._partitions.get(partition)
        if known is None:
            known = self._partitions[partition] = PartitionRecords.load(self.records, source, partition)
        return known

    def _take(self, batch: Batch) -> tuple[Taken, Changes]:
        partition = self._loaded(batch.source, batch.partition)
        before = partition.state
        new = np.flatnonzero(batch.offsets >= before.offset)
        verdicts = np.empty(batch.offsets.size, np.int8)
        verdicts[: verdicts.size - new.size] = partition.verdicts(batch.offsets[: verdicts.size - new.size])
        times = batch.times_ms[new]
        hashes = hashed(batch.ids[new[0] :] if new.size else batch.ids.head(0))
        found, ids = judge(partition.remembered, hashes, times, before.watermark_ms, batch.lateness_ms)
        verdicts[new] = found
        state = _advanced(before, batch, new, found)
        changes = Changes(partition, state, partition.remembered)
        changes.remember(ids, state.watermark_ms - batch.lateness_ms)
        changes.note(Judged(batch.offsets[new], found), batch.covered)
        chosen = new[found <= LATE]
        refused = self._merge(batch, chosen, (hashes[0][found <= LATE]), changes)
        changes.puts.append((partition.address, changes.raw))
        return Taken(verdicts, refused), changes

    def _merge(self, batch: Batch, chosen: Ints, ids: Hashes, changes: Changes) -> int:
        """Add the chosen events to each view."""
        columns = {name: column[chosen] for name, column in batch.events.items()}
        times, ties = batch.times_ms[chosen], ties_of(ids)
        entities: dict[tuple[str, ...], Entities] = {}
        refused = 0
        for view in batch.views:
            plan = plan_of(view)
            if view.join_keys not in entities:
                entities[view.join_keys] = Entities.of(entity_keys(view, columns))
            before = changes.partition.view(self.records, plan)
            kept = View(before.since, dict(before.nodes), dict(before.texts), before.latest)
            merge = Merge(self.records, plan, scope_of(plan, batch.partition), kept)
            if plan.features:
                horizon = self._horizon(plan, changes.state)
                measured = measure(view, columns, entities[view.join_keys], times, ties)
                refused += measured.refused
                merge.add(measured, horizon)
                merge.expire(horizon)
            if plan.latest:
                picked = measure_latest(view, columns, times.size)
                history = History.of(entities[view.join_keys], times, ties, picked)
                merge.remember(history, entities[view.join_keys].names, changes.state.arrival_ms)
            changes.puts += merge.puts
            changes.drops += merge.drops
            changes.puts.append(((kept_of(plan), partition_name(batch.partition)), msgspec.msgpack.encode(merge.kept)))
            changes.views[plan.prefix] = merge.kept
        return refused

    def _horizon(self, plan: Plan, state: State) -> int:
        """Before this no window reaches from a moment within the slack; a clock that is ahead does not move it."""
        return min(state.watermark_ms, state.arrival_ms) - self._slack_ms - plan.longest_ms


def _advanced(before: State, batch: Batch, new: Ints, verdicts: Verdicts) -> State:
    times, arrivals = batch.times_ms[new], batch.arrivals_ms[new]
    counts = np.bincount(verdicts, minlength=len(before.verdicts)).tolist()
    return State(
        offset=max(before.offset, batch.next_offset),
        watermark_ms=max(before.watermark_ms, int(times.max(initial=NEVER_MS))),
        first_ms=min(before.first_ms, int(times.min(initial=ALWAYS_MS))),
        arrival_ms=max(before.arrival_ms, int(arrivals.max(initial=NEVER_MS))),
        verdicts=tuple(a + b for a, b in zip(before.verdicts, counts, strict=True)),
        commits=before.commits + 1,
    )
