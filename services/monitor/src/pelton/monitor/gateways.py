"""The monitor's edge to Kafka besides its reader: how far partitions reach."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from pelton.eventkit.reader import Partition


class Reach(Protocol):
    """Knows where partitions end."""

    async def ends(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offset after the last record of each partition, now."""
        ...


class KafkaReach:
    """Asks the brokers."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def ends(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """See `Reach.ends`."""
        if not partitions:
            return {}
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            found = await consumer.end_offsets([TopicPartition(*place) for place in partitions])
            return {(place.topic, place.partition): end for place, end in found.items()}
        finally:
            await consumer.stop()
