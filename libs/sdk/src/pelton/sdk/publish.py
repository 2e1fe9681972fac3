"""Publishing events of an upstream system straight to Kafka, as CloudEvents in binary mode."""

import asyncio
from collections.abc import Mapping
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from pelton.contracts.topics import data_topic

BATCH_BYTES = 512 * 1024
_encoder = msgspec.json.Encoder()
_partition_of = DefaultPartitioner()


class EventPublisher:
    """Sends events of sources; use it as an async context manager, whose end waits for all to be acknowledged.

    The id makes an event count once, however often it is sent; the key keeps events of one thing in order. Events
    travel in batches that are filled here: call `flush` to let those go that wait for more.
    """

    def __init__(self, kafka: str, *, origin: str) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
        )
        self._origin = origin.encode()
        self._partitions: dict[str, list[int]] = {}
        self._open: dict[tuple[str, int], BatchBuilder] = {}
        self._sent: list[asyncio.Future[Any]] = []

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self.flush()
        finally:
            await self._producer.stop()

    async def send(
        self, source: str, event_id: str, key: str, data: Mapping[str, Any] | bytes, *, traceparent: str | None = None
    ) -> None:
        """Hand an event over; `data` is its fields, or their JSON. It is acknowledged after `flush`."""
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", event_id.encode()),
            ("ce_source", self._origin),
            ("ce_type", f"pelton.data.{source}".encode()),
            ("content-type", b"application/json"),
        ]
        if traceparent is not None:
            headers.append(("traceparent", traceparent.encode()))
        value = data if isinstance(data, bytes) else _encoder.encode(data)
        name, place = key.encode(), await self._lane(source, key.encode())
        if place in self._open:
            if self._open[place].append(key=name, value=value, timestamp=None, headers=headers) is not None:
                return
            await self._let_go(place)
        builder = self._open[place] = self._producer.create_batch()
        builder.append(key=name, value=value, timestamp=None, headers=headers)

    async def flush(self) -> None:
        """Wait until every event is acknowledged.

        Raises:
            KafkaError: some were not; sending them all again counts none twice.
        """
        for place in list(self._open):
            await self._let_go(place)
        sent, self._sent = self._sent, []
        await asyncio.gather(*sent)

    async def _lane(self, source: str, key: bytes) -> tuple[str, int]:
        topic = data_topic(source)
        if topic not in self._partitions:
            self._partitions[topic] = sorted(await self._producer.partitions_for(topic))
        partitions = self._partitions[topic]
        return topic, _partition_of(key, partitions, partitions)

    async def _let_go(self, place: tuple[str, int]) -> None:
        topic, partition = place
        self._sent.append(await self._producer.send_batch(self._open.pop(place), topic, partition=partition))
