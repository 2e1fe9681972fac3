"""Taking events in: validated, counted once, folded into tiles, kept in the offline store."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import polars as pl
import structlog
from aiokafka import ConsumerRecord
from prometheus_client import Counter

from pelton.contracts.definitions import seconds
from pelton.contracts.feature import RecordsQuarantined
from pelton.contracts.topics import DATA_PREFIX
from pelton.contracts.values import OffsetRange
from pelton.eventkit.failures import TransientError
from pelton.eventkit.reader import Partition, Records
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.telemetry.tracing import batch_span
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.feature import store
from pelton.feature.catalogue import Catalogue
from pelton.feature.columns import ARRIVAL, ID, LATE, OFFSET, TIME, frame
from pelton.feature.domain import Source, advance
from pelton.feature.offline import FLUSH_ROWS, OfflineStore
from pelton.feature.store import Rejected
from pelton.feature.validation import Event, printable
from pelton.feature.watermarks import DAY_MS, Watermarks
from pelton.tiles.writer import DUPLICATE, Batch, TileWriter

log = structlog.get_logger(__name__)

TRACED = 32
# What became of an event, by the verdict on it.
OUTCOMES = ("accepted", "late", "too_late", "duplicate")


@dataclass
class Taken:
    """One partition's share of a batch, parsed."""

    source: str
    partition: int
    next_offset: int
    events: pl.DataFrame
    rejected: list[Rejected] = field(default_factory=list)


class IngestMetrics:
    """What taking in measures."""

    def __init__(self, metrics: Metrics) -> None:
        self.events = Counter(
            "pelton_events", "Events by source and outcome", ("source", "outcome"), registry=metrics.registry
        )


class Ingestion:
    """The processor of the data topics.

    Tiles, ids, watermarks and online offsets commit together; the offline store covers offsets of its own. After a
    crash both are read from the lesser offset, and each passes over what it has.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        tiles: TileWriter,
        offline: OfflineStore,
        units: Units,
        watermarks: Watermarks,
        metrics: Metrics,
    ) -> None:
        self._catalogue = catalogue
        self._tiles = tiles
        self._offline = offline
        self._units = units
        self._watermarks = watermarks
        self._metrics = IngestMetrics(metrics)
        # The newest day that each source's stream has been looked at for, by this process.
        self._days: dict[str, int] = {}
        # A dataset that flushes the offline store and a batch that adds to it take turns.
        self.lock = asyncio.Lock()

    async def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Go on where the store that is further behind ends."""
        async with self.lock:
            await self._offline.open()
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

    async def process(self, batch: Mapping[Partition, Records]) -> None:
        """Take a batch in."""
        async with self.lock:
            traceparents = _traceparents(batch)
            with batch_span("feature.ingest", traceparents, records=sum(map(len, batch.values()))):
                now = self._units.clock()
                taken = await asyncio.to_thread(self._take, batch, now)
                await self._set_aside(taken, now)
                for one in taken:
                    self._offline.add(one.source, one.partition, one.events, one.next_offset)
                await self._offline.flush(least_rows=FLUSH_ROWS)
                await self._note_progress({one.source for one in taken})

    def _take(self, batch: Mapping[Partition, Records], now: datetime) -> list[Taken]:
        """Parse and fold, off the event loop: this is where the time goes."""
        taken = [self._parse(topic, partition, records, now) for (topic, partition), records in batch.items()]
        for one, judged in zip(taken, self._tiles.take([self._batch(one) for one in taken]), strict=True):
            one.events = one.events.with_columns(pl.Series(LATE, judged.verdicts)).filter(pl.col(LATE) != DUPLICATE)
            for outcome, count in zip(OUTCOMES, np.bincount(judged.verdicts, minlength=len(OUTCOMES)), strict=True):
                self._metrics.events.labels(one.source, outcome).inc(int(count))
            self._metrics.events.labels(one.source, "rejected").inc(len(one.rejected))
        return taken

    def _batch(self, one: Taken) -> Batch:
        columns = [name for name in one.events.columns if not name.startswith("_")]
        return Batch(
            partition=(DATA_PREFIX + one.source, one.partition),
            source=one.source,
            lateness_ms=seconds(self._catalogue.validators[one.source].definition.lateness) * 1000,
            offsets=one.events[OFFSET].to_numpy(),
            next_offset=one.next_offset,
            ids=one.events[ID],
            times_ms=one.events[TIME].to_numpy(),
            arrivals_ms=one.events[ARRIVAL].to_numpy(),
            events={name: one.events[name] for name in columns},
            views=self._catalogue.views_of(one.source),
            covered=self._offline.stored(one.source, one.partition),
        )

    def _parse(self, topic: str, partition: int, records: Records, now: datetime) -> Taken:
        source = topic.removeprefix(DATA_PREFIX)
        validator = self._catalogue.validators.get(source)
        if validator is None:
            raise TransientError(f"source {source} is read before it is registered here")
        good: list[Event] = []
        ids: list[str] = []
        places: list[tuple[int, int]] = []
        arrivals: list[int] = []
        rejected: list[Rejected] = []
        for record in records:
            event_id = _event_id(record)
            read = validator.read(record.value or b"", now)
            if isinstance(read, Event):
                good.append(read)
                ids.append(event_id)
                places.append((partition, record.offset))
                arrivals.append(record.timestamp)
            else:
                faults = [{"field": one.field, "detail": one.detail, "fix": one.fix} for one in read]
                origin = f"{topic}/{partition}/{record.offset}"
                rejected.append(Rejected(self._units.new_id(), source, event_id, origin, record.value or b"", faults))
        times = [one.time_ms for one in good]
        events = frame(validator.definition, [one.data for one in good], ids, times, places)
        events = events.with_columns(pl.Series(ARRIVAL, arrivals, dtype=pl.Int64))
        return Taken(source, partition, records[-1].offset + 1, events, rejected)

    async def _set_aside(self, taken: Sequence[Taken], now: datetime) -> None:
        bad = [one for one in taken if one.rejected]
        if not bad:
            return
        async with self._units.begin() as unit:
            for one in bad:
                # After a crash some come again: the fact counts each once.
                new = await store.quarantine(unit.connection, one.rejected, now)
                if new:
                    offsets = [int(item.origin.rpartition("/")[2]) for item in new]
                    place = OffsetRange(
                        topic=DATA_PREFIX + one.source,
                        partition=one.partition,
                        start=min(offsets),
                        end=max(offsets) + 1,
                    )
                    await quarantined(unit, one.source, new, (place,))

    async def _note_progress(self, sources: set[str]) -> None:
        offsets = self._tiles.offsets()
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
                            OffsetRange(topic=topic, partition=partition, start=0, end=end)
                            for (topic, partition), end in sorted(offsets.items())
                            if topic == DATA_PREFIX + name
                        ],
                    )
                    await unit.append(source, facts)
                self._days[name] = watermark // DAY_MS
            self._watermarks.set(name, watermark)


async def quarantined(
    unit: UnitOfWork, source: str, rejected: Sequence[Rejected], offsets: tuple[OffsetRange, ...]
) -> None:
    """Record that a source's records were set aside."""
    reasons: dict[str, int] = defaultdict(int)
    for one in rejected:
        reasons[one.faults[0]["field"] or "body"] += 1
    loaded = await unit.load(Source, source)
    fact = RecordsQuarantined(source=source, count=len(rejected), reasons=dict(reasons), offsets=offsets)
    await unit.append(loaded, [fact])


def _event_id(record: ConsumerRecord[bytes, bytes]) -> str:
    """The CloudEvents id; a record without one counts by its place."""
    for name, value in record.headers:
        if name == "ce_id":
            return printable(str(value.decode("utf-8", "replace")))
    return f"{record.topic}/{record.partition}/{record.offset}"


def _traceparents(batch: Mapping[Partition, Records]) -> list[str]:
    """The traces that a batch's records are of, in their order, as many as a span may well link to."""
    found: dict[bytes, None] = {}
    for records in batch.values():
        for record in records:
            for name, value in record.headers:
                if name == "traceparent" and value is not None:
                    found[value] = None
            if len(found) >= TRACED:
                break
    return [value.decode("latin-1") for value in found][:TRACED]
