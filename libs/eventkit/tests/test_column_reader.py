"""Read by columns, each record comes once and in order, whatever befalls the topic and the broker."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from in_process import background

from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.reader import Partition, PartitionReader, RecordColumns
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.testkit import KafkaInstance, create_topics, eventually


class Keeping:
    """Keeps values and next offsets together, as an owner of state does."""

    def __init__(self) -> None:
        self.values: dict[Partition, list[int]] = defaultdict(list)
        self.next: dict[Partition, int] = {}

    async def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        return {partition: self.next.get(partition, 0) for partition in partitions}

    async def process(self, batch: Mapping[Partition, RecordColumns]) -> None:
        for partition, records in batch.items():
            self.values[partition] += [int(value) for value in records.values()]
            self.next[partition] = records.next_offset


async def publish(broker: KafkaInstance, topic: str, numbers: Sequence[int]) -> None:
    publisher = KafkaPublisher(broker.bootstrap, "numbers")
    await publisher.publish([Outgoing(topic, str(n).encode(), [], str(n).encode()) for n in numbers])
    await publisher.stop()


async def test_each_record_comes_once_across_restarts_of_the_broker_and_new_topics(unique: str) -> None:
    broker = KafkaInstance()
    broker.start()
    keeping = Keeping()
    try:
        await create_topics(broker.bootstrap, {f"{unique}.a": 2, f"{unique}.b": 1})
        await publish(broker, f"{unique}.a", range(100))
        reader = PartitionReader.of_columns(broker.bootstrap, unique, keeping, Metrics())
        reader.read([f"{unique}.a"])
        async with background(reader.run()):
            await eventually(lambda: sum(map(len, keeping.values.values())) == 100, timeout=30)
            broker.restart()
            await publish(broker, f"{unique}.a", range(100, 200))
            reader.read([f"{unique}.b"])
            await publish(broker, f"{unique}.b", range(200, 300))
            await eventually(lambda: sum(map(len, keeping.values.values())) == 300, timeout=60)
    finally:
        broker.discard()
    assert sorted(number for values in keeping.values.values() for number in values) == list(range(300))
    assert all(values == sorted(values) for values in keeping.values.values())


async def test_where_records_were_deleted_reading_goes_on_after_them(broker: KafkaInstance, unique: str) -> None:
    await create_topics(broker.bootstrap, {unique: 1})
    await publish(broker, unique, range(10))
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(unique, 0): RecordsToDelete(before_offset=4)})
    await admin.close()
    keeping = Keeping()
    reader = PartitionReader.of_columns(broker.bootstrap, unique, keeping, Metrics())
    reader.read([unique])
    async with background(reader.run()):
        await eventually(lambda: keeping.next == {(unique, 0): 10}, timeout=30)
    assert keeping.values == {(unique, 0): list(range(4, 10))}
