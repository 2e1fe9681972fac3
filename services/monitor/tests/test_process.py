"""The monitor's own process on real Kafka and PostgreSQL: what it finds, once, however often it is killed."""

import asyncio
import io
import json
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiokafka import AIOKafkaConsumer
from monitor_stories import EVALUATION, HOUR, SOURCE, batch, definition, landing

from pelton.contracts.canonical import sha256
from pelton.contracts.fact import Fact, fact_class
from pelton.contracts.feature import SourceRegistered
from pelton.contracts.monitor import DataDriftDetected, ReferencePinned
from pelton.contracts.records import PredictionBatch, decode_outcomes, encode
from pelton.contracts.registry import ModelPromoted, ModelRegistered
from pelton.contracts.topics import OUTCOMES, PREDICTIONS, control_topic, data_topic
from pelton.contracts.values import Artifact, ModelVersion, OffsetRange
from pelton.eventkit.clock import utc_now, uuid7
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.identity import Role, load_or_create_key, mint
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.replay import REPLAYS, Record
from pelton.local import ports
from pelton.objects import Objects
from pelton.testkit import KafkaInstance, PostgresInstance, create_topics, eventually

START = 1_356_998_400_000  # 2013-01-01 in UTC
TOPICS = {PREDICTIONS: 2, OUTCOMES: 1, data_topic("landings"): 2}


@dataclass
class Platform:
    """The monitor's process and all it reads and writes."""

    kafka: str
    environment: dict[str, str]
    client: httpx.AsyncClient
    publisher: KafkaPublisher
    objects: Objects
    position: int = 0
    running: list[Process] = field(default_factory=list)

    async def start(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pelton.monitor", env=self.environment, stdout=asyncio.subprocess.DEVNULL
        )
        self.running.append(process)
        await eventually(self.is_ready, timeout=40)

    async def is_ready(self) -> bool:
        assert self.running[-1].returncode is None
        with suppress(httpx.TransportError):
            return (await self.client.get("/readyz")).is_success
        return False

    async def crash(self) -> None:
        for process in self.running:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def get(self, path: str, **params: str | int) -> dict[str, Any]:
        answer = await self.client.get(path, params=params, timeout=30)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def tell(self, *facts: Fact) -> None:
        outgoing = []
        for fact in facts:
            self.position += 1
            envelope = Envelope(
                id=uuid7(),
                owner=fact.fact_owner,
                type=fact.fact_type,
                subject="any/flights",
                time=utc_now(),
                correlation_id="story",
                causation_id=None,
                actor="service:test",
                stream_version=self.position,
                position=self.position,
                traceparent=None,
            )
            outgoing.append(Outgoing(envelope.topic, b"flights", envelope.headers(), fact.to_bytes()))
        await self.publisher.publish(outgoing)

    async def predict(self, *batches: PredictionBatch) -> None:
        await self.publisher.publish([Outgoing(PREDICTIONS, b"flights", [], encode(one)) for one in batches])

    async def land(self, events: Iterable[tuple[str, int, float | None]]) -> None:
        topic = data_topic("landings")
        await self.publisher.publish([Outgoing(topic, one[0].encode(), [], landing(*one)) for one in events])

    async def records(self, topic: str) -> list[Record]:
        """Everything on a topic now."""
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.kafka, enable_auto_commit=False)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            await consumer.seek_to_beginning()
            found = []
            while sum(ends.values()) > len(found):
                for some in (await consumer.getmany(timeout_ms=500)).values():
                    found += [Record(r.topic, r.partition, r.offset, r.headers, r.value) for r in some]
            return found
        finally:
            await consumer.stop()

    async def facts(self) -> list[tuple[str, Fact, bytes]]:
        """Every fact of the monitor by id, as published."""
        found = {}
        for record in await self.records(control_topic("monitor")):
            envelope = Envelope.from_headers(record.headers)
            fact = fact_class(envelope.type).from_bytes(record.value)
            found[envelope.position] = (str(envelope.id), fact, record.value)
        return [found[position] for position in sorted(found)]


@dataclass
class Log:
    """The evidence of a replay: everything that was published."""

    facts: dict[str, bytes]
    held: Sequence[Record]

    async def fact(self, event_id: str) -> bytes:
        return self.facts[event_id]

    async def records(self, ranges: Sequence[OffsetRange]) -> list[Record]:
        return [
            record
            for record in self.held
            for one in ranges
            if (record.topic, record.partition) == (one.topic, one.partition) and one.start <= record.offset < one.end
        ]


@pytest.fixture
async def platform(
    kafka_private: KafkaInstance, postgres_private: PostgresInstance, tmp_path: Path
) -> AsyncIterator[Platform]:
    port_base = ports.free_block(8)
    dsn = postgres_private.database("monitor").replace("+asyncpg", "").rpartition("/")[0]
    environment = os.environ | {
        "PELTON_HOME": str(tmp_path),
        "PELTON_KAFKA": kafka_private.bootstrap,
        "PELTON_POSTGRES": dsn,
        "PELTON_PORT_BASE": str(port_base),
    }
    key = load_or_create_key(tmp_path / "secrets" / "token.key")
    token = mint(key, "tester", Role.VIEWER, utc_now(), timedelta(hours=1))
    await create_topics(kafka_private.bootstrap, TOPICS)
    publisher = KafkaPublisher(kafka_private.bootstrap, "test")
    await publisher.start()
    base, headers = f"http://127.0.0.1:{port_base + 4}", {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as client:
        running = Platform(
            kafka_private.bootstrap, environment, client, publisher, Objects((tmp_path / "objects").as_uri())
        )
        yield running
        await running.crash()
    await publisher.stop()


def dataset() -> bytes:
    """Inputs as `monitor_stories.batch` makes them, up to the hour before the first prediction."""
    random = np.random.default_rng(5)
    rows = 4000
    last = datetime(2012, 12, 31, 23, tzinfo=UTC)
    table = pa.table(
        {
            "key": [f"k{row}" for row in range(rows)],
            "event_time": pa.array([last - timedelta(minutes=row) for row in range(rows)], pa.timestamp("us", "UTC")),
            "a": random.normal(size=rows),
            "b": random.normal(size=rows),
            "label": (random.random(rows) < 0.1).astype(np.int8),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def hour(number: int) -> int:
    return START + number * HOUR


def predictions(number: int) -> list[PredictionBatch]:
    """An hour of predictions: from the fourth on, the inputs are shifted."""
    shift = 2.0 if number >= 4 else 0.0
    times = [[hour(number) + row * 1000 + part * 1_000_000 for row in range(100)] for part in range(3)]
    return [batch(f"h{number}-{part}", times[part], shift=shift) for part in range(3)]


def labels(number: int) -> list[tuple[str, int, float | None]]:
    """Their landings: from the fourth hour on, most flights are late that were said to be in time."""
    late = 8 if number >= 4 else 1
    return [
        (key, time + HOUR, 60.0 if row % 10 < late else 0.0)
        for one in predictions(number)
        for row, (key, time) in enumerate(zip(one.keys, one.event_times, strict=True))
    ]


async def promote(platform: Platform) -> None:
    data = dataset()
    digest = await platform.objects.put(data)
    model = definition("flights")
    artifact = Artifact(digest=sha256(b"model"), size=5, format="onnx")
    version = ModelVersion(
        model="flights",
        version=1,
        training_id="flights-1",
        artifact=artifact,
        request=("a", "b"),
        features=(),
        views={},
        threshold=0.5,
        dataset=digest,
        evaluation=EVALUATION,
    )
    await platform.tell(
        SourceRegistered(source="landings", definition=SOURCE, definition_digest=SOURCE.digest),
        ModelRegistered(model="flights", definition=model, definition_digest=model.digest, code=artifact),
        ModelPromoted(model="flights", version=1, previous=None, details=version),
    )


async def test_each_finding_is_made_once_and_replays_to_the_byte_through_a_kill(platform: Platform) -> None:
    await platform.start()
    await promote(platform)
    for number in range(5):
        await platform.predict(*predictions(number))
        await platform.land(labels(number))

    async def closed(count: int) -> bool:
        return len((await platform.get("/v1/windows"))["windows"]) >= count

    async def settled(until: int) -> bool:
        marks = (await platform.get("/v1/monitors/flights"))["watermarks"]
        return (
            bool(marks["settled_until"]) and datetime.fromisoformat(marks["settled_until"]).timestamp() * 1000 >= until
        )

    await eventually(lambda: closed(4), timeout=30)
    await platform.predict(*predictions(5))
    await platform.land(labels(5))
    await platform.crash()
    await platform.start()
    for number in range(6, 13):
        await platform.predict(*predictions(number))
        await platform.land(labels(number))
    await eventually(lambda: settled(hour(11)), timeout=30)
    assert (await platform.get("/v1/watermarks", model="flights", until=f"{_iso(hour(12))}", timeout=20))["reached"]

    windows = (await platform.get("/v1/windows", limit=500))["windows"]
    starts = [one["start"] for one in windows]
    assert len(starts) == len(set(starts)) == 12
    assert {one["rows"] for one in windows} == {300}
    assert [one["drift"] for one in reversed(windows)] == ["stable"] * 4 + ["drifted"] * 8
    assert [one["performance"] for one in reversed(windows)][:11] == ["sound"] * 4 + ["degraded"] * 7
    first = await platform.get("/v1/windows", limit=7)
    rest = await platform.get("/v1/windows", limit=7, page=first["next"])
    assert first["windows"] + rest["windows"] == windows
    assert {one["kind"] for one in (await platform.get("/v1/alerts"))["alerts"]} == {"drift", "degradation"}

    async def told() -> list[str] | None:
        kinds = [type(fact).__name__ for _, fact, _ in await platform.facts()]
        return kinds if len(kinds) >= 4 else None

    kinds = await eventually(told, timeout=20)
    # the drift that stands is told again after seven windows more
    assert sorted(kinds) == ["DataDriftDetected", "DataDriftDetected", "PerformanceDegraded", "ReferencePinned"]

    facts = await platform.facts()
    held = [one for topic in (PREDICTIONS, data_topic("landings")) for one in await platform.records(topic)]
    log = Log({event_id: value for event_id, _, value in facts}, held)
    replays = {one.name: one.load() for one in entry_points(group=REPLAYS)}
    for _, fact, value in facts:
        if not isinstance(fact, ReferencePinned):
            assert await replays[fact.fact_type](value, log) == value
    changed = Log(log.facts, [_tampered(one) if one.topic == PREDICTIONS else one for one in held])
    detected = next(value for _, fact, value in facts if isinstance(fact, DataDriftDetected))
    assert await replays[DataDriftDetected.fact_type](detected, changed) != detected

    outcomes = [decode_outcomes(one.value) for one in await platform.records(OUTCOMES)]
    by_window = {(one.window_start, one.revision, one.chunk): encode(one) for one in outcomes}
    assert all(by_window[one.window_start, one.revision, one.chunk] == encode(one) for one in outcomes)
    assert {start for start, _, _ in by_window} >= {hour(number) for number in range(11)}
    assert all(len(one.keys) == 300 and one.unlabelled == 0 for one in outcomes)


def _tampered(record: Record) -> Record:
    content = json.loads(record.value)
    content["inputs"]["a"] = [None if value is None else value + 1 for value in content["inputs"]["a"]]
    return record._replace(value=json.dumps(content).encode())


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
