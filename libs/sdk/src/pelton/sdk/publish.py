"""Publishing events of an upstream system straight to Kafka, as CloudEvents in binary mode."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from pelton.contracts.topics import data_topic
from pelton.sdk.errors import LostEventsError, NotReachableError, PeltonError

BATCH_BYTES = 512 * 1024
_encoder = msgspec.json.Encoder()
_partition_of = DefaultPartitioner()

Place = tuple[str, int]


@dataclass(slots=True)
class _Batch:
    """Events of one partition, and their ids, to tell which were lost."""

    source: str
    builder: BatchBuilder
    ids: list[str] = field(default_factory=list)


class EventPublisher:
    """Sends events of sources; use it as an async context manager, whose end waits for all to be acknowledged.

    The id makes an event count once, however often it is sent; the key keeps events of one thing in order. Events
    travel in batches that are filled here: call `flush` to let those go that wait for more. What Kafka did not take
    is told by `flush` and at the end of the block.
    """

    def __init__(self, kafka: str, *, origin: str) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
        )
        self._kafka = kafka
        self._origin = origin.encode()
        self._partitions: dict[str, list[int]] = {}
        self._open: dict[Place, _Batch] = {}
        self._sent: list[tuple[_Batch, asyncio.Future[Any]]] = []
        # Whoever lets a batch go waits for room; another's event must not overtake it, nor its batch be replaced.
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise NotReachableError(
                f"Kafka does not answer on {self._kafka} ({_words(error)}). Is the platform up? See `pelton status`."
            ) from error
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
        """Hand an event over; `data` is its fields, or their JSON. It is acknowledged after `flush`.

        Of fields a NaN or an infinity, which JSON cannot say, is sent as null.

        Raises:
            PeltonError: the source is not registered, or Kafka does not say so.
            LostEventsError: Kafka has had no room for events before this one for too long.
        """
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
        if self._append(place, event_id, name, value, headers):
            return
        async with self._turn:
            while not self._append(place, event_id, name, value, headers):
                if place in self._open:
                    await self._let_go(place)
                self._open.setdefault(place, _Batch(source, self._producer.create_batch()))

    async def flush(self) -> None:
        """Wait until every event is acknowledged.

        Raises:
            LostEventsError: Kafka did not take some of those since the last flush.
        """
        async with self._turn:
            for place in list(self._open):
                await self._let_go(place)
            sent, self._sent = self._sent, []
        answers = await asyncio.gather(*(future for _, future in sent), return_exceptions=True)
        failed = [(batch, answer) for (batch, _), answer in zip(sent, answers, strict=True) if _is_error(answer)]
        if failed:
            raise _lost([batch for batch, _ in failed], failed[0][1])

    def _append(self, place: Place, event_id: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> bool:
        batch = self._open.get(place)
        if batch is None or batch.builder.append(key=key, value=value, timestamp=None, headers=headers) is None:
            return False
        batch.ids.append(event_id)
        return True

    async def _lane(self, source: str, key: bytes) -> Place:
        topic = data_topic(source)
        if topic not in self._partitions:
            try:
                self._partitions[topic] = sorted(await self._producer.partitions_for(topic))
            except UnknownTopicOrPartitionError as error:
                raise PeltonError(f"there is no source {source!r}: register it first, see `pelton apply`") from error
            except KafkaError as error:
                raise NotReachableError(f"Kafka does not say where {topic} is: {_words(error)}") from error
        partitions = self._partitions[topic]
        return topic, _partition_of(key, partitions, partitions)

    async def _let_go(self, place: Place) -> None:
        topic, partition = place
        batch = self._open.pop(place)
        try:
            future = await self._producer.send_batch(batch.builder, topic, partition=partition)
        except KafkaError as error:
            raise _lost([batch], error) from error
        self._sent.append((batch, future))


def _is_error(answer: object) -> bool:
    return isinstance(answer, BaseException)


def _words(error: object) -> str:
    return str(error) or type(error).__name__


def _lost(batches: list[_Batch], reason: object) -> LostEventsError:
    ids: dict[str, list[str]] = {}
    for batch in batches:
        ids.setdefault(batch.source, []).extend(batch.ids)
    count = sum(map(len, ids.values()))
    source, first = batches[0].source, batches[0].ids[0]
    which = f"event {first!r} of {source!r}" + (f" and {count - 1} more" if count > 1 else "")
    return LostEventsError(
        f"Kafka did not take {which}: {_words(reason)}. Send them again under the same ids: each counts once.", ids
    )
