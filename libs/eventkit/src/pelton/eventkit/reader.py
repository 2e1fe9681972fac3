"""Reading high-volume topics in batches, with offsets that the reader's owner stores with its state."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Sized
from contextlib import asynccontextmanager
from time import monotonic, perf_counter
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from pelton.eventkit.failures import is_transient
from pelton.eventkit.fetching import ColumnFetcher, Fetched, Fetcher, RecordFetcher, Records
from pelton.eventkit.record_batches import RecordColumns
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.topics import partitions_of

__all__ = ["Partition", "PartitionReader", "Processor", "RecordColumns", "Records"]

log = structlog.get_logger(__name__)

Partition = tuple[str, int]
R = TypeVar("R", bound=Sized)
R_contra = TypeVar("R_contra", contravariant=True)

COMMIT_SECONDS: Final = 1.0


class Processor(Protocol[R_contra]):
    """What is done with the records. Its state and the offsets it took commit together, wherever it keeps them."""

    async def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """These partitions are this replica's now; says from which offset each is to be read (0 when left out)."""
        ...

    async def process(self, batch: Mapping[Partition, R_contra]) -> None:
        """Take a batch, in order within each partition; state and next offsets are committed on return.

        A transient failure gives the same records again, after `assigned` was asked anew.
        """
        ...


class PartitionReader(Generic[R]):
    """A consumer in the group `pelton.<service>.<name>`; partitions are shared out among replicas.

    One that is not `shared` takes every partition itself, whoever else reads: for work that one process does at a
    time, and which must not be split because the process before it has not left its group yet.

    Kafka's own committed offsets are written only so that lag can be seen and scaled on; nothing reads them back.
    """

    def __init__(
        self,
        bootstrap: str,
        group: str,
        processor: Processor[R],
        metrics: Metrics,
        fetcher: Callable[[AIOKafkaConsumer], Fetcher[R]],
        *,
        shared: bool = True,
    ) -> None:
        self._bootstrap = bootstrap
        self._shared = shared
        self._group = group
        self._processor = processor
        self._metrics = metrics
        self._fetcher = fetcher
        self._topics: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._uncommitted: dict[TopicPartition, int] = {}
        self._committed_at = 0.0

    @staticmethod
    def of_records(
        bootstrap: str,
        group: str,
        processor: Processor[Records],
        metrics: Metrics,
        *,
        max_records: int = 2000,
        shared: bool = True,
    ) -> "PartitionReader[Records]":
        """A reader that gives an object a record, at most `max_records` at a time."""
        return PartitionReader(
            bootstrap, group, processor, metrics, lambda consumer: RecordFetcher(consumer, max_records), shared=shared
        )

    @staticmethod
    def of_columns(
        bootstrap: str, group: str, processor: Processor[RecordColumns], metrics: Metrics
    ) -> "PartitionReader[RecordColumns]":
        """A reader that gives columns: as many records as have arrived, up to some megabytes of them."""
        return PartitionReader(
            bootstrap, group, processor, metrics, lambda consumer: ColumnFetcher(consumer, bootstrap)
        )

    def read(self, topics: Sequence[str]) -> None:
        """Read these topics as well, from now on; they must exist."""
        wanted = self._topics | set(topics)
        if wanted != self._topics:
            self._topics = wanted
            self._changed.set()

    def restart(self) -> None:
        """Ask the processor anew where to go on: its own state is to be built again."""
        self._changed.set()

    async def run(self) -> None:
        """Read until cancelled; ride out a broker that restarts."""
        pause = 0.1
        while True:
            await self._changed.wait() if not self._topics else None
            try:
                await self._consume()
                pause = 0.1
            except Exception as error:
                if not is_transient(error):
                    raise
                self._metrics.retries.labels(self._group).inc()
                log.warning("reader interrupted", group=self._group, reason=str(error) or type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _consume(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 1024 * 1024,
            metadata_max_age_ms=30_000,
        )
        self._changed.clear()
        fetcher = self._fetcher(consumer)
        assignment = _Assignment(consumer, self._processor, resumes=fetcher.resumes)
        if self._shared:
            consumer.subscribe(topics=sorted(self._topics), listener=assignment)
        await consumer.start()
        try:
            if not self._shared:
                partitions = await partitions_of(self._bootstrap, self._topics)
                await assignment.take(partitions)
            while not self._changed.is_set():
                generation = assignment.generation
                batch = await fetcher.fetch(dict(assignment.next))
                async with assignment.settled(generation) as fresh:
                    if batch and fresh:
                        await self._process(batch)
                        assignment.next |= {place: one.next_offset for place, one in batch.items()}
                        self._note_lag(batch)
                    if fresh:
                        await self._commit(consumer)
                if not self._shared and _grown(consumer, partitions):
                    return
        finally:
            self._uncommitted.clear()
            await fetcher.close()
            await consumer.stop()

    async def _process(self, batch: Mapping[TopicPartition, Fetched[R]]) -> None:
        began = perf_counter()
        await self._processor.process({(place.topic, place.partition): one.records for place, one in batch.items()})
        self._metrics.handle_seconds.labels(self._group).observe(perf_counter() - began)
        self._metrics.handled.labels(self._group, "handled").inc(sum(len(one.records) for one in batch.values()))

    def _note_lag(self, batch: Mapping[TopicPartition, Fetched[R]]) -> None:
        for place, one in batch.items():
            self._uncommitted[place] = one.next_offset
            if one.end is not None:
                lag = self._metrics.consumer_lag.labels(place.topic, str(place.partition))
                lag.set(max(0, one.end - one.next_offset))

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        """Tell the group how far it is: once a second, since a batch may be of a few records."""
        if self._uncommitted and monotonic() - self._committed_at >= COMMIT_SECONDS:
            await consumer.commit(self._uncommitted)
            self._uncommitted.clear()
            self._committed_at = monotonic()


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """Starts each partition that is handed over where its owner's state ends.

    `next` are the offsets that the processor is to be given next. `generation` grows with each assignment.
    """

    def __init__(self, consumer: AIOKafkaConsumer, processor: Processor[Any], *, resumes: bool) -> None:
        self._consumer = consumer
        self._processor = processor
        self._resumes = resumes
        self._lock = asyncio.Lock()
        self._failure: Exception | None = None
        self.generation = 0
        self.next: dict[TopicPartition, int] = {}

    @asynccontextmanager
    async def settled(self, generation: int) -> AsyncIterator[bool]:
        """Hold assignments back; says whether what was fetched since `generation` is what the processor waits for.

        It may not be when partitions were handed over in the meantime: then they are sought anew.

        Raises:
            Exception: why the processor could not take its partitions.
        """
        async with self._lock:
            if self._failure is not None:
                raise self._failure
            fresh = generation == self.generation
            if not fresh:
                for partition in self._consumer.assignment() & self.next.keys():
                    self._consumer.seek(partition, self.next[partition])
            yield fresh

    async def take(self, partitions: Sequence[Partition]) -> None:
        """Assign these partitions, with no group to hand them over."""
        self._consumer.assign([TopicPartition(*place) for place in partitions])
        await self.on_partitions_assigned(self._consumer.assignment())

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002 - all are
        """Let the batch under way end; what was fetched and waits is another's now, perhaps."""
        self.generation += 1
        async with self._lock:
            self.next = {}

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Seek to the offsets that the processor knows.

        Nothing is fetched before that: the group's own committed offsets mean nothing to the processor. aiokafka
        only logs what a listener raises, so a failure is kept for the reader.
        """
        self._consumer.pause(*assigned)
        self.generation += 1
        async with self._lock:
            partitions = sorted((tp.topic, tp.partition) for tp in assigned)
            try:
                starts = await self._processor.assigned(partitions)
            except Exception as error:  # noqa: BLE001 - the reader raises it
                self._failure = error
                return
            self.next = {TopicPartition(*place): starts.get(place, 0) for place in partitions}
            for partition in self._consumer.assignment() & self.next.keys():
                self._consumer.seek(partition, self.next[partition])
                if self._resumes:
                    self._consumer.resume(partition)


def _grown(consumer: AIOKafkaConsumer, partitions: Sequence[Partition]) -> bool:
    """Whether a topic has more partitions than were assigned, by what the consumer heard from the brokers last."""
    counts = Counter(topic for topic, _ in partitions)
    return any(len(consumer.partitions_for_topic(topic) or ()) > count for topic, count in counts.items())
