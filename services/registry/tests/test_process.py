"""The registry's own process on real Kafka and PostgreSQL: from a declaration to a champion, and killed on the way."""

import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from registry_door import envelope
from registry_facts import CODE_BYTES, artifact, person, succeeded, trained

from pelton.contracts.fact import Fact
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.topics import ensure_topics
from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance, eventually

JUST_MODEL = ["model_registered"]
STAGED = [*JUST_MODEL, "run_finished", "model_version_created", "model_version_validated", "model_stage_changed"]
WAITING = [*STAGED, "approval_requested"]
PROMOTED = [*WAITING, "approval_granted", "model_stage_changed", "model_promoted"]
# Signatures and cards are made in the background, when their turn comes.
ASIDE = {"model_version_signed", "model_card_published"}


class Registry:
    """The process, and all that it publishes."""

    def __init__(self, service: ServiceInstance, client: httpx.AsyncClient, reader: AIOKafkaConsumer) -> None:
        self.service = service
        self.client = client
        self._reader = reader
        self._published: list[Envelope] = []

    async def hears(self, messages: Sequence[tuple[Fact, Envelope]]) -> None:
        publisher = KafkaPublisher(self.service.environment["PELTON_KAFKA"], "test")
        await publisher.start()
        await publisher.publish(
            [Outgoing(one.topic, b"late", one.headers(), fact.to_bytes()) for fact, one in messages]
        )
        await publisher.stop()

    async def until(self, types: list[str]) -> list[Envelope]:
        """The facts on the registry's topic, once these are their types; those aside left out.

        Their positions have no gap, with those aside.
        """

        async def there() -> list[Envelope]:
            for records in (await self._reader.getmany(timeout_ms=100)).values():
                self._published += [Envelope.from_headers(record.headers) for record in records]
            self._published.sort(key=lambda one: one.position)
            assert [one.position for one in self._published] == list(range(1, len(self._published) + 1))
            told = [(one.type.split(".")[-2], one) for one in self._published]
            assert [name for name, _ in told if name not in ASIDE] == types
            return [one for name, one in told if name not in ASIDE]

        return list(await eventually(there, timeout=30))


@pytest.fixture
async def registry(
    kafka_private: KafkaInstance, postgres_private: PostgresInstance, tmp_path: Path
) -> AsyncIterator[Registry]:
    service = ServiceInstance("registry", tmp_path, kafka_private, postgres_private)
    async with service.client() as client:
        await ensure_topics(kafka_private.bootstrap, {"pelton.registry": 2})
        reader = AIOKafkaConsumer(bootstrap_servers=kafka_private.bootstrap)
        await reader.start()
        partitions = [TopicPartition("pelton.registry", number) for number in range(2)]
        reader.assign(partitions)
        await reader.seek_to_beginning()
        yield Registry(service, client, reader)
        service.crash()
        await reader.stop()


# A group waits ten seconds for a member that was killed.
@pytest.mark.parametrize(
    ("by", "code"), [(signal.SIGTERM, 0), pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.slow)]
)
async def test_a_declaration_becomes_a_champion_though_the_process_ends_on_the_way_and_facts_come_twice(
    registry: Registry, by: signal.Signals, code: int
) -> None:
    registry.service.start()
    stored = (await registry.client.put("/v1/artifacts", content=CODE_BYTES)).json()
    body = {"definition": person().model_dump(mode="json"), "code": stored["digest"]}
    assert (await registry.client.post("/v1/models", json=body)).status_code == 201
    await registry.until(JUST_MODEL)

    training = trained(1, person())
    told = (training, envelope(training, 1))
    await registry.hears([told, told])
    await registry.until(STAGED)

    assert await registry.service.end(by) == code
    success = succeeded(1)
    await registry.hears([told, (success, envelope(success, 1))])
    registry.service.start()
    asked = await registry.until(WAITING)
    assert {one.causation_id for one in asked[1:5]} == {str(told[1].id)}

    decision = {"artifact": artifact(1), "reason": "looks right"}
    answer = await registry.client.post("/v1/models/late/versions/1/approve", json=decision)
    assert (answer.status_code, answer.json()["stage"]) == (200, "production")
    promoted = await registry.until(PROMOTED)
    assert {one.causation_id for one in promoted[-3:]} == {str(asked[-1].id)}
    assert {one.subject for one in promoted} == {"models/late"}
    assert promoted[-1].actor == "ann"
