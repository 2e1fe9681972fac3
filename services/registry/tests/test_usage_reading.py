"""Usage as inference publishes it, on real Kafka: late, twice, unreadable."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from registry_door import Door
from registry_facts import CODE, define

from pelton.contracts.records import UsageBatch, encode
from pelton.contracts.topics import USAGE
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.reader import PartitionReader
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.topics import ensure_topics
from pelton.eventkit.unit import Units
from pelton.registry.usage import UsageProcessor
from pelton.testkit import KafkaInstance, eventually

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
UNREADABLE = (
    b"",
    b"no JSON",
    b'{"source": "s", "model": "\xff"}',
    b'{"rows": ' + b"[" * 100_000,
)


def used(rows: dict[str, dict[str, int]], **changes: Any) -> bytes:  # noqa: ANN401 - any of the fields
    last = round(NOON.timestamp() * 1000)
    fields = {"source": "replica-1", "model": "late", "day": "2013-03-01", "last": last, "rows": rows}
    return encode(UsageBatch(**(fields | changes)))


@pytest.fixture
async def publisher(units: Units, kafka_private: KafkaInstance) -> AsyncIterator[KafkaPublisher]:
    """A bus on which the registry reads usage as long as the test runs."""
    await ensure_topics(kafka_private.bootstrap, {USAGE: 1})
    publisher = KafkaPublisher(kafka_private.bootstrap, "test")
    await publisher.start()
    reader = PartitionReader.of_records(
        kafka_private.bootstrap, "pelton.registry.usage", UsageProcessor(units), Metrics()
    )
    reader.read([USAGE])
    reading = asyncio.create_task(reader.run())
    yield publisher
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    await publisher.stop()


async def counted(door: Door) -> dict[tuple[int, str], int]:
    answer = await door.get("/models/late/usage")
    return {(one["version"], one["caller"]): one["rows"] for one in answer}


async def test_what_comes_late_or_twice_counts_once_and_what_cannot_be_read_is_passed_over(
    door: Door, publisher: KafkaPublisher
) -> None:
    assert (await door.declare(define(), CODE.digest)).status_code == 201
    more = used({"1": {"ann": 7, "bob": 2}, "2": {"ann": 1}})
    less = used({"1": {"ann": 3}})
    values = [
        less,
        more,
        more,
        less,
        *UNREADABLE,
        *(used(rows) for rows in ({"1": {"eve": 0}}, {"0": {"eve": 1}}, {"x": {"eve": 1}}, {"1": {"e\0": 1}})),
        used({"9" * 5000: {"eve": 1}}),
        used({"1": {"eve": 2**63}}),
        used({"1": {"eve": 1}}, day="soon"),
        used({"1": {"eve": 1}}, last=10**18),
        used({"1": {"eve": 1}}, model="unknown"),
        used({"1": {"ann": 10}}, source="replica-2"),
        used({"1": {"ann": 100}}, day="2013-03-02"),
    ]
    await publisher.publish([Outgoing(USAGE, b"late", [], value) for value in values])

    async def all_of_it() -> dict[tuple[int, str], int] | None:
        found = await counted(door)
        return found if found.get((1, "ann"), 0) >= 117 else None

    assert await eventually(all_of_it, timeout=20) == {(1, "ann"): 117, (1, "bob"): 2, (2, "ann"): 1}
