"""One relay leads; positions have no gap; facts of one stream stay in order, whoever commits when."""

import asyncio
from collections import defaultdict

from counting import counted as counted_of
from counting import dsn_of, write
from in_process import records_of, relaying
from starting import MakeUnits, Start

from pelton.eventkit.envelope import Envelope
from pelton.eventkit.store import ConcurrencyConflictError, page
from pelton.eventkit.unit import Units
from pelton.testkit import KafkaInstance, eventually


async def published(broker: KafkaInstance, owner: str) -> list[Envelope]:
    """The envelopes on the owner's topic, in order within each partition."""
    return [Envelope.from_headers(record.headers) for record in await records_of(broker.bootstrap, f"pelton.{owner}")]


async def positions(units: Units) -> list[int]:
    async with units.begin() as unit:
        return [row["position"] for row in await page(unit.connection, 0, 10_000)]


def assert_in_order(envelopes: list[Envelope]) -> None:
    """A reader that skips duplicates by position sees each stream's versions from 1 on, in order."""
    versions: dict[str, list[int]] = defaultdict(list)
    highest: dict[str, int] = defaultdict(int)
    for envelope in envelopes:
        if envelope.position > highest[envelope.subject]:
            highest[envelope.subject] = envelope.position
            versions[envelope.subject].append(envelope.stream_version)
    for stream, seen in versions.items():
        assert seen == list(range(1, len(seen) + 1)), stream


async def test_of_two_relays_one_leads_and_the_other_takes_over_when_it_is_killed(
    broker: KafkaInstance, owner: str, make_units: MakeUnits, start: Start
) -> None:
    units = await make_units(owner)
    options = {"dsn": dsn_of(units), "owner": owner, "kafka": broker.bootstrap}
    relays = [start("relay", **options), start("relay", **options)]
    leader = await eventually(lambda: next((relay for relay in relays if relay.says("relay leads")), None), timeout=30)
    (other,) = (relay for relay in relays if relay is not leader)
    stop = asyncio.Event()

    async def keep_writing() -> int:
        written = 0
        while not stop.is_set():
            await write(units, counted_of(owner), range(20), f"accounts/{written % 3}")
            written += 20
        return written

    writing = asyncio.create_task(keep_writing())

    async def some_published() -> bool:
        return len(await published(broker, owner)) > 40

    await eventually(some_published, timeout=20)
    assert not other.says("relay leads")
    leader.kill()
    await eventually(lambda: other.says("relay leads"), timeout=5)
    stop.set()
    written = await writing

    async def all_published() -> bool:
        return len({envelope.position for envelope in await published(broker, owner)}) == written

    await eventually(all_published, timeout=20)
    envelopes = await published(broker, owner)
    assert {envelope.position for envelope in envelopes} == set(range(1, written + 1))
    assert_in_order(envelopes)


async def test_a_transaction_that_commits_late_is_not_skipped(
    broker: KafkaInstance, owner: str, make_units: MakeUnits
) -> None:
    units = await make_units(owner)
    fact = counted_of(owner)
    async with relaying(broker.bootstrap, units):
        async with units.begin() as late:
            await late.append_to("accounts/late", [fact(amount=1)], expected=0)
            await write(units, fact, [2, 3], "accounts/early")

            async def early_are_out() -> bool:
                return await positions(units) == [1, 2]

            await eventually(early_are_out)

        async def all_are_out() -> bool:
            return len(await published(broker, owner)) == 3

        await eventually(all_are_out)
    order = sorted((envelope.position, envelope.subject) for envelope in await published(broker, owner))
    assert order == [(1, "accounts/early"), (2, "accounts/early"), (3, "accounts/late")]


async def test_eight_writers_to_few_streams_leave_no_gap_and_no_disorder(
    broker: KafkaInstance, owner: str, make_units: MakeUnits
) -> None:
    units = await make_units(owner)
    fact = counted_of(owner)
    each, writers = 30, 8

    async def write_some(writer: int) -> None:
        done = 0
        while done < each:
            stream = f"accounts/{(writer + done) % 3}"
            try:
                await write(units, fact, [writer], stream)
            except ConcurrencyConflictError:
                continue
            done += 1

    async with relaying(broker.bootstrap, units):
        await asyncio.gather(*(write_some(writer) for writer in range(writers)))

        async def all_are_out() -> bool:
            return len(await published(broker, owner)) == each * writers

        await eventually(all_are_out, timeout=20)
    assert await positions(units) == list(range(1, each * writers + 1))
    envelopes = await published(broker, owner)
    assert sorted(envelope.position for envelope in envelopes) == list(range(1, each * writers + 1))
    assert_in_order(envelopes)
    assert {envelope.subject for envelope in envelopes} == {"accounts/0", "accounts/1", "accounts/2"}
