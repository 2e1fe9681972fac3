"""Commit to handled in another process, and what a commit through the outbox costs beside the bare statements."""

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import numpy as np
import uvloop
from _outbox_fact import Measured
from _results import Row, save
from sqlalchemy import text

from pelton.eventkit.clock import utc_now, uuid7
from pelton.eventkit.database import create_engine, migrate
from pelton.eventkit.publisher import KafkaPublisher
from pelton.eventkit.relay import Relay
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.telemetry.tracing import configure_tracing
from pelton.eventkit.topics import ensure_topics
from pelton.eventkit.unit import Units
from pelton.testkit import KafkaInstance, PostgresInstance, eventually

ROUNDS = 3
ROUND_SECONDS = 3.0
RATES = (100, 500)
RATE_SECONDS = 15
BACKLOG = 50_000
STATE_SQL = """
    INSERT INTO state (key, amount) VALUES ({key}, 1)
    ON CONFLICT (key) DO UPDATE SET amount = state.amount + EXCLUDED.amount
"""
STATE = text(STATE_SQL.format(key=":key"))
RAW_STATE = STATE_SQL.format(key="$1")
RAW_EVENT = """
    INSERT INTO events (id, stream, version, type, data, meta, time) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
RAW_NOTIFY = "SELECT pg_notify('pelton_outbox', '')"
META = json.dumps({"correlation_id": "c" * 36, "causation_id": None, "actor": "service:bench", "traceparent": None})
FILL = text("""
    INSERT INTO events (id, stream, version, type, data, meta, time)
    SELECT gen_random_uuid(), 'backlog/' || n, 1, :type,
           convert_to(json_build_object('number', -n, 'text', repeat('x', 200))::text, 'UTF8'),
           CAST(:meta AS jsonb), now()
    FROM generate_series(1, :count) AS n
""")
Commit = Callable[[str], Awaitable[None]]


async def database(postgres: PostgresInstance, pool_size: int = 10) -> Units:
    """Units on a fresh database with a table of state."""
    engine = create_engine(postgres.database(), pool_size=pool_size)
    await migrate(engine, [])
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE state (key text PRIMARY KEY, amount bigint NOT NULL)"))
    return Units(engine, "bench")


def dsn_of(units: Units) -> str:
    """The DSN for asyncpg."""
    return units.engine.url.render_as_string(hide_password=False).replace("+asyncpg", "")


def through_units(units: Units) -> Commit:
    """State and outbox in one transaction, as a handler does it."""

    async def commit(stream: str) -> None:
        async with units.begin() as unit:
            await unit.connection.execute(STATE, {"key": stream})
            await unit.append_to(stream, [Measured(number=1)], expected=0)

    return commit


def raw(connection: asyncpg.Connection) -> Commit:
    """The same statements, prepared on bare asyncpg."""
    data = Measured(number=1).to_bytes()

    async def commit(stream: str) -> None:
        async with connection.transaction():
            await connection.execute(RAW_STATE, stream)
            await connection.execute(RAW_EVENT, uuid7(), stream, 1, Measured.fact_type, data, META, utc_now())
            await connection.execute(RAW_NOTIFY)

    return commit


async def rate_of(commits: list[Commit], prefix: str) -> float:
    """Commits a second of these, each one after another, side by side."""
    ends = time.perf_counter() + ROUND_SECONDS

    async def repeat(worker: int, commit: Commit) -> int:
        done = 0
        while time.perf_counter() < ends:
            await commit(f"{prefix}-{worker}-{done}")
            done += 1
        return done

    return sum(await asyncio.gather(*(repeat(n, commit) for n, commit in enumerate(commits)))) / ROUND_SECONDS


async def commit_rates(postgres: PostgresInstance, connections: int) -> Row:
    """Through Units and bare, in turns."""
    units = await database(postgres, connections)
    bare = [await asyncpg.connect(dsn_of(units)) for _ in range(connections)]
    ours, theirs = [], []
    for turn in range(ROUNDS):
        ours.append(await rate_of([through_units(units)] * connections, f"ours-{turn}"))
        theirs.append(await rate_of([raw(connection) for connection in bare], f"theirs-{turn}"))
    for connection in bare:
        await connection.close()
    await units.engine.dispose()
    return Row.rate(f"commit state and outbox, {connections} connection(s)", ours, "bare asyncpg", theirs)


class Consuming:
    """The other process."""

    def __init__(self, kafka: KafkaInstance, postgres: PostgresInstance, folder: Path) -> None:
        self._ready, self._result = folder / "ready", folder / "result.json"
        program = Path(__file__).with_name("_outbox_consumer.py")
        dsn = postgres.database()
        self._process = subprocess.Popen([sys.executable, program, kafka.bootstrap, dsn, self._ready, self._result])

    async def ready(self) -> None:
        """Wait until it consumes."""
        await eventually(self._ready.exists, timeout=60)

    async def end(self) -> dict[int, int]:
        """When each fact was handled, in nanoseconds, by its number."""
        self._process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self._process.wait, 60)
        noted = json.loads(self._result.read_text())
        return dict(zip(noted["numbers"], noted["times"], strict=True))

    def kill(self) -> None:
        """End it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


async def publish_steadily(units: Units, rate: int) -> dict[int, int]:
    """Commit at a rate, whatever the answers take; returns when each commit was done, in nanoseconds."""
    committed: dict[int, int] = {}

    async def commit(number: int) -> None:
        async with units.begin() as unit:
            await unit.connection.execute(STATE, {"key": f"steady/{number}"})
            await unit.append_to(f"steady/{number}", [Measured(number=number)], expected=0)
        committed[number] = time.time_ns()

    first = rate * 1_000_000
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(rate * RATE_SECONDS):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            group.create_task(commit(first + number))
    return committed


async def latency(units: Units, consumer: Consuming, bootstrap: str) -> tuple[list[Row], dict[int, dict[int, int]]]:
    """Commit to handled, then the relay's and the handler's rates over a backlog."""
    publisher = KafkaPublisher(bootstrap, "bench")
    relay = Relay(dsn_of(units), "bench", publisher, Metrics())
    relaying = asyncio.create_task(relay.run())
    await consumer.ready()
    await eventually(lambda: relay.leading)
    committed = {}
    for rate in RATES:
        committed[rate] = await publish_steadily(units, rate)
        await asyncio.sleep(2)
    relaying.cancel()
    await asyncio.gather(relaying, return_exceptions=True)

    async with units.engine.begin() as connection:
        await connection.execute(FILL, {"type": Measured.fact_type, "meta": META, "count": BACKLOG})
    relaying = asyncio.create_task(Relay(dsn_of(units), "bench", publisher, Metrics()).run())
    began = time.perf_counter()

    async def published() -> bool:
        async with units.engine.connect() as connection:
            cursor = (await connection.execute(text("SELECT cursor FROM relay"))).scalar_one()
        return cursor >= BACKLOG + sum(map(len, committed.values()))

    await eventually(published, timeout=120)
    rate = BACKLOG / (time.perf_counter() - began)
    await asyncio.sleep(10)
    relaying.cancel()
    await asyncio.gather(relaying, return_exceptions=True)
    await publisher.stop()
    return [Row.rate(f"relay publishes a backlog of {BACKLOG}, beside a consumer", [rate])], committed


def latency_rows(committed: dict[int, dict[int, int]], handled: dict[int, int]) -> list[Row]:
    """Percentiles over all facts of a rate, by quarters for the spread; and the handler's rate over a backlog."""
    rows = []
    for rate, at_rate in committed.items():
        missing = at_rate.keys() - handled.keys()
        if missing:
            sys.exit(f"{len(missing)} facts of {len(at_rate)} at {rate}/s were never handled")
        millis = np.array([(handled[number] - at_rate[number]) / 1e6 for number in sorted(at_rate)])
        quarters = np.array_split(millis, 4)
        for percentile in (50, 99):
            parts = [float(np.percentile(quarter, percentile)) for quarter in quarters]
            whole = float(np.percentile(millis, percentile))
            case = f"commit to handled at {rate}/s for {RATE_SECONDS} s, p{percentile}"
            rows.append(Row(case, "none", "ms", (min(parts), whole, max(parts))))
    backlog = sorted(at for number, at in handled.items() if number < 0)
    # What it did while the relay was done: the last ten seconds.
    alone = [at for at in backlog if at > backlog[-1] - 8e9]
    rows.append(Row.rate("handler over a backlog, one process", [len(alone) / ((alone[-1] - alone[0]) / 1e9)]))
    return rows


async def main() -> None:
    """All of it, on servers of its own."""
    configure_tracing("bench")
    kafka, postgres = KafkaInstance(), PostgresInstance()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for server in (kafka, postgres):
            stack.callback(server.discard)
            server.start()
        rows = [await commit_rates(postgres, connections) for connections in (1, 4)]
        await ensure_topics(kafka.bootstrap, {"pelton.bench": 2, "pelton.reader.dlq": 1})
        units = await database(postgres)
        stack.push_async_callback(units.engine.dispose)
        consumer = Consuming(kafka, postgres, folder)
        stack.callback(consumer.kill)
        relay_rows, committed = await latency(units, consumer, kafka.bootstrap)
        rows = [*latency_rows(committed, await consumer.end()), *relay_rows, *rows]
    save("outbox", rows, {"postgresql": "18", "kafka": "4.3"})


if __name__ == "__main__":
    uvloop.run(main())
