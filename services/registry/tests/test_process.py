"""The registry's own process on real Kafka and PostgreSQL: from a declaration to a champion, and killed on the way."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from registry_door import envelope
from registry_facts import CODE_BYTES, artifact, person, succeeded, trained

from pelton.contracts.fact import Fact
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.identity import Role, load_or_create_key, mint
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.topics import ensure_topics
from pelton.local import ports
from pelton.testkit import KafkaInstance, PostgresInstance, eventually

JUST_MODEL = ["model_registered"]
STAGED = [*JUST_MODEL, "run_finished", "model_version_created", "model_version_validated", "model_stage_changed"]
WAITING = [*STAGED, "approval_requested"]
PROMOTED = [*WAITING, "approval_granted", "model_stage_changed", "model_promoted"]
# Signatures and cards are made in the background, when their turn comes.
ASIDE = {"model_version_signed", "model_card_published"}


class Registry:
    """The process, on the same database and port each time it is started."""

    def __init__(self, environment: dict[str, str], client: httpx.AsyncClient, reader: AIOKafkaConsumer) -> None:
        self.client = client
        self.process: Process | None = None
        self._environment = environment
        self._reader = reader
        self._published: list[Envelope] = []

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pelton.registry", env=self._environment, stdout=asyncio.subprocess.DEVNULL
        )
        await eventually(self._ready, timeout=60)

    async def end(self, by: signal.Signals) -> int | None:
        """End the process unless it has ended; returns how it did."""
        if self.process is None:
            return None
        if self.process.returncode is None:
            self.process.send_signal(by)
        return await self.process.wait()

    async def hears(self, messages: Sequence[tuple[Fact, Envelope]]) -> None:
        publisher = KafkaPublisher(self._environment["PELTON_KAFKA"], "test")
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

    async def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None
        with suppress(httpx.TransportError):
            return (await self.client.get("/readyz")).is_success
        return False


@pytest.fixture
async def registry(
    kafka_private: KafkaInstance, postgres_private: PostgresInstance, tmp_path: Path
) -> AsyncIterator[Registry]:
    port_base = ports.free_block(8)
    environment = os.environ | {
        "PELTON_HOME": str(tmp_path),
        "PELTON_KAFKA": kafka_private.bootstrap,
        "PELTON_POSTGRES": postgres_private.database("registry").replace("+asyncpg", "").rpartition("/")[0],
        "PELTON_PORT_BASE": str(port_base),
    }
    key = load_or_create_key(tmp_path / "secrets" / "token.key")
    token = mint(key, "ann", Role.ADMIN, datetime.now(UTC), timedelta(hours=1))
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port_base + 1}", headers={"authorization": f"Bearer {token}"}, trust_env=False
    ) as client:
        await ensure_topics(kafka_private.bootstrap, {"pelton.registry": 2})
        reader = AIOKafkaConsumer(bootstrap_servers=kafka_private.bootstrap)
        await reader.start()
        partitions = [TopicPartition("pelton.registry", number) for number in range(2)]
        reader.assign(partitions)
        await reader.seek_to_beginning()
        running = Registry(environment, client, reader)
        yield running
        await running.end(signal.SIGKILL)
        await reader.stop()


# A group waits ten seconds for a member that was killed.
@pytest.mark.parametrize(
    ("by", "code"), [(signal.SIGTERM, 0), pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.slow)]
)
async def test_a_declaration_becomes_a_champion_though_the_process_ends_on_the_way_and_facts_come_twice(
    registry: Registry, by: signal.Signals, code: int
) -> None:
    await registry.start()
    stored = (await registry.client.put("/v1/artifacts", content=CODE_BYTES)).json()
    body = {"definition": person().model_dump(mode="json"), "code": stored["digest"]}
    assert (await registry.client.post("/v1/models", json=body)).status_code == 201
    await registry.until(JUST_MODEL)

    training = trained(1, person())
    told = (training, envelope(training, 1))
    await registry.hears([told, told])
    await registry.until(STAGED)

    assert await registry.end(by) == code
    success = succeeded(1)
    await registry.hears([told, (success, envelope(success, 1))])
    await registry.start()
    asked = await registry.until(WAITING)
    assert {one.causation_id for one in asked[1:5]} == {str(told[1].id)}

    decision = {"artifact": artifact(1), "reason": "looks right"}
    answer = await registry.client.post("/v1/models/late/versions/1/approve", json=decision)
    assert (answer.status_code, answer.json()["stage"]) == (200, "production")
    promoted = await registry.until(PROMOTED)
    assert {one.causation_id for one in promoted[-3:]} == {str(asked[-1].id)}
    assert {one.subject for one in promoted} == {"models/late"}
    assert promoted[-1].actor == "ann"
