"""The monitor's processes on real Kafka and PostgreSQL, and all that they read and write."""

import io
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from aiokafka import AIOKafkaConsumer
from monitor_stories import EVALUATION, HOUR, batch, definition, landing

from pelton.contracts.canonical import sha256
from pelton.contracts.fact import Fact, fact_class
from pelton.contracts.records import PredictionBatch, encode
from pelton.contracts.registry import ModelPromoted, ModelRegistered
from pelton.contracts.topics import OUTCOMES, PREDICTIONS, control_topic, data_topic
from pelton.contracts.values import Artifact, ModelVersion, OffsetRange
from pelton.eventkit.clock import utc_now, uuid7
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.identity import Role
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.replay import Record
from pelton.objects import Objects
from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance, create_topics

ARTIFACT = Artifact(digest=sha256(b"model"), size=5, format="onnx")
START = 1_356_998_400_000  # 2013-01-01 in UTC
TOPICS = {PREDICTIONS: 2, OUTCOMES: 1, data_topic("landings"): 2}


@dataclass
class Replica:
    """One process of the monitor, and a client of it."""

    service: ServiceInstance
    client: httpx.AsyncClient

    async def get(self, path: str, **params: str | int) -> dict[str, Any]:
        answer = await self.client.get(path, params=params, timeout=30)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def metric(self, sample: str) -> float:
        """What the process shows of itself; zero where it does not yet."""
        lines = (await self.client.get("/metrics")).text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{sample} ")), 0.0)

    async def leads(self) -> bool:
        return await self.metric('pelton_leading{work="monitor.windows"}') == 1


@dataclass
class Platform:
    """Two processes of the monitor, and all that they read and write."""

    kafka: str
    replicas: list[Replica]
    publisher: KafkaPublisher
    objects: Objects
    position: int = 0

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

    async def facts(self, model: str) -> list[tuple[str, Fact, bytes]]:
        """Every fact of the monitor about a model with its id, as published."""
        found = {}
        for record in await self.records(control_topic("monitor")):
            envelope = Envelope.from_headers(record.headers)
            fact = fact_class(envelope.type).from_bytes(record.value)
            if fact.model_dump()["model"] == model:
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


@asynccontextmanager
async def monitor_platform(kafka: KafkaInstance, postgres: PostgresInstance, home: Path) -> AsyncIterator[Platform]:
    """A platform with nothing running yet; what runs is killed in the end."""
    await create_topics(kafka.bootstrap, TOPICS)
    publisher = KafkaPublisher(kafka.bootstrap, "test")
    await publisher.start()
    replicas = []
    for _ in range(2):
        service = ServiceInstance("monitor", home, kafka, postgres)
        replicas.append(Replica(service, service.client(Role.VIEWER, "tester")))
    try:
        yield Platform(kafka.bootstrap, replicas, publisher, Objects((home / "objects").as_uri()))
    finally:
        for replica in replicas:
            replica.service.crash()
            await replica.client.aclose()
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


def registration(model: str) -> ModelRegistered:
    declared = definition(model)
    return ModelRegistered(model=model, definition=declared, definition_digest=declared.digest, code=ARTIFACT)


def promotion(model: str, version: int, dataset: str) -> ModelPromoted:
    details = ModelVersion(
        model=model,
        version=version,
        training_id=f"{model}-{version}",
        artifact=ARTIFACT,
        request=("a", "b"),
        features=(),
        views={},
        threshold=0.5,
        dataset=dataset,
        evaluation=EVALUATION,
    )
    return ModelPromoted(model=model, version=version, previous=version - 1 or None, details=details)


def iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
