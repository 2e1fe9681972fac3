"""Taking events in: validated, counted once, folded into tiles, kept in the offline store."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import polars as pl
import structlog

from pelton.contracts.definitions import seconds
from pelton.contracts.feature import RecordsQuarantined
from pelton.contracts.topics import DATA_PREFIX, data_topic
from pelton.contracts.values import OffsetRange
from pelton.eventkit.failures import TransientError, is_transient
from pelton.eventkit.reader import Partition, RecordColumns
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.telemetry.tracing import batch_span
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.feature.catalogue import Catalogue
from pelton.feature.columns import LATE as LATE_COLUMN
from pelton.feature.domain import Source, advance, note_too_late
from pelton.feature.ingest.metrics import OUTCOMES, IngestMetrics
from pelton.feature.ingest.parsing import EventParser, Events, Parsed, Refused
from pelton.feature.offline import FLUSH_ROWS, OfflineStore
from pelton.feature.quality import quarantine
from pelton.feature.quality.gate import Gate, Share
from pelton.feature.quality.quarantine import Rejected
from pelton.feature.watermarks import DAY_MS, Watermarks
from pelton.tiles.writer import DUPLICATE, Batch, TileWriter

log = structlog.get_logger(__name__)

TRACED: Final = 32
# So many records are looked at for their traces: those of a moment come together.
LOOKED_AT: Final = 256
# Of one partition; beyond it no events are taken in until some of these are stored.
MOST_WAITING: Final = 6 * FLUSH_ROWS
EVERY_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Taken:
    """One partition's share of a batch: `kept` are the events for the offline store, with their verdicts."""

    source: str
    partition: int
    next_offset: int
    kept: pl.DataFrame
    refused: Sequence[Refused]


class Ingestion:
    """The processor of the data topics.

    Tiles, ids, verdicts and online offsets are one commit of the online store; the offline store covers offsets of its
    own. After a crash both are read from the lesser offset, and each passes over what it has.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        tiles: TileWriter,
        offline: OfflineStore,
        units: Units,
        watermarks: Watermarks,
        metrics: Metrics,
        gate: Gate,
    ) -> None:
        self._gate = gate
        self._catalogue = catalogue
        self._tiles = tiles
        self._offline = offline
        self._units = units
        self._watermarks = watermarks
        self._metrics = IngestMetrics(metrics)
        self._parsers: dict[str, EventParser] = {}
        # The newest day that each source's stream has been looked at for, by this process.
        self._days: dict[str, int] = {}
        self._storing: asyncio.Task[None] | None = None

    async def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Go on where the store that is further behind ends."""
        if self._storing is not None:
            # Whatever it fails of, what it was storing is read again.
            await asyncio.gather(self._storing, return_exceptions=True)
            self._storing = None
        await self._offline.open()
        self._tiles.forget(partitions)
        online = self._tiles.offsets()
        starts = {}
        for topic, partition in partitions:
            source = topic.removeprefix(DATA_PREFIX)
            starts[topic, partition] = min(online.get((topic, partition), 0), self._offline.end(source, partition))
        # A crash may have come between the commit of the tiles and the fact about them.
        await self._note_progress({topic.removeprefix(DATA_PREFIX) for topic, _ in partitions})
        return starts

    def behind(self, sources: Collection[str]) -> list[str]:
        """The sources of which the offline store lacks what the online store has: it reads them again after a start."""
        return sorted(
            {
                topic.removeprefix(DATA_PREFIX)
                for (topic, partition), end in self._tiles.offsets().items()
                if topic.removeprefix(DATA_PREFIX) in sources
                and self._offline.end(topic.removeprefix(DATA_PREFIX), partition) < end
            }
        )

    async def process(self, batch: Mapping[Partition, RecordColumns]) -> None:
        """Take a batch in."""
        with batch_span("feature.ingest", _traceparents(batch), records=sum(map(len, batch.values()))):
            now = self._units.clock()
            # Off the event loop: this is where the time goes.
            parsed = await asyncio.to_thread(self._parse, batch, now)
            ends = {place: records.next_offset for place, records in batch.items()}
            shares = [
                Share(topic.removeprefix(DATA_PREFIX), partition, ends[topic, partition], one.events)
                for (topic, partition), one in parsed.items()
            ]
            broken = await self._gate.screen(shares)
            parsed = {place: one.without(broken[place]) for place, one in parsed.items()}
            taken = await asyncio.to_thread(self._take, parsed, ends)
            # Before the offline store covers them: until then they are read again.
            await self._set_aside(taken, now)
            for one in taken:
                self._offline.add(one.source, one.partition, one.kept, one.next_offset)
            await self._store()
            await self._note_progress({one.source for one in taken})

    async def run(self) -> None:
        """Tell, now and then until cancelled, of events that came too late and of what the views keep."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                for name in sorted(self._catalogue.validators):
                    await self._note_too_late(name)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("late events are told of later", reason=str(error) or type(error).__name__)
            for view in self._catalogue.views:
                self._metrics.keeps(view.name, await asyncio.to_thread(self._tiles.kept, view))

    def _parse(self, batch: Mapping[Partition, RecordColumns], now: datetime) -> dict[Partition, Parsed]:
        return {
            (topic, partition): self._parser(topic).parse(f"{topic}/{partition}", records, now)
            for (topic, partition), records in batch.items()
        }

    def _take(self, parsed: Mapping[Partition, Parsed], ends: Mapping[Partition, int]) -> list[Taken]:
        """Judge and fold."""
        batches = [self._batch(place, one.events, ends[place]) for place, one in parsed.items()]
        found: list[Taken] = []
        for one, result in zip(batches, self._tiles.take(batches), strict=True):
            events, refused = parsed[one.partition].events, parsed[one.partition].refused
            verdicts = pl.Series(LATE_COLUMN, result.verdicts, dtype=pl.Int8)
            kept = events.frame(one.partition[1]).with_columns(verdicts).filter(verdicts != DUPLICATE)
            counts = np.bincount(result.verdicts, minlength=len(OUTCOMES)).tolist()
            self._metrics.took(one.source, counts, len(refused), result.refused)
            found.append(Taken(one.source, one.partition[1], one.next_offset, kept, refused))
        return found

    def _batch(self, place: Partition, events: Events, next_offset: int) -> Batch:
        source = place[0].removeprefix(DATA_PREFIX)
        return Batch(
            partition=place,
            source=source,
            lateness_ms=seconds(self._parsers[source].validator.definition.lateness) * 1000,
            offsets=events.offsets,
            next_offset=next_offset,
            ids=events.ids,
            times_ms=events.times_ms,
            arrivals_ms=events.arrivals_ms,
            events=events.columns,
            views=self._catalogue.views_of(source),
            # What is only collected is read again after a crash, and its verdicts with it.
            covered=self._offline.stored(source, place[1]),
        )

    def _parser(self, topic: str) -> EventParser:
        source = topic.removeprefix(DATA_PREFIX)
        validator = self._catalogue.validators.get(source)
        if validator is None:
            raise TransientError(f"source {source} is read before it is registered here")
        known = self._parsers.get(source)
        if known is None or known.validator is not validator:
            known = self._parsers[source] = EventParser(validator)
        return known

    async def _store(self) -> None:
        """Let the offline store write beside the taking in, which waits only where writing does not keep up."""
        if self._storing is not None and (self._storing.done() or self._offline.fullest > MOST_WAITING):
            storing, self._storing = self._storing, None
            await storing
        if self._storing is None and self._offline.fullest >= FLUSH_ROWS:
            self._storing = asyncio.create_task(self._offline.flush(least_rows=FLUSH_ROWS))

    async def _set_aside(self, taken: Sequence[Taken], now: datetime) -> None:
        bad = [one for one in taken if one.refused]
        if not bad:
            return
        async with self._units.begin() as unit:
            for one in bad:
                # After a crash some come again: the fact counts each once.
                new = await quarantine.add(unit.connection, [self._rejected(one, each) for each in one.refused], now)
                if new:
                    offsets = [int(item.origin.rpartition("/")[2]) for item in new]
                    place = OffsetRange(
                        topic=data_topic(one.source), partition=one.partition, start=min(offsets), end=max(offsets) + 1
                    )
                    await quarantined(unit, one.source, new, (place,))

    def _rejected(self, taken: Taken, refused: Refused) -> Rejected:
        origin = f"{data_topic(taken.source)}/{taken.partition}/{refused.offset}"
        version = self._parsers[taken.source].validator.definition.digest
        return Rejected(
            self._units.new_id(), taken.source, refused.event_id, origin, refused.raw, refused.faults, version
        )

    async def _note_progress(self, sources: set[str]) -> None:
        for name in sources:
            statistics = self._tiles.statistics(name)
            if statistics is None:
                continue
            watermark = statistics.watermark_ms
            if watermark // DAY_MS > self._days.get(name, -1):
                async with self._units.begin() as unit:
                    source = await unit.load(Source, name)
                    facts = advance(
                        source,
                        datetime.fromtimestamp(watermark / 1000, UTC),
                        events=statistics.events,
                        first_event=datetime.fromtimestamp(statistics.first_ms / 1000, UTC),
                        offsets=[
                            OffsetRange(topic=data_topic(name), partition=partition, start=0, end=end)
                            for partition, end in sorted(self._ends(name).items())
                        ],
                    )
                    await unit.append(source, facts)
                self._days[name] = watermark // DAY_MS
            self._watermarks.set(name, watermark)

    async def _note_too_late(self, name: str) -> None:
        statistics = self._tiles.statistics(name)
        if statistics is None or statistics.too_late == 0:
            return
        async with self._units.begin() as unit:
            source = await unit.load(Source, name)
            await unit.append(source, note_too_late(source, statistics.too_late, self._ends(name)))

    def _ends(self, source: str) -> dict[int, int]:
        topic = data_topic(source)
        return {partition: end for (name, partition), end in self._tiles.offsets().items() if name == topic}


async def quarantined(
    unit: UnitOfWork, source: str, rejected: Sequence[Rejected], offsets: tuple[OffsetRange, ...]
) -> None:
    """Record that a source's records were set aside."""
    reasons: dict[str, int] = defaultdict(int)
    for one in rejected:
        reasons[one.faults[0].reason] += 1
    loaded = await unit.load(Source, source)
    fact = RecordsQuarantined(source=source, count=len(rejected), reasons=dict(reasons), offsets=offsets)
    await unit.append(loaded, [fact])


def _traceparents(batch: Mapping[Partition, RecordColumns]) -> list[str]:
    """The traces that a batch's records are of, in their order, as many as a span may well link to."""
    found: dict[bytes, None] = {}
    for records in batch.values():
        found |= dict.fromkeys(filter(None, records.head(LOOKED_AT).header("traceparent")))
    return [value.decode("latin-1") for value in found][:TRACED]
