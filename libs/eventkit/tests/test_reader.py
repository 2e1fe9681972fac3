"""A partition reader's state and offsets are one transaction: whenever it is killed, its sum is exact."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from counting import dsn_of, total
from in_process import background
from starting import MakeUnits, Start

from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.reader import Partition, PartitionReader, Records
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.testkit import KafkaInstance, create_topics, eventually

NUMBERS = range(1, 201)


async def test_a_reader_killed_around_its_commit_has_an_exact_sum(
    broker: KafkaInstance, unique: str, make_units: MakeUnits, start: Start, tmp_path: Path
) -> None:
    await create_topics(broker.bootstrap, {unique: 2})
    publisher = KafkaPublisher(broker.bootstrap, "numbers")
    await publisher.publish([Outgoing(unique, str(n).encode(), [], str(n).encode()) for n in NUMBERS])
    await publisher.stop()

    async def survives(death: str) -> None:
        units = await make_units("reader")
        options = {"dsn": dsn_of(units), "kafka": broker.bootstrap, "topic": unique, "group": f"{unique}.{death}"}
        options |= {"marker": str(tmp_path / death)}
        assert await start("reader", **options, **{death: 3}).end() == -9
        assert 0 < await total(units.engine) < sum(NUMBERS)
        start("reader", **options, **{death: 3})

        async def all_read() -> bool:
            return await total(units.engine) >= sum(NUMBERS)

        await eventually(all_read, timeout=30)
        assert await total(units.engine) == sum(NUMBERS)

    # Side by side: the group waits 10 s for a member that died without a word.
    await asyncio.gather(survives("dies_before_commit_of"), survives("dies_after_commit_of"))


class Seeing:
    """Counts the records of each partition."""

    def __init__(self) -> None:
        self.assignments: list[Sequence[Partition]] = []
        self.records: Counter[Partition] = Counter()

    async def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        self.assignments.append(partitions)
        return {}

    async def process(self, batch: Mapping[Partition, Records]) -> None:
        self.records.update({partition: len(records) for partition, records in batch.items()})


async def test_a_reader_that_shares_with_nobody_takes_every_partition_whoever_is_in_its_group(
    broker: KafkaInstance, unique: str
) -> None:
    await create_topics(broker.bootstrap, {unique: 2})
    publisher = KafkaPublisher(broker.bootstrap, "numbers")
    await publisher.publish([Outgoing(unique, str(n).encode(), [], b"1") for n in range(20)])
    await publisher.stop()
    partitions = [(unique, 0), (unique, 1)]
    metrics = Metrics()

    async def reads_all() -> None:
        seeing = Seeing()
        reader = PartitionReader.of_records(broker.bootstrap, f"{unique}.one", seeing, metrics, shared=False)
        reader.read([unique])
        async with background(reader.run()):
            await eventually(lambda: seeing.records.total() == 20)
            assert seeing.assignments == [partitions]
            assert sorted(seeing.records) == partitions

    await asyncio.gather(reads_all(), reads_all())
    counted = {"handler": f"{unique}.one", "outcome": "handled"}
    assert metrics.registry.get_sample_value("pelton_handled_total", counted) == 40
    assert metrics.registry.get_sample_value("pelton_handle_seconds_count", {"handler": f"{unique}.one"})
