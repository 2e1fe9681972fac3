"""What the audit asks of Kafka."""

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from pelton.contracts.topics import CONTROL_OWNERS, control_topic
from pelton.eventkit.reader import Partition
from pelton.eventkit.topics import partitions_of


async def ends(bootstrap: str) -> Mapping[Partition, int]:
    """Where the control topics end now, by topic and partition."""
    partitions = [TopicPartition(*one) for one in await partitions_of(bootstrap, map(control_topic, CONTROL_OWNERS))]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        found = await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
    return {(tp.topic, tp.partition): end for tp, end in found.items()}
