"""Events to online windowed aggregates on one core, beside QuixStreams: the same topic, the same core, in turns.

The broker, PostgreSQL and what measures have another core. Pelton validates each event, counts each id once, keeps the
events offline as well, and commits state and offsets together; QuixStreams runs with its defaults.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import httpx
import uvloop
from _orders import orders, publish, source, view
from _results import Row, save
from _servers import PEERS, PlatformPart, Started, cpu_seconds, start_parts

from pelton import local
from pelton.contracts.topics import data_topic
from pelton.eventkit.settings import PORT_OFFSETS
from pelton.testkit.peers import Peer

ROUNDS = 3
EVENTS = 400_000
WARM = 60_000
PEER_EVENTS = 120_000
PEER_WARM = 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)
MEASURED, OTHERS = {1}, {0}
POLL_SECONDS = 0.1


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """What is started in this block runs on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Pelton:
    """The feature service, started anew for each measurement with a topic that is full already."""

    def __init__(self, started: Started) -> None:
        self._started = started
        (part,) = (PlatformPart(part) for part in started.layout.parts() if part.name == "feature")
        self._part = part
        port = started.layout.port_base + PORT_OFFSETS["feature"]
        authorization = {"authorization": f"Bearer {started.token}"}
        base_url = f"http://127.0.0.1:{port}"
        # The one core is busy, and this asks only now and then.
        self.client = httpx.AsyncClient(base_url=base_url, headers=authorization, trust_env=False, timeout=60)

    async def declare(self, name: str) -> None:
        """Register the source and its view, and end before there is an event."""
        running = self._start()
        definitions = {"/v1/sources": source(name), "/v1/feature-views": view(f"{name}-hourly", name)}
        for door, definition in definitions.items():
            (await self.client.post(door, json=definition.model_dump(mode="json"))).raise_for_status()
        running.stop()

    async def rate(self, name: str) -> tuple[float, float]:
        """Events a second after the first, and microseconds of processor time for each."""
        running = self._start()
        try:
            counted, moment = await self._counted(name, WARM)
            cpu = cpu_seconds([running.pid])
            done, end = await self._counted(name, EVENTS)
            cpu = cpu_seconds([running.pid]) - cpu
        finally:
            running.stop()
        return (done - counted) / (end - moment), cpu / (done - counted) * 1e6

    async def _counted(self, name: str, least: int) -> tuple[int, float]:
        while True:
            answer = (await self.client.get(f"/v1/sources/{name}")).raise_for_status()
            if answer.json()["events"] >= least:
                return int(answer.json()["events"]), time.perf_counter()
            await asyncio.sleep(POLL_SECONDS)

    def _start(self) -> local.Running:
        with on(MEASURED):
            return local.start(self._part, self._started.home.logs / "feature.log")


def quix(peer: Peer, bootstrap: str, topic: str) -> tuple[float, float]:
    """Events a second of QuixStreams over the same topic, and microseconds of processor time for each."""
    program = Path(__file__).with_name("_quix.py")
    with tempfile.TemporaryDirectory(prefix="pelton-bench-quix-") as state, on(MEASURED):
        command = [peer.python, program, bootstrap, topic, state, str(PEER_EVENTS), str(PEER_WARM)]
        output = subprocess.run(command, env=peer.env, check=True, stdout=subprocess.PIPE, text=True, timeout=300)
    rate, cost = output.stdout.split()[-2:]
    return float(rate), float(cost)


async def main() -> None:
    """Measure both in turns, each round on a topic of its own."""
    if not os.sched_getaffinity(0).issuperset(MEASURED | OTHERS):
        sys.exit("this needs two cores: one for what is measured, and one for the broker and the rest")
    peer = Peer(PEERS / "quixstreams.txt")
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    with on(OTHERS):
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pelton-bench-ingest-")))
            started = start_parts(folder, ("kafka", "postgres"), stack)
            bootstrap = started.layout.kafka.bootstrap
            pelton = Pelton(started)
            stack.push_async_callback(pelton.client.aclose)
            for turn in range(ROUNDS):
                name = f"orders{turn}"
                await pelton.declare(name)
                await publish(bootstrap, orders(name, EVENTS, START))
                ours.append(await pelton.rate(name))
                theirs.append(quix(peer, bootstrap, data_topic(name)))
                print(f"round {turn}: Pelton {ours[-1][0]:,.0f}/s, QuixStreams {theirs[-1][0]:,.0f}/s", flush=True)
    (our_rates, our_costs), (their_rates, their_costs) = (map(list, zip(*runs, strict=True)) for runs in (ours, theirs))
    rows = [
        Row.rate("300-byte events to online aggregates, one core", our_rates, "QuixStreams", their_rates),
        Row.cost("processor time an event", "us", our_costs, "QuixStreams", their_costs),
    ]
    installed = {"quixstreams": peer.versions()["quixstreams"]}
    save("ingest", rows, installed | {name: version(name) for name in ("polars", "msgspec", "lmdb")})


if __name__ == "__main__":
    uvloop.run(main())
