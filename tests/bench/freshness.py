"""From an event's publishing to its value in an answer over HTTP, while 10,000 other events come in each second.

An order of a customer of its own is published now and then, and the customer's features are asked for until they have
it: what is measured holds the pause between two questions as well.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import uvloop
from _orders import order, source, view
from _results import Row, save
from _servers import start_parts

from pelton.contracts.topics import data_topic
from pelton.eventkit.publisher import KafkaPublisher
from pelton.eventkit.settings import PORT_OFFSETS

ROUNDS: Final = 3
RATE: Final = 10_000
SECONDS: Final = 20.0
WARM_SECONDS: Final = 5.0
PROBE_EVERY: Final = 0.1
ASK_EVERY: Final = 0.002
NAME: Final = "orders"


async def probes(publisher: KafkaPublisher, client: httpx.AsyncClient, turn: int) -> list[float]:
    """How long each took to be seen, in milliseconds."""
    found: list[float] = []
    chance = random.Random(turn)  # noqa: S311 - data, not secrets
    ends = time.perf_counter() + SECONDS
    while time.perf_counter() < ends:
        customer = f"probe{turn}-{len(found)}"
        asked = {"entities": {"customer": [customer]}, "features": [f"{NAME}-hourly:orders_1h"]}
        # Beside the numbers of the stream.
        number = 10**8 * (turn + 5) + len(found)
        began = time.perf_counter()
        await publisher.publish([order(data_topic(NAME), number, datetime.now(UTC), customer, chance)])
        while True:
            answer = (await client.post("/get-online-features", json=asked)).raise_for_status()
            if json.loads(answer.content)["results"][-1]["values"] == [1.0]:
                break
            await asyncio.sleep(ASK_EVERY)
        found.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(PROBE_EVERY)
    return found


async def declare(client: httpx.AsyncClient) -> None:
    """Register the source and the view."""
    definitions = {"/v1/sources": source(NAME), "/v1/feature-views": view(f"{NAME}-hourly", NAME)}
    for door, definition in definitions.items():
        (await client.post(door, json=definition.model_dump(mode="json"))).raise_for_status()


async def main() -> None:
    """Measure, with the broker, the service and what publishes on the same cores."""
    p50s: list[float] = []
    p99s: list[float] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pelton-bench-freshness-")))
        started = start_parts(folder, ("kafka", "postgres", "feature"), stack)
        port = started.layout.port_base + PORT_OFFSETS["feature"]
        client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {started.token}"},
            trust_env=False,
            timeout=60,
        )
        await stack.enter_async_context(client)
        await declare(client)
        bootstrap = started.layout.kafka.bootstrap
        publisher = KafkaPublisher(bootstrap, "probes")
        stack.push_async_callback(publisher.stop)
        command = [sys.executable, Path(__file__).with_name("_stream.py"), bootstrap, NAME, str(RATE)]
        stream = await asyncio.create_subprocess_exec(*command)
        try:
            await asyncio.sleep(WARM_SECONDS)
            for turn in range(ROUNDS):
                seen = await probes(publisher, client, turn)
                if stream.returncode is not None:
                    sys.exit(stream.returncode)
                p50, p99 = percentiles(seen)
                p50s.append(p50)
                p99s.append(p99)
                print(f"round {turn}: {len(seen)} events seen, p50 {p50:.1f} ms, p99 {p99:.1f} ms", flush=True)
        finally:
            if stream.returncode is None:
                stream.kill()
            await stream.wait()
    case = f"event published to value served, {RATE:,} events/s"
    save("freshness", [Row.cost(f"{case}, p50", "ms", p50s), Row.cost(f"{case}, p99", "ms", p99s)], {})


def percentiles(milliseconds: Sequence[float]) -> tuple[float, float]:
    """The median, and what one in a hundred takes longer than."""
    p50, p99 = np.percentile(np.array(milliseconds), (50, 99))
    return float(p50), float(p99)


if __name__ == "__main__":
    uvloop.run(main())
