"""The trainer's own process, as an operator sees it: stopped, killed, and its worker with it."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.feature import DatasetMaterialized, SourceAdvanced
from pelton.contracts.registry import ModelRegistered
from pelton.contracts.values import Artifact, Window
from pelton.eventkit.clock import utc_now, uuid7
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.identity import Role, load_or_create_key, mint
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.local import ports
from pelton.objects import Objects
from pelton.testkit import KafkaInstance, PostgresInstance, eventually

DAY_0 = datetime(2013, 1, 1, tzinfo=UTC)


def outgoing(fact: Fact, position: int) -> Outgoing:
    envelope = Envelope(
        id=uuid7(),
        owner=fact.fact_owner,
        type=fact.fact_type,
        subject="any/late",
        time=utc_now(),
        correlation_id="story",
        causation_id=None,
        actor="service:test",
        stream_version=position,
        position=position,
        traceparent=None,
    )
    return Outgoing(envelope.topic, b"late", envelope.headers(), fact.to_bytes())


def workers_of(folder: Path) -> list[int]:
    """Processes that are alive and work in a training's folder."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and (process / "cwd").readlink().is_relative_to(folder / "tmp"):
                found.append(int(process.name))
    return found


@dataclass
class Trainer:
    """The service's process, on the same database and port each time it is started."""

    environment: dict[str, str]
    client: httpx.AsyncClient
    started: list[Process] = field(default_factory=list)

    async def start(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pelton.trainer", env=self.environment, stdout=asyncio.subprocess.DEVNULL
        )
        self.started.append(process)
        await eventually(self.progress, timeout=30)
        return process

    async def progress(self) -> httpx.Response | None:
        assert self.started[-1].returncode is None
        with suppress(httpx.TransportError):
            return await self.client.get("/v1/progress?timeout=0")
        return None

    async def in_flight(self) -> str | None:
        answer = await self.progress()
        return answer and answer.json().get("late", {}).get("in_flight")


@pytest.fixture
async def trainer(kafka: KafkaInstance, postgres: PostgresInstance, tmp_path: Path) -> AsyncIterator[Trainer]:
    (tmp_path / "tmp").mkdir()
    port_base = ports.free_block(8)
    environment = os.environ | {
        "PELTON_HOME": str(tmp_path),
        "PELTON_KAFKA": kafka.bootstrap,
        "PELTON_POSTGRES": postgres.database("trainer").replace("+asyncpg", "").rpartition("/")[0],
        "PELTON_PORT_BASE": str(port_base),
        "TMPDIR": str(tmp_path / "tmp"),
    }
    key = load_or_create_key(tmp_path / "secrets" / "token.key")
    token = mint(key, "tester", Role.VIEWER, utc_now(), timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port_base + 3}", headers=headers) as client:
        running = Trainer(environment, client)
        yield running
        for process in running.started:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.mark.slow
async def test_no_worker_outlives_its_service_and_a_killed_training_is_taken_up_again(
    trainer: Trainer,
    kafka: KafkaInstance,
    tmp_path: Path,
    code: bytes,
    parquet: bytes,
    define: Callable[..., ModelDefinition],
) -> None:
    service = await trainer.start()
    definition = define(pipeline__entry="pipeline:endless", pipeline__candidates=({},))
    objects = Objects((tmp_path / "objects").as_uri())
    dataset = Artifact(digest=await objects.put(parquet), size=len(parquet), format="parquet")
    as_of = DAY_0 + timedelta(days=60)
    registered, advanced, materialized = (
        ModelRegistered(
            model="late",
            definition=definition,
            definition_digest=definition.digest,
            code=Artifact(digest=await objects.put(code), size=len(code), format="zip"),
        ),
        SourceAdvanced(source="departures", watermark=as_of, events=1, first_event=DAY_0, offsets=()),
        DatasetMaterialized(
            dataset=dataset.digest,
            training_id="late-1",
            model="late",
            artifact=dataset,
            rows=3000,
            positives=500,
            columns=(),
            span=Window(start=DAY_0, end=as_of),
            as_of=as_of,
            offsets=(),
            views={},
            sources={},
        ),
    )
    publisher = KafkaPublisher(kafka.bootstrap, "test")
    await publisher.start()
    try:
        await publisher.publish([outgoing(registered, 1), outgoing(advanced, 1)])
        await eventually(trainer.in_flight)
        await publisher.publish([outgoing(materialized, 2)])
        (worker,) = await eventually(lambda: workers_of(tmp_path), timeout=20)
    finally:
        await publisher.stop()
    # Whoever ends the trainer finds the worker in its session, and the worker's group is its own to end.
    await eventually(lambda: os.getpgid(worker) == worker)
    assert os.getsid(worker) == os.getsid(service.pid)

    service.kill()
    await service.wait()
    await eventually(lambda: not workers_of(tmp_path))

    service = await trainer.start()
    await eventually(lambda: workers_of(tmp_path), timeout=20)
    service.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(service.wait(), 20) == 0
    assert workers_of(tmp_path) == []
