"""Rows by version and caller, as they stand on the bus."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from pelton.contracts.records import UsageBatch, decode_usage
from pelton.contracts.registry import ModelDeprecated
from pelton.contracts.topics import USAGE
from pelton.eventkit.publisher import Outgoing
from pelton.inference.deprecation import Deprecations, Notice
from pelton.inference.usage import Usage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
DAY = 86_400


class Bus:
    """Takes records, or does not."""

    def __init__(self) -> None:
        self.away = False
        self.meanwhile: Callable[[], None] | None = None
        self.batches: list[UsageBatch] = []
        self.now = NOON
        self.deprecations = Deprecations()
        self.usage = Usage(self, self.deprecations, lambda: self.now)

    async def publish(self, records: Sequence[Outgoing]) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise ConnectionError("the broker is away")
        for record in records:
            batch = decode_usage(record.value)
            assert (record.topic, record.key) == (USAGE, batch.model.encode())
            self.batches.append(batch)
        if self.meanwhile is not None:
            self.meanwhile()
            self.meanwhile = None


async def test_a_record_has_the_days_rows_so_far_and_comes_only_when_they_changed() -> None:
    bus = Bus()
    for version, caller, rows in ((1, "ann", 3), (2, "ann", 1), (1, "bob", 2), (1, "ann", 4)):
        bus.usage.count("late", version, caller, rows)
    bus.usage.count("other", 1, "ann", 1)
    await bus.usage.publish()
    late, other = bus.batches
    assert (late.model, late.day, late.last) == ("late", "2026-03-01", round(NOON * 1000))
    assert late.rows == {"1": {"ann": 7, "bob": 2}, "2": {"ann": 1}}
    assert (other.model, other.source) == ("other", late.source)

    await bus.usage.publish()
    assert len(bus.batches) == 2
    bus.usage.count("late", 2, "ann", 1)
    await bus.usage.publish()
    assert bus.batches[2].rows == {"1": {"ann": 7, "bob": 2}, "2": {"ann": 2}}


async def test_a_new_day_begins_at_zero_and_the_old_one_is_forgotten_once_it_is_published() -> None:
    bus = Bus()
    bus.usage.count("late", 1, "ann", 3)
    await bus.usage.publish()
    bus.usage.count("late", 1, "ann", 2)
    bus.now += DAY
    bus.usage.count("late", 1, "ann", 1)
    await bus.usage.publish()
    assert [(one.day, one.rows) for one in bus.batches[1:]] == [
        ("2026-03-01", {"1": {"ann": 5}}),
        ("2026-03-02", {"1": {"ann": 1}}),
    ]
    assert {slot.day for slot in bus.usage._rows} == {int(bus.now // DAY)}


async def test_what_the_bus_did_not_take_is_said_again() -> None:
    bus = Bus()
    bus.away = True
    bus.usage.count("late", 1, "ann", 3)
    with pytest.raises(ConnectionError):
        await bus.usage.publish()
    await bus.usage.drain()
    bus.away = False
    await bus.usage.drain()
    (batch,) = bus.batches
    assert batch.rows == {"1": {"ann": 3}}


async def test_rows_of_the_last_moment_of_a_day_are_in_its_next_record() -> None:
    bus = Bus()
    bus.usage.count("late", 1, "ann", 1)

    def at_midnight() -> None:
        bus.usage.count("late", 1, "ann", 1)
        bus.now += DAY

    bus.meanwhile = at_midnight
    await bus.usage.publish()
    await bus.usage.publish()
    assert [(one.day, one.rows) for one in bus.batches] == [
        ("2026-03-01", {"1": {"ann": 1}}),
        ("2026-03-01", {"1": {"ann": 2}}),
    ]


async def test_use_after_the_sunset_is_logged_with_who_it_is() -> None:
    bus = Bus()
    for model, sunset in (("late", NOON - 1), ("early", NOON + 1)):
        fact = ModelDeprecated(model=model, version=1, sunset=datetime.fromtimestamp(sunset, UTC), reason="old")
        bus.deprecations._notices[model] = {1: Notice(fact, datetime.fromtimestamp(NOON - DAY, UTC))}
        for version, caller in ((1, "bob"), (1, "ann"), (2, "eve")):
            bus.usage.count(model, version, caller, 1)
    with capture_logs() as logs:
        await bus.usage.publish()
        await bus.usage.publish()
    assert [(one["event"], one["subject"], one["callers"]) for one in logs] == [
        ("used after its sunset", "late v1", ["ann", "bob"])
    ]
