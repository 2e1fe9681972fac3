"""The process that delivers, within the test: the relay's numbers, the leadership, and the deliveries."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from registry_door import Door

from pelton.contracts.fact import Fact
from pelton.eventkit.leadership import Leadership
from pelton.eventkit.relay import ADVANCE
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.registry.webhooks.delivery import Deliveries


async def publish(door: Door, stream: str, *facts: Fact) -> None:
    """Put facts on record, and number them as the relay does."""
    async with door.units.begin(actor="ann") as unit:
        found = await unit.connection.exec_driver_sql("SELECT count(*) FROM events WHERE stream = $1", (stream,))
        await unit.append_to(stream, facts, expected=found.scalar_one())
    await number(door)


async def number(door: Door) -> None:
    async with door.units.begin() as unit:
        await unit.connection.exec_driver_sql(ADVANCE, (0, 1000))


@asynccontextmanager
async def delivering(door: Door, draw: float = 1.0) -> AsyncIterator[None]:
    """The deliveries run as long as the block; time goes on by a second each time that anybody asks for it."""
    dsn = door.units.engine.url.render_as_string(hide_password=False).replace("+asyncpg", "")
    leadership = Leadership(dsn, "registry.webhooks", Metrics())
    deliveries = Deliveries(door.units, door.access, door.sender, leadership, lambda: draw, poll=0.01)
    task = asyncio.create_task(leadership.lead(deliveries.run))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def register(door: Door, url: str, who: str = "ann", **changes: object) -> Mapping[str, Any]:
    body = {"name": "hook", "url": url, "events": ["*"], "models": "late"} | changes
    answer = await door.ask("POST", "/webhooks", who, json=body)
    assert answer.status_code == 201, answer.text
    found: Mapping[str, Any] = answer.json()
    return found


async def deliveries(door: Door, webhook: str, **params: str | int) -> list[dict[str, Any]]:
    """What was delivered, oldest first."""
    answer = await door.ask("GET", f"/webhooks/{webhook}/deliveries", params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["deliveries"]
    return found[::-1]
