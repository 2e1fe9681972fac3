"""Publishing to Kafka: whole batches, one a partition, each acknowledged before the next."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from pelton.eventkit.envelope import Headers

_partition_of = DefaultPartitioner()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to publish; the key's hash chooses its partition."""

    topic: str
    key: bytes
    headers: Headers
    value: bytes


class Publisher(Protocol):
    """Where the relay publishes."""

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Put the records on the bus in their order within each partition.

        Returns when all are acknowledged. After a failure some may be there and some not, but in each partition
        what is there has no hole, so that publishing the same records again is safe for readers that skip duplicates.
        """
        ...


class KafkaPublisher:
    """An idempotent producer that never has two batches of one partition under way.

    With two under way, the first could fail and the second arrive; a reader that keeps a high-water mark would
    then skip the first when it comes again.
    """

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            enable_idempotence=True,
            acks="all",
            max_batch_size=900_000,
            max_request_size=8 * 1024 * 1024,
        )
        await producer.start()
        self._producer = producer

    async def stop(self) -> None:
        """Flush and disconnect."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """See `Publisher.publish`."""
        if self._producer is None:
            await self.start()
        producer = self._producer
        assert producer is not None  # noqa: S101 - start() set it
        lanes: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
        places: dict[tuple[str, bytes], int] = {}
        for record in records:
            name = (record.topic, record.key)
            if name not in places:
                partitions = sorted(await producer.partitions_for(record.topic))
                places[name] = _partition_of(record.key, partitions, partitions)
            lanes[record.topic, places[name]].append(record)
        try:
            async with asyncio.TaskGroup() as group:
                for (topic, partition), lane in lanes.items():
                    group.create_task(_publish_lane(producer, topic, partition, lane))
        except BaseExceptionGroup as group_error:
            await self._discard()
            raise group_error.exceptions[0] from group_error

    async def _discard(self) -> None:
        """Give up a producer whose sequence numbers are in doubt; the next publish makes a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await asyncio.wait({asyncio.ensure_future(producer.stop())}, timeout=5)


async def _publish_lane(producer: AIOKafkaProducer, topic: str, partition: int, lane: Sequence[Outgoing]) -> None:
    builder = producer.create_batch()
    for record in lane:
        if builder.append(key=record.key, value=record.value, timestamp=None, headers=record.headers) is None:
            await (await producer.send_batch(builder, topic, partition=partition))
            builder = producer.create_batch()
            builder.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
    await (await producer.send_batch(builder, topic, partition=partition))
