"""The trainer's own process, as an operator sees it: stopped, killed, and its worker with it."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.feature import DatasetMaterialized, SourceAdvanced
from pelton.contracts.registry import ModelRegistered
from pelton.contracts.values import Artifact, Window
from pelton.eventkit.clock import utc_now, uuid7
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.identity import Role
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.objects import Objects
from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance, eventually

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


@pytest.fixture
def trainer(
    kafka: KafkaInstance, postgres: PostgresInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServiceInstance]:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    instance = ServiceInstance("trainer", tmp_path, kafka, postgres)
    yield instance
    instance.crash()


@pytest.mark.slow
async def test_no_worker_outlives_its_service_and_a_killed_training_is_taken_up_again(
    trainer: ServiceInstance,
    kafka: KafkaInstance,
    tmp_path: Path,
    code: bytes,
    parquet: bytes,
    define: Callable[..., ModelDefinition],
) -> None:
    trainer.start()
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

    async def in_flight() -> str | None:
        async with trainer.client(Role.VIEWER) as client:
            answer = await client.get("/v1/progress?timeout=0")
        progress: dict[str, dict[str, str | None]] = answer.json()
        return progress.get("late", {}).get("in_flight")

    publisher = KafkaPublisher(kafka.bootstrap, "test")
    await publisher.start()
    try:
        await publisher.publish([outgoing(registered, 1), outgoing(advanced, 1)])
        await eventually(in_flight)
        await publisher.publish([outgoing(materialized, 2)])
        (worker,) = await eventually(lambda: workers_of(tmp_path), timeout=20)
    finally:
        await publisher.stop()
    # Whoever ends the trainer finds the worker in its session, and the worker's group is its own to end.
    await eventually(lambda: os.getpgid(worker) == worker, timeout=60)
    assert os.getsid(worker) == os.getsid(trainer.pid)

    await trainer.end(signal.SIGKILL)
    await eventually(lambda: not workers_of(tmp_path))

    trainer.start()
    await eventually(lambda: workers_of(tmp_path), timeout=20)
    assert await trainer.end(signal.SIGTERM) == 0
    assert workers_of(tmp_path) == []
