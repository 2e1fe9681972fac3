"""Killed between any two steps, nothing is lost and nothing takes effect twice."""

import asyncio
from pathlib import Path

import pytest
from counting import counted as counted_of
from counting import dsn_of, handled, total, write
from in_process import records_of, relaying
from starting import MakeOwner, MakeUnits, Start

from pelton.eventkit.envelope import Envelope
from pelton.testkit import KafkaInstance, eventually

AMOUNTS = range(1, 41)
EXPECTED = sum(AMOUNTS)


@pytest.mark.parametrize("dies", ["before", "after"])
async def test_a_relay_killed_around_publishing_loses_and_repeats_nothing(
    broker: KafkaInstance, owner: str, make_units: MakeUnits, start: Start, dies: str, tmp_path: Path
) -> None:
    ours, theirs = await make_units(owner), await make_units(f"{owner}-reader")
    await write(ours, counted_of(owner), AMOUNTS)
    relay = start("relay", dsn=dsn_of(ours), owner=owner, kafka=broker.bootstrap, dies=dies)
    assert await relay.end() == -9
    published = len(await records_of(broker.bootstrap, f"pelton.{owner}"))
    assert published == (len(AMOUNTS) if dies == "after" else 0)

    consumer = {"dsn": dsn_of(theirs), "owner": owner, "service": theirs.service, "kafka": broker.bootstrap}
    start("consumer", **consumer, marker=str(tmp_path / "unused"))
    start("relay", dsn=dsn_of(ours), owner=owner, kafka=broker.bootstrap)

    await write(ours, counted_of(owner), [1000])

    async def last_arrived() -> bool:
        return any(effect.amount == 1000 for effect in await handled(theirs.engine))

    await eventually(last_arrived, timeout=30)
    assert await total(theirs.engine) == EXPECTED + 1000
    assert [effect.amount for effect in await handled(theirs.engine)] == [*AMOUNTS, 1000]
    records = await records_of(broker.bootstrap, f"pelton.{owner}")
    positions = [Envelope.from_headers(record.headers).position for record in records]
    assert sorted(set(positions)) == list(range(1, len(AMOUNTS) + 2))
    assert len(positions) - len(set(positions)) == published


async def test_a_consumer_killed_in_or_after_a_handler_repeats_cleanly(
    broker: KafkaInstance, make_owner: MakeOwner, make_units: MakeUnits, start: Start, tmp_path: Path
) -> None:
    async def survives(death: dict[str, int], last_effect: int) -> None:
        owner = await make_owner()
        ours, theirs = await make_units(owner), await make_units(f"{owner}-reader")
        await write(ours, counted_of(owner), AMOUNTS)
        options = {"dsn": dsn_of(theirs), "owner": owner, "service": theirs.service, "kafka": broker.bootstrap}
        options |= {"marker": str(tmp_path / owner), **death}
        async with relaying(broker.bootstrap, ours):
            assert await start("consumer", **options).end() == -9
            assert (await handled(theirs.engine))[-1].amount == last_effect
            start("consumer", **options)

            async def all_arrived() -> bool:
                return await total(theirs.engine) >= EXPECTED

            await eventually(all_arrived, timeout=30)
        assert await total(theirs.engine) == EXPECTED
        assert [effect.amount for effect in await handled(theirs.engine)] == list(AMOUNTS)

    # Side by side: the group waits 10 s for a member that died without a word.
    await asyncio.gather(survives({"dies_in_handler_of": 20}, 19), survives({"dies_after_handling": 20}, 20))
