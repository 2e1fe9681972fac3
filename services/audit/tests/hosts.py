"""The five services that publish facts, as far as an auditor sees them: their event store, relay and routes."""

import asyncio
import signal
import sys

import httpx

from pelton.eventkit.host import Service
from pelton.eventkit.settings import PlatformSettings


async def answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{url}/healthz")).is_success
    except httpx.TransportError:
        return False


async def main() -> None:
    settings = PlatformSettings()
    services = [Service(name, settings) for name in sys.argv[1:]]
    running = []
    for service in services:
        # One after the other: Alembic's context is one for the whole process.
        running.append(asyncio.create_task(service._run()))
        while not await answers(settings.url(service.name)) and not running[-1].done():  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.05)

    def stop() -> None:
        for service in services:
            service._stopping.set()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    await asyncio.gather(*running)


asyncio.run(main())
