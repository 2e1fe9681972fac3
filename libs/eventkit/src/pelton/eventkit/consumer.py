"""The control topics of other services, through FastStream, into the dispatcher."""

import asyncio
import logging
from collections import defaultdict
from typing import cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from pelton.contracts.topics import control_topic
from pelton.eventkit.dead_letters import Message
from pelton.eventkit.dispatch import Dispatcher

BATCH = 200


class ControlConsumer:
    """One subscriber for each owner that some handler waits for, each in a group of its own.

    A batch is acknowledged after every message in it has been handled or set aside: FastStream's own default
    for Kafka acknowledges first, and a crash would then lose what was under way. The partitions of one batch go on
    side by side; the next batch waits for all of them, and so for a transient failure in any. Other owners' do not.
    """

    def __init__(self, bootstrap: str, service: str, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self.broker = KafkaBroker(
            bootstrap,
            client_id=f"pelton-{service}",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            allow_auto_create_topics=False,
            apply_types=False,
            decoder=_leave_as_it_is,
            graceful_timeout=30,
            logger=logging.getLogger("pelton.faststream"),
            log_level=logging.DEBUG,
        )
        for owner in sorted(dispatcher.owners):
            subscriber = self.broker.subscriber(
                control_topic(owner),
                group_id=f"pelton.{service}.{owner}",
                batch=True,
                max_records=BATCH,
                auto_offset_reset="earliest",
            )
            subscriber(self._on_batch)

    async def start(self) -> None:
        """Join the groups and begin."""
        await self.broker.start()

    async def stop(self) -> None:
        """Let the handlers under way finish and commit, then leave the groups."""
        self._dispatcher.stop_repeating()
        await self.broker.stop()

    async def _on_batch(self, message: KafkaMessage) -> None:
        lanes: dict[tuple[str, int], list[ConsumerRecord[bytes, bytes]]] = defaultdict(list)
        records = message.raw_message if isinstance(message.raw_message, tuple) else (message.raw_message,)
        for record in records:
            lanes[record.topic, record.partition].append(record)
        # A lane that stops at a failure does not cancel the handlers of the others; then none is acknowledged.
        outcomes = await asyncio.gather(*map(self._in_order, lanes.values()), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        for (topic, partition), lane in lanes.items():
            end = cast("AIOKafkaConsumer", message.consumer).highwater(TopicPartition(topic, partition))
            if end is not None:
                self._dispatcher.note_lag(topic, partition, max(0, end - lane[-1].offset - 1))

    async def _in_order(self, lane: list[ConsumerRecord[bytes, bytes]]) -> None:
        for record in lane:
            await self._dispatcher.dispatch(Message.from_record(record))


async def _leave_as_it_is(message: KafkaMessage) -> KafkaMessage:
    return message
