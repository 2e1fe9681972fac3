"""A broker or a PostgreSQL that goes and comes back is ridden out by everything that uses it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from counting import Amount, add, handled, prepared, total, write
from counting import counted as counted_of
from in_process import background, consuming, relaying
from sqlalchemy import text
from starting import MakeOwner

from pelton.contracts.fact import Fact
from pelton.eventkit.envelope import Envelope, Received
from pelton.eventkit.failures import is_transient
from pelton.eventkit.handlers import subscribe
from pelton.eventkit.jobs import Job, JobRunner
from pelton.eventkit.reader import Partition, PartitionReader, Records
from pelton.eventkit.store import reader_offsets, save_reader_offsets
from pelton.eventkit.tail import Tail
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.testkit import KafkaInstance, PostgresInstance, eventually


class Summing:
    """Sums the facts of a topic as a reader of raw records: repeated ones are its own to pass over, by position."""

    def __init__(self, units: Units) -> None:
        self._units = units

    async def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:  # noqa: ARG002
        async with self._units.begin() as unit:
            return await reader_offsets(unit.connection, "sum")

    async def process(self, batch: Mapping[Partition, Records]) -> None:
        async with self._units.begin() as unit:
            seen = (await unit.connection.execute(text("SELECT coalesce(max(position), 0) FROM handled"))).scalar_one()
            for record in (record for records in batch.values() for record in records):
                envelope = Envelope.from_headers(record.headers)
                if envelope.position > seen:
                    seen = envelope.position
                    await add(Received(envelope, Amount.from_bytes(record.value)), unit)
            offsets = {partition: records[-1].offset + 1 for partition, records in batch.items()}
            await save_reader_offsets(unit.connection, "sum", offsets)


@dataclass
class PatientWriter:
    """Writes each amount once, however often PostgreSQL refuses."""

    units: Units
    fact: type[Amount]
    refused: int = 0
    written: int = 0

    async def write(self, amounts: range) -> None:
        for amount in amounts:
            await eventually(lambda amount=amount: self._once(amount), timeout=30)

    async def _once(self, amount: int) -> bool:
        try:
            await write(self.units, self.fact, [amount])
        except Exception as error:
            if not is_transient(error):
                raise
            self.refused += 1
            return False
        self.written += 1
        return True


@pytest.mark.parametrize("end", ["stop", "crash"])
@pytest.mark.parametrize("server", ["broker", "postgres"])
async def test_everything_rides_out_an_outage(
    broker: KafkaInstance, postgres_outage: PostgresInstance, make_owner: MakeOwner, server: str, end: str
) -> None:
    out = broker if server == "broker" else postgres_outage
    owner = await make_owner()
    fact = counted_of(owner)
    ours, theirs, sums = [
        await prepared(postgres_outage.database(), name) for name in (owner, f"{owner}-reader", "reader")
    ]
    tailed: list[int] = []
    worked: list[str] = []

    @subscribe(fact, id="tests.add")
    async def on_counted(event: Received[Amount], unit: UnitOfWork) -> None:
        await add(event, unit)
        await unit.enqueue("count", str(event.data.amount), {})

    async def see(event: Received[Fact]) -> None:
        assert isinstance(event.data, Amount)
        tailed.append(event.data.amount)

    async def work(job: Job) -> None:
        worked.append(job.id)

    reader = PartitionReader.of_records(broker.bootstrap, f"{owner}.sum", Summing(sums), Metrics())
    reader.read([f"pelton.{owner}"])

    async def reached(amounts: range) -> bool:
        assert [effect.amount for effect in await handled(theirs.engine)] == list(amounts)
        assert tailed == list(amounts)
        assert set(worked) == {f"count/{amount}" for amount in amounts}
        assert await total(sums.engine) == sum(amounts)
        return True

    async with AsyncExitStack() as stack:
        for units in (ours, theirs, sums):
            stack.push_async_callback(units.engine.dispose)
        await stack.enter_async_context(relaying(broker.bootstrap, ours))
        await stack.enter_async_context(consuming(broker.bootstrap, theirs, on_counted))
        await stack.enter_async_context(background(reader.run()))
        await stack.enter_async_context(background(Tail(broker.bootstrap, owner, see).run()))
        await stack.enter_async_context(background(JobRunner(theirs.engine, {"count": work}, pause=0.1).run()))
        writer = PatientWriter(ours, fact)
        await writer.write(range(1, 11))
        await eventually(lambda: reached(range(1, 11)), timeout=30)

        out.stop() if end == "stop" else out.crash()
        writing = asyncio.create_task(writer.write(range(11, 21)))
        # All of them run on while it is away: the writer is refused, or fills the outbox.
        await eventually(lambda: writer.written == 20 if server == "broker" else writer.refused >= 3, timeout=30)
        out.start()
        await writing
        await eventually(lambda: reached(range(1, 21)), timeout=40)
