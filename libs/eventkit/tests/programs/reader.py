"""A partition reader that sums raw records, and can kill itself within its transaction or right after it."""

import asyncio
from collections.abc import Mapping, Sequence

from counting import ADD, die_once, options, prepared

from pelton.eventkit.reader import Partition, PartitionReader, Records
from pelton.eventkit.store import reader_offsets, save_reader_offsets
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.unit import Units

told = options()


class SummingProcessor:
    """Total and offsets in one transaction."""

    def __init__(self, units: Units) -> None:
        self._units = units
        self._batches = 0

    async def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:  # noqa: ARG002
        async with self._units.begin() as unit:
            return await reader_offsets(unit.connection, "sum")

    async def process(self, batch: Mapping[Partition, Records]) -> None:
        self._batches += 1
        async with self._units.begin() as unit:
            amount = sum(int(record.value) for records in batch.values() for record in records)
            await unit.connection.execute(ADD, {"amount": amount})
            if self._batches == told.get("dies_before_commit_of"):
                die_once(told["marker"])
            offsets = {partition: records[-1].offset + 1 for partition, records in batch.items()}
            await save_reader_offsets(unit.connection, "sum", offsets)
        if self._batches == told.get("dies_after_commit_of"):
            die_once(told["marker"])


async def main() -> None:
    processor = SummingProcessor(await prepared(told["dsn"], "reader"))
    reader = PartitionReader.of_records(told["kafka"], told["group"], processor, Metrics(), max_records=20)
    reader.read([told["topic"]])
    await reader.run()


asyncio.run(main())
