"""A relay and a consumer inside the test, for what needs no kill."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from counting import dsn_of

from pelton.eventkit.consumer import ControlConsumer
from pelton.eventkit.dispatch import Dispatcher
from pelton.eventkit.handlers import Handler
from pelton.eventkit.publisher import KafkaPublisher
from pelton.eventkit.relay import Relay
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.unit import Units


@asynccontextmanager
async def background(work: Awaitable[None]) -> AsyncIterator[None]:
    """Run this beside the block; it fails the block when it ended before it."""
    task = asyncio.ensure_future(work)
    yield
    if task.done():
        await task
        raise AssertionError(f"{task} ended by itself")
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def relaying(bootstrap: str, units: Units) -> AsyncIterator[Relay]:
    """Publish what these units record, as their service."""
    publisher = KafkaPublisher(bootstrap, f"{units.service}-relay")
    relay = Relay(dsn_of(units), units.service, publisher, Metrics())
    try:
        async with background(relay.run()):
            yield relay
    finally:
        await publisher.stop()


@asynccontextmanager
async def consuming(bootstrap: str, units: Units, *handlers: Handler) -> AsyncIterator[Dispatcher]:
    """Handle what comes, as the units' service."""
    publisher = KafkaPublisher(bootstrap, units.service)
    dispatcher = Dispatcher(units.service, handlers, units, publisher, Metrics())
    consumer = ControlConsumer(bootstrap, units.service, dispatcher)
    try:
        await consumer.start()
        yield dispatcher
    finally:
        await consumer.stop()
        await publisher.stop()


async def records_of(bootstrap: str, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
    """Every record that a topic has now, in order within each partition."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found: list[ConsumerRecord[bytes, bytes]] = []
        while len(found) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found += records
        return found
    finally:
        await consumer.stop()
