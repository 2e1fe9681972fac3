"""Of several processes one works; one that lost its lock stops, and until it knows, commits nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from counting import dsn_of
from in_process import background
from sqlalchemy import text
from starting import MakeUnits

from pelton.eventkit.leadership import Leadership, LeadershipLostError
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.unit import Units
from pelton.testkit import eventually


class Replica:
    """A process that would do the work, and keeps what happened to it."""

    def __init__(self, units: Units) -> None:
        self.units = units
        self.metrics = Metrics()
        self.leadership = Leadership(dsn_of(units), "tests.work", self.metrics)
        self.leadership.when_over(lambda: self.story.append("over"))
        self.story: list[str] = []

    async def work(self) -> None:
        self.story.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            self.story.append("stopped")

    def shows(self) -> float:
        return self.metrics.registry.get_sample_value("pelton_leading", {"work": "tests.work"}) or 0.0


@pytest.fixture
async def replicas(make_units: MakeUnits) -> AsyncIterator[list[Replica]]:
    units = await make_units("tests")
    pair = [Replica(units), Replica(units)]
    async with AsyncExitStack() as stack:
        for replica in pair:
            await stack.enter_async_context(background(replica.leadership.lead(replica.work)))
        yield pair


async def leader_of(replicas: list[Replica]) -> tuple[Replica, Replica]:
    """Who works, and who stands by."""
    first = await eventually(lambda: next((one for one in replicas if one.story[-1:] == ["begun"]), None))
    return first, next(one for one in replicas if one is not first)


async def take_lock_away(units: Units) -> None:
    async with units.engine.connect() as connection:
        holder = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        await connection.execute(text(holder))


async def test_a_standby_begins_when_the_leader_lost_its_lock_and_stopped(replicas: list[Replica]) -> None:
    leader, standby = await leader_of(replicas)
    assert (leader.leadership.leading, leader.shows()) == (True, 1)
    assert (standby.story, standby.leadership.leading, standby.shows()) == ([], False, 0)
    await take_lock_away(leader.units)
    await eventually(lambda: leader.story[:3] == ["begun", "stopped", "over"])
    now, _ = await leader_of(replicas)
    assert now.leadership.leading
    assert [one.shows() for one in replicas].count(1.0) == 1


async def test_a_leader_that_does_not_know_yet_that_another_leads_commits_nothing(replicas: list[Replica]) -> None:
    leader, standby = await leader_of(replicas)

    async def lead_elsewhere() -> None:
        async with leader.units.engine.begin() as connection:
            await connection.execute(text("UPDATE leaderships SET term = term + 1"))

    async with leader.units.begin() as unit:
        await leader.leadership.confirm(unit.connection)
        successor = asyncio.create_task(lead_elsewhere())

        async def waits() -> bool:
            query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE leader%'"
            async with leader.units.engine.connect() as connection:
                return (await connection.execute(text(query))).first() is not None

        await eventually(waits)
        assert not successor.done()
    await successor
    for one in (leader, standby):
        async with leader.units.begin() as unit:
            with pytest.raises(LeadershipLostError, match=r"another process does tests\.work"):
                await one.leadership.confirm(unit.connection)


async def test_work_that_fails_ends_the_leadership_and_is_raised(make_units: MakeUnits) -> None:
    units = await make_units("tests")
    leadership = Leadership(dsn_of(units), "tests.work", Metrics())

    async def fail() -> None:
        raise ValueError("broken for good")

    with pytest.raises(ValueError, match="broken for good"):
        await leadership.lead(fail)
    assert not leadership.leading
