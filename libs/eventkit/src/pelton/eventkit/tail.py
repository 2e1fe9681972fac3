"""Following a control topic from its beginning: for readers whose state is only in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import ValidationError

from pelton.contracts.fact import Fact, UnknownFactError, fact_class
from pelton.contracts.topics import control_topic
from pelton.eventkit.envelope import Envelope, InvalidEnvelopeError, Received
from pelton.eventkit.failures import is_transient

log = structlog.get_logger(__name__)


F = TypeVar("F", bound=Fact)
See = Callable[[Received[Fact]], Awaitable[None]]


def only(kind: type[F], see: Callable[[Received[F]], Awaitable[None]]) -> See:
    """Pass on the facts of one kind."""

    async def see_it(event: Received[Fact]) -> None:
        if isinstance(event.data, kind):
            await see(Received(event.envelope, event.data))

    return see_it


class Tail:
    """Reads every fact of one owner, without a group; `caught_up` is set once all that was there has been seen.

    Duplicates are passed over, by position within each partition.
    """

    def __init__(self, bootstrap: str, owner: str, see: See) -> None:
        self._bootstrap = bootstrap
        self._owner = owner
        self._see = see
        self._next: dict[TopicPartition, int] = {}
        self._seen: dict[TopicPartition, int] = {}
        self.caught_up = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled; ride out a broker that restarts."""
        while True:
            try:
                await self._follow()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("tail interrupted", owner=self._owner, reason=str(error) or type(error).__name__)
                await asyncio.sleep(0.5)

    async def _follow(self) -> None:
        topic = control_topic(self._owner)
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=self._bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            partitions = consumer.assignment()
            if not partitions:
                raise ConnectionError(f"topic {topic} is not there yet")
            for partition in partitions:
                consumer.seek(partition, self._next.get(partition, 0))
            ends = await consumer.end_offsets(partitions)
            while True:
                if all(self._next.get(partition, 0) >= end for partition, end in ends.items()):
                    self.caught_up.set()
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        await self._take(partition, record.headers, record.value)
                    self._next[partition] = records[-1].offset + 1
        finally:
            await consumer.stop()

    async def _take(self, partition: TopicPartition, headers: tuple[tuple[str, bytes], ...], value: bytes) -> None:
        try:
            envelope = Envelope.from_headers(headers)
            if envelope.position <= self._seen.get(partition, 0):
                return
            await self._see(Received(envelope, fact_class(envelope.type).from_bytes(value)))
            self._seen[partition] = envelope.position
        except (InvalidEnvelopeError, UnknownFactError, ValidationError) as error:
            log.warning("record passed over", topic=partition.topic, partition=partition.partition, reason=str(error))
