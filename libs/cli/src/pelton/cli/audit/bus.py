"""Kafka itself, read from the first record: what was really published."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from pelton.contracts.topics import CONTROL_OWNERS, control_topic
from pelton.contracts.values import OffsetRange
from pelton.eventkit.topics import partitions_of
from pelton.sdk.errors import NotReachableError

Item: TypeAlias = "ConsumerRecord[bytes, bytes]"


async def control_records(bootstrap: str) -> list[Item]:
    """Every record of the control topics that is there now, in order within each partition."""
    async with _consumer(bootstrap) as consumer:
        topics = map(control_topic, CONTROL_OWNERS)
        partitions = [TopicPartition(*one) for one in await partitions_of(bootstrap, topics)]
        starts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        return await _read(consumer, {one: (starts[one], ends[one]) for one in partitions})


async def ranges(bootstrap: str, wanted: Sequence[OffsetRange]) -> list[Item]:
    """Every record of the ranges, in their order.

    Raises:
        LookupError: some of them are there no longer, or never were.
    """
    found: list[Item] = []
    async with _consumer(bootstrap) as consumer:
        for one in wanted:
            partition = TopicPartition(one.topic, one.partition)
            first = (await consumer.beginning_offsets([partition]))[partition]
            end = (await consumer.end_offsets([partition]))[partition]
            if first > one.start or end < one.end:
                raise LookupError(
                    f"{one.topic}/{one.partition} has the records {first} to {end}, and those from {one.start} to "
                    f"{one.end} are wanted: they are gone"
                )
            found += await _read(consumer, {partition: (one.start, one.end)})
    return found


@asynccontextmanager
async def _consumer(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    # A partition that is assigned starts to find its position at once. That may end after a seek, and undo it:
    # then it must be the beginning, from which too much is read and left out, and never the end.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    try:
        await consumer.start()
        yield consumer
    except (KafkaError, OSError) as error:
        raise NotReachableError(f"Kafka at {bootstrap} does not answer ({error}). See `pelton status`.") from error
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, wanted: Mapping[TopicPartition, tuple[int, int]]) -> list[Item]:
    lanes: dict[TopicPartition, list[Item]] = defaultdict(list)
    waiting = {one for one, (start, end) in wanted.items() if start < end}
    consumer.assign(waiting)
    for one in waiting:
        consumer.seek(one, wanted[one][0])
    while waiting := {one for one in waiting if await consumer.position(one) < wanted[one][1]}:
        for partition, records in (await consumer.getmany(*waiting, timeout_ms=1000)).items():
            start, end = wanted[partition]
            lanes[partition] += [record for record in records if start <= record.offset < end]
    return [record for partition in sorted(lanes) for record in lanes[partition]]


async def extents(bootstrap: str, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int]]:
    """The first offset and the end of each partition."""
    wanted = [TopicPartition(*one) for one in sorted(partitions)]
    if not wanted:
        return {}
    async with _consumer(bootstrap) as consumer:
        starts = await consumer.beginning_offsets(wanted)
        ends = await consumer.end_offsets(wanted)
    return {(one.topic, one.partition): (starts[one], ends[one]) for one in wanted}
