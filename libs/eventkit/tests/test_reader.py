"""A partition reader's state and offsets are one transaction: whenever it is killed, its sum is exact."""

import asyncio
from pathlib import Path

from counting import dsn_of, total
from starting import MakeUnits, Start

from pelton.eventkit.publisher import KafkaPublisher, Outgoing
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
