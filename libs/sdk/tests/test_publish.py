"""Publishing to a real Kafka: what arrives, and what is told of events that it does not take."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from pelton.contracts.topics import data_topic
from pelton.sdk.errors import LostEventsError, NotReachableError
from pelton.sdk.publish import BATCH_BYTES, EventPublisher
from pelton.testkit import KafkaInstance
from pelton.testkit.topics import create_topics
from pelton.testkit.waiting import eventually


async def records(kafka: KafkaInstance, source: str, partitions: int = 1) -> list[list[ConsumerRecord[bytes, bytes]]]:
    """All that is in each partition of a source's topic."""
    places = [TopicPartition(data_topic(source), partition) for partition in range(partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: list[list[ConsumerRecord[bytes, bytes]]] = []
        for place in places:
            await consumer.seek_to_beginning(place)
            taken: list[ConsumerRecord[bytes, bytes]] = []
            while len(taken) < ends[place]:
                taken += (await consumer.getmany(place, timeout_ms=1000)).get(place, [])
            found.append(taken)
        return found
    finally:
        await consumer.stop()


def ids(taken: Sequence[ConsumerRecord[bytes, bytes]]) -> list[str]:
    return [dict(record.headers)["ce_id"].decode() for record in taken]


async def test_events_arrive_as_cloudevents_and_those_of_a_key_in_order(kafka: KafkaInstance, unique: str) -> None:
    await create_topics(kafka.bootstrap, {data_topic(unique): 3})
    async with EventPublisher(kafka.bootstrap, origin="/tests") as publisher:
        for number in range(300):
            data = {"number": number, "missing": float("nan")}
            await publisher.send(unique, f"e{number}", f"key {number % 7}", data, traceparent="00-1-2-01")
        await publisher.flush()
        taken = await records(kafka, unique, 3)
        await publisher.send(unique, "last", "key 0", b'{"number": 300}')
    whole = [record for part in taken for record in part]
    assert sorted(ids(whole)) == sorted(f"e{number}" for number in range(300))
    assert dict(whole[0].headers) == {
        "ce_specversion": b"1.0",
        "ce_id": ids(whole)[0].encode(),
        "ce_source": b"/tests",
        "ce_type": f"pelton.data.{unique}".encode(),
        "content-type": b"application/json",
        "traceparent": b"00-1-2-01",
    }
    for part in taken:
        for key in {record.key for record in part}:
            numbers = [json.loads(record.value or b"")["number"] for record in part if record.key == key]
            assert numbers == sorted(numbers)
    assert json.loads(whole[0].value or b"")["missing"] is None
    assert "last" in [one for part in await records(kafka, unique, 3) for one in ids(part)]


async def test_many_senders_at_once_lose_nothing_and_keep_their_order(kafka: KafkaInstance, unique: str) -> None:
    await create_topics(kafka.bootstrap, {data_topic(unique): 1})
    padding = "x" * (BATCH_BYTES // 10)
    async with EventPublisher(kafka.bootstrap, origin="/tests") as publisher:

        async def send(sender: int) -> None:
            for number in range(15):
                await publisher.send(unique, f"{sender}/{number}", "k", {"padding": padding})

        await asyncio.gather(*(send(sender) for sender in range(8)))
    (taken,) = await records(kafka, unique)
    for sender in range(8):
        assert [one for one in ids(taken) if one.startswith(f"{sender}/")] == [f"{sender}/{n}" for n in range(15)]


async def test_events_that_kafka_does_not_take_are_told_by_id_and_the_others_are_in(
    kafka: KafkaInstance, unique: str
) -> None:
    strict, open_ = f"{unique}-strict", f"{unique}-open"
    await create_topics(kafka.bootstrap, {data_topic(open_): 1})
    await create_strict(kafka.bootstrap, data_topic(strict))
    publisher = EventPublisher(kafka.bootstrap, origin="/tests")
    async with publisher:
        await publisher.send(open_, "good", "k", {})
        await publisher.send(strict, "large", "k", {"padding": "x" * 5000})
        await publisher.send(strict, "beside", "k", {})
        with pytest.raises(LostEventsError, match=r"'large' of .*-strict' and 1 more: .*same ids") as lost:
            await publisher.flush()
        assert lost.value.event_ids == {strict: ["large", "beside"]}
        assert ids((await records(kafka, open_))[0]) == ["good"]
        # It is told once, and what comes after goes on.
        await publisher.send(strict, "small", "k", {})
        await publisher.flush()
    assert ids((await records(kafka, strict))[0]) == ["small"]


async def test_the_end_of_the_block_tells_of_lost_events_but_not_over_the_blocks_own_error(
    kafka: KafkaInstance, unique: str
) -> None:
    await create_strict(kafka.bootstrap, data_topic(unique))
    with pytest.raises(LostEventsError, match="'large'"):
        async with EventPublisher(kafka.bootstrap, origin="/tests") as publisher:
            await publisher.send(unique, "large", "k", {"padding": "x" * 5000})

    async def fail() -> None:
        async with EventPublisher(kafka.bootstrap, origin="/tests") as publisher:
            await publisher.send(unique, "large", "k", {"padding": "x" * 5000})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()


async def test_a_kafka_that_is_not_there_is_told_with_its_address() -> None:
    with pytest.raises(NotReachableError, match=r"127\.0\.0\.1:1 .*pelton status"):
        async with EventPublisher("127.0.0.1:1", origin="/tests"):
            pass


async def create_strict(bootstrap: str, topic: str) -> None:
    """A topic that takes small messages only."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": "1000"})])

        async def led() -> bool:
            (found,) = await admin.describe_topics([topic])
            return bool(found["partitions"]) and found["partitions"][0]["leader"] >= 0

        await eventually(led)
    finally:
        await admin.close()
