"""The feature service's own process, as an operator and as upstream systems see it."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from pelton.contracts.definitions import FeatureViewDefinition, SourceDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.topics import data_topic
from pelton.eventkit.clock import utc_now, uuid7
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.identity import Role
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.topics import ensure_topics
from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance, eventually

Told = tuple[Envelope, dict[str, Any]]


class Feature:
    """The process, on the same home, database and port each time it is started."""

    def __init__(self, service: ServiceInstance, client: httpx.AsyncClient, publisher: KafkaPublisher) -> None:
        self.client = client
        self.publisher = publisher
        self.home = Path(service.environment["PELTON_HOME"])
        self.dsn = service.database
        self._service = service
        self._position = 0

    async def start(self) -> None:
        await asyncio.to_thread(self._service.start)

    async def end(self, by: signal.Signals) -> int:
        return await self._service.end(by)

    def client_of(self, role: Role | None) -> httpx.AsyncClient:
        """A client with a role's token, or without any."""
        return self._service.client(role, "eve")

    async def declare(self, *definitions: SourceDefinition | FeatureViewDefinition) -> None:
        for definition in definitions:
            door = "/v1/sources" if isinstance(definition, SourceDefinition) else "/v1/feature-views"
            answer = await self.client.post(door, json=definition.model_dump(mode="json"))
            assert answer.status_code == 200, answer.text

    async def publish(self, source: str, events: Sequence[tuple[str | None, bytes]]) -> None:
        """Put records on the source's topic, as an upstream system would."""
        records = []
        for event_id, value in events:
            headers = [("ce_id", event_id.encode())] if event_id is not None else []
            records.append(Outgoing(data_topic(source), b"k", headers, value))
        await self.publisher.publish(records)

    async def publish_all(self, source: str, events: Sequence[dict[str, Any]]) -> None:
        """Publish events under their flights as ids."""
        await self.publish(source, [(one["flight"], json.dumps(one).encode()) for one in events])

    async def hears(self, *facts: Fact, actor: str = "service:test") -> None:
        records = []
        for fact in facts:
            self._position += 1
            envelope = Envelope(
                id=uuid7(),
                owner=fact.fact_owner,
                type=fact.fact_type,
                subject="any/late",
                time=utc_now(),
                correlation_id="story",
                causation_id=None,
                actor=actor,
                stream_version=self._position,
                position=self._position,
                traceparent=None,
            )
            records.append(Outgoing(envelope.topic, b"late", envelope.headers(), fact.to_bytes()))
        await self.publisher.publish(records)

    async def told(self) -> list[Told]:
        """Every fact that the service has published, by position."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._service.environment["PELTON_KAFKA"])
        await consumer.start()
        try:
            partitions = [TopicPartition("pelton.feature", number) for number in range(2)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(partitions)
            found: list[Told] = []
            while sum(ends.values()) > len(found):
                for records in (await consumer.getmany(timeout_ms=50)).values():
                    found += [(Envelope.from_headers(one.headers), json.loads(one.value)) for one in records]
            return sorted(found, key=lambda one: one[0].position)
        finally:
            await consumer.stop()

    async def facts(self, name: str, **fields: object) -> list[dict[str, Any]]:
        """The facts of one kind with these fields, such as `source_advanced`."""
        return [
            data
            for envelope, data in await self.told()
            if envelope.type.split(".")[-2] == name and all(data[field] == value for field, value in fields.items())
        ]

    async def counted(self, source: str, taken: int) -> None:
        """Wait until the online store's file says that so many events of a source were counted."""

        async def there() -> bool:
            found = (await self.client.get(f"/v1/sources/{source}")).json()
            assert found["events"] == taken, found
            return True

        await eventually(there, timeout=40)

    async def set_aside(self, source: str, count: int) -> dict[str, dict[str, Any]]:
        """The quarantined records of a source by event id, once they are so many."""

        async def there() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await self.client.get(f"/v1/quarantine?source={source}")).json()["records"]
            assert len(found) == count
            return found

        return {one["event_id"]: one for one in await eventually(there)}

    async def online(
        self, features: Sequence[str], entity: str, keys: Sequence[Any], at: Sequence[str]
    ) -> dict[str, Any]:
        body = {
            "entities": {entity: list(keys)},
            "features": list(features),
            "at": list(at),
            "full_feature_names": True,
        }
        answer = await self.client.post("/get-online-features", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def feature_service(kafka: KafkaInstance, postgres: PostgresInstance, home: Path) -> AsyncIterator[Feature]:
    """A service that is ready, and is killed in the end."""
    service = ServiceInstance("feature", home, kafka, postgres)
    await ensure_topics(kafka.bootstrap, {"pelton.feature": 2})
    publisher = KafkaPublisher(kafka.bootstrap, "upstream")
    await publisher.start()
    async with service.client(Role.CONTRIBUTOR) as client:
        running = Feature(service, client, publisher)
        try:
            await running.start()
            yield running
        finally:
            service.crash()
            await publisher.stop()
