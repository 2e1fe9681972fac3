"""The deployer's own process on real Kafka and PostgreSQL, as the registry, the monitor and an operator see it."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from deployer_stories import MODEL, PLAN, version, words

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import (
    InputDefinition,
    LabelDefinition,
    ModelDefinition,
    PipelineDefinition,
    TrainingDefinition,
    TriggerDefinition,
)
from pelton.contracts.fact import Fact, fact_class
from pelton.contracts.records import OutcomeBatch, PredictionBatch, encode
from pelton.contracts.registry import ModelPromoted, ModelRegistered, ModelRolledBack, ModelStageChanged
from pelton.contracts.topics import OUTCOMES, PREDICTIONS, control_topic
from pelton.contracts.values import Artifact, OffsetRange, Stage
from pelton.eventkit.clock import utc_now, uuid7
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.identity import Role
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.replay import Record
from pelton.eventkit.topics import ensure_topics, partitions_of
from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance, eventually

Told = tuple[Envelope, Fact, bytes]


class Deployer:
    """The process, and all that it reads and publishes."""

    def __init__(self, service: ServiceInstance, publisher: KafkaPublisher, reader: AIOKafkaConsumer) -> None:
        self.service = service
        self.publisher = publisher
        self._reader = reader
        self._told: list[Told] = []
        self._position = 0

    async def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        async with self.service.client(Role.VIEWER) as client:
            answer = await client.get(path)
        assert answer.is_success, answer.text
        return answer.json()

    async def metric(self, sample: str) -> float:
        """What the process shows of itself; zero where it does not yet."""
        async with self.service.client(None) as client:
            lines = (await client.get("/metrics")).text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{sample} ")), 0.0)

    async def hears(self, *facts: Fact) -> list[Envelope]:
        """Facts of the registry; returns their envelopes."""
        envelopes = [self.envelope(type(fact)) for fact in facts]
        await self.publisher.publish(
            [
                Outgoing(one.topic, fact.model_dump()["model"].encode(), one.headers(), fact.to_bytes())
                for fact, one in zip(facts, envelopes, strict=True)
            ]
        )
        return envelopes

    def envelope(self, kind: type[Fact]) -> Envelope:
        self._position += 1
        return Envelope(
            id=uuid7(),
            owner=kind.fact_owner,
            type=kind.fact_type,
            subject="models/any",
            time=utc_now(),
            correlation_id=f"story {self._position}",
            causation_id=str(uuid7()),
            actor="service:registry",
            stream_version=self._position,
            position=self._position,
            traceparent=f"00-{self._position:032x}-{self._position:016x}-01",
        )

    async def sees(self, *records: OutcomeBatch | PredictionBatch) -> None:
        """Outcomes and predictions."""
        topics = {OutcomeBatch: OUTCOMES, PredictionBatch: PREDICTIONS}
        await self.publisher.publish(
            [Outgoing(topics[type(one)], one.model.encode(), [], encode(one)) for one in records]
        )

    async def facts(self, model: str) -> list[Told]:
        """All that the deployer has published about a model, in order."""
        for records in (await self._reader.getmany(timeout_ms=20)).values():
            for record in records:
                envelope = Envelope.from_headers(record.headers)
                fact = fact_class(envelope.type).from_bytes(record.value)
                self._told.append((envelope, fact, record.value))
        found = [one for one in self._told if one[0].subject == f"rollouts/{model}"]
        return sorted(found, key=lambda one: one[0].position)

    async def until(self, model: str, *expected: str) -> list[Fact]:
        """The newest facts about a model, once they are these and each was published once."""

        async def there() -> list[Fact]:
            told = await self.facts(model)
            assert len({envelope.position for envelope, _, _ in told}) == len(told)
            newest = [fact for _, fact, _ in told][-len(expected) :]
            assert words(newest) == list(expected)
            return newest

        return await eventually(there, timeout=40)

    async def records(self, topic: str) -> list[Record]:
        """Everything on a topic now."""
        partitions = [
            TopicPartition(*place) for place in await partitions_of(self.service.environment["PELTON_KAFKA"], [topic])
        ]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.service.environment["PELTON_KAFKA"])
        await consumer.start()
        try:
            consumer.assign(partitions)
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(partitions)
            found: list[Record] = []
            while sum(ends.values()) > len(found):
                for some in (await consumer.getmany(timeout_ms=50)).values():
                    found += [Record(r.topic, r.partition, r.offset, r.headers, r.value) for r in some]
            return found
        finally:
            await consumer.stop()


class Log:
    """The evidence of a replay: everything that was published."""

    def __init__(self, facts: Sequence[Told], records: Sequence[Record]) -> None:
        self._facts = {str(envelope.id): value for envelope, _, value in facts}
        self._records = records

    async def fact(self, event_id: str) -> bytes:
        return self._facts[event_id]

    async def records(self, ranges: Sequence[OffsetRange]) -> list[Record]:
        return [
            record
            for record in self._records
            for one in ranges
            if (record.topic, record.partition) == (one.topic, one.partition) and one.start <= record.offset < one.end
        ]


@asynccontextmanager
async def deployer_process(kafka: KafkaInstance, postgres: PostgresInstance, home: Path) -> AsyncIterator[Deployer]:
    """A deployer that is ready, and is killed in the end."""
    service = ServiceInstance("deployer", home, kafka, postgres)
    await ensure_topics(kafka.bootstrap, {control_topic("deployer"): 2, control_topic("registry"): 2})
    publisher = KafkaPublisher(kafka.bootstrap, "test")
    await publisher.start()
    reader = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap)
    await reader.start()
    reader.assign([TopicPartition(control_topic("deployer"), number) for number in range(2)])
    await reader.seek_to_beginning()
    running = Deployer(service, publisher, reader)
    try:
        service.start()
        yield running
    finally:
        service.crash()
        await reader.stop()
        await publisher.stop()


def registered(model: str = MODEL) -> ModelRegistered:
    definition = ModelDefinition(
        name=model,
        source="departures",
        label=LabelDefinition(source="landings", value="delay > 15", delay="2h"),
        inputs=InputDefinition(request=("distance",)),
        pipeline=PipelineDefinition(entry="pipeline:make"),
        training=TrainingDefinition(history="30d", holdout="7d"),
        triggers=TriggerDefinition(first_after="30d", cooldown="1d", budget=3, budget_period="30d"),
        rollout=PLAN,
    )
    code = Artifact(digest=sha256(b"code"), size=4, format="zip")
    return ModelRegistered(model=model, definition=definition, definition_digest=definition.digest, code=code)


def moved(model: str, number: int, to_stage: Stage = "staging") -> ModelStageChanged:
    return ModelStageChanged(
        model=model,
        version=number,
        from_stage="development" if to_stage == "staging" else "staging",
        to_stage=to_stage,
        reason="its gates",
        details=version(number, model),
    )


def promoted(model: str, number: int) -> ModelPromoted:
    return ModelPromoted(model=model, version=number, previous=number - 1 or None, details=version(number, model))


def taken_back(model: str, number: int) -> ModelRolledBack:
    return ModelRolledBack(
        model=model, from_version=number + 1, version=number, reason="breach", details=version(number, model)
    )


def unit_of(text: str) -> dict[str, Any]:
    """A line of the log; nothing where it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
