"""Reading high-volume topics: batches of raw records, with offsets that the reader's owner stores with its state."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition

from pelton.eventkit.failures import is_transient
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.topics import partitions_of

log = structlog.get_logger(__name__)

Records = Sequence[ConsumerRecord[bytes, bytes]]
Partition = tuple[str, int]


class Processor(Protocol):
    """What is done with the records. Its state and the offsets it took commit together, wherever it keeps them."""

    async def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """These partitions are this replica's now; says from which offset each is to be read (0 when left out)."""
        ...

    async def process(self, batch: Mapping[Partition, Records]) -> None:
        """Take a batch, in order within each partition; state and next offsets are committed on return.

        A transient failure gives the same records again, after `assigned` was asked anew.
        """
        ...


class PartitionReader:
    """A consumer in the group `pelton.<service>.<name>`; partitions are shared out among replicas.

    One that is not `shared` takes every partition itself, whoever else reads: for work that one process does at a
    time, and which must not be split because the process before it has not left its group yet.

    Kafka's own committed offsets are written only so that lag can be seen and scaled on; nothing reads them back.
    """

    def __init__(
        self,
        bootstrap: str,
        group: str,
        processor: Processor,
        metrics: Metrics,
        *,
        max_records: int = 2000,
        shared: bool = True,
    ) -> None:
        self._bootstrap = bootstrap
        self._shared = shared
        self._group = group
        self._processor = processor
        self._metrics = metrics
        self._max_records = max_records
        self._topics: frozenset[str] = frozenset()
        self._changed = asyncio.Event()

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
        assignment = _Assignment(consumer, self._processor)
        if self._shared:
            consumer.subscribe(topics=sorted(self._topics), listener=assignment)
        await consumer.start()
        try:
            if not self._shared:
                partitions = await partitions_of(self._bootstrap, self._topics)
                await assignment.take(partitions)
            while not self._changed.is_set():
                generation = assignment.generation
                batch = await consumer.getmany(timeout_ms=200, max_records=self._max_records)
                async with assignment.settled(generation) as fresh:
                    if batch and fresh:
                        await self._process(batch)
                        assignment.next |= {tp: records[-1].offset + 1 for tp, records in batch.items()}
                        await self._note_progress(consumer, batch)
                if not self._shared and _grown(consumer, partitions):
                    return
        finally:
            await consumer.stop()

    async def _process(self, batch: Mapping[TopicPartition, Records]) -> None:
        began = perf_counter()
        await self._processor.process({(tp.topic, tp.partition): records for tp, records in batch.items()})
        self._metrics.handle_seconds.labels(self._group).observe(perf_counter() - began)
        self._metrics.handled.labels(self._group, "handled").inc(sum(map(len, batch.values())))

    async def _note_progress(self, consumer: AIOKafkaConsumer, batch: Mapping[TopicPartition, Records]) -> None:
        for partition, records in batch.items():
            end = consumer.highwater(partition)
            if end is not None:
                lag = max(0, end - records[-1].offset - 1)
                self._metrics.consumer_lag.labels(partition.topic, str(partition.partition)).set(lag)
        await consumer.commit({partition: records[-1].offset + 1 for partition, records in batch.items()})


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """Starts each partition that is handed over where its owner's state ends.

    `next` are the offsets that the processor is to be given next. `generation` grows with each assignment.
    """

    def __init__(self, consumer: AIOKafkaConsumer, processor: Processor) -> None:
        self._consumer = consumer
        self._processor = processor
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

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Nothing to do: state and offsets are committed with each batch."""

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
                self._consumer.resume(partition)


def _grown(consumer: AIOKafkaConsumer, partitions: Sequence[Partition]) -> bool:
    """Whether a topic has more partitions than were assigned, by what the consumer heard from the brokers last."""
    counts = Counter(topic for topic, _ in partitions)
    return any(len(consumer.partitions_for_topic(topic) or ()) > count for topic, count in counts.items())
