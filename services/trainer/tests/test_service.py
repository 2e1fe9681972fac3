"""Facts in, facts out, and the API between: on a real PostgreSQL and a real object store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import DriftDefinition, ModelDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.feature import DatasetFailed, DatasetMaterialized, SourceAdvanced
from pelton.contracts.monitor import DataDriftDetected, FeatureDrift, WindowDrift
from pelton.contracts.registry import ModelPromoted, ModelRegistered, ModelStageChanged
from pelton.contracts.trainer import (
    TrainingCompleted,
    TrainingDeferred,
    TrainingFailed,
    TrainingRequested,
    TrainingStarted,
)
from pelton.contracts.values import Artifact, ModelVersion, Window
from pelton.eventkit import store as event_store
from pelton.eventkit.asgi import Authentication
from pelton.eventkit.clock import utc_now, uuid7
from pelton.eventkit.database import create_engine, migrate
from pelton.eventkit.envelope import Envelope, Received
from pelton.eventkit.identity import Role, TokenVerifier, mint
from pelton.eventkit.jobs import JobRunner
from pelton.eventkit.problems import install_problem_handlers
from pelton.eventkit.unit import Units
from pelton.objects import Objects
from pelton.testkit import PostgresInstance, eventually
from pelton.trainer import api, environment, projections
from pelton.trainer.gateways import Worker
from pelton.trainer.handlers import HANDLERS, TRAIN
from pelton.trainer.jobs import Trainings
from pelton.trainer.progress import ProgressBoard

MIGRATIONS = Path(api.__file__).parent / "migrations" / "versions"
KEY = b"k" * 32
DAY_0 = datetime(2013, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return DAY_0 + timedelta(days=number)


@dataclass
class Trainer:
    """The trainer's parts in this process, with facts handed to its handlers one at a time."""

    units: Units
    dsn: str
    objects: Objects
    positions: int = 0
    waiting: list[str] = field(default_factory=list)

    async def sees(self, fact: Fact) -> str:
        self.positions += 1
        envelope = Envelope(
            id=uuid7(),
            owner=fact.fact_owner,
            type=fact.fact_type,
            subject="any/late",
            time=utc_now(),
            correlation_id="story",
            causation_id=None,
            actor="service:test",
            stream_version=1,
            position=self.positions,
            traceparent=None,
        )
        for handler in HANDLERS:
            if handler.fact is type(fact):
                async with self.units.begin(cause=envelope.as_cause()) as unit:
                    await handler.call(Received(envelope, fact), unit)
        return str(envelope.id)

    async def facts(self) -> list[Fact]:
        async with self.units.begin() as unit:
            return await event_store.load(unit.connection, "retraining/late")

    async def last(self) -> Fact:
        return (await self.facts())[-1]

    def jobs(self) -> JobRunner:
        worker = Worker(memory=8 * 1024**3, seconds=60)
        trainings = Trainings(self.units, self.objects, worker, environment.capture())
        return JobRunner(self.units.engine, {TRAIN: trainings.run})

    async def works_until(self, *kinds: type[Fact]) -> Fact:
        running = asyncio.create_task(self.jobs().run())
        try:

            async def ended() -> Fact | None:
                fact = await self.last()
                return fact if isinstance(fact, kinds) else None

            return await eventually(ended, timeout=60)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def trainer(postgres: PostgresInstance, tmp_path: Path) -> AsyncIterator[Trainer]:
    dsn = postgres.database().replace("+asyncpg", "")
    engine = create_engine(dsn)
    await migrate(engine, [MIGRATIONS])
    yield Trainer(Units(engine, "trainer"), dsn, Objects((tmp_path / "objects").as_uri()))
    await engine.dispose()


@pytest.fixture
async def call(trainer: Trainer) -> AsyncIterator[Callable[..., Awaitable[httpx.Response]]]:
    board = ProgressBoard(trainer.units.engine, trainer.dsn, lambda: trainer.waiting.append("woken"))
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(api.router(trainer.units, board))
    transport = httpx.ASGITransport(Authentication(app, TokenVerifier(KEY)))
    listening = asyncio.create_task(board.run())
    async with httpx.AsyncClient(transport=transport, base_url="http://trainer") as client:

        async def request(method: str, path: str, role: Role = Role.CONTRIBUTOR, **more: Any) -> httpx.Response:  # noqa: ANN401
            token = mint(KEY, "ada", role, utc_now(), timedelta(hours=1))
            headers = {"Authorization": f"Bearer {token}"} | more.pop("headers", {})
            return await client.request(method, path, headers=headers, **more)

        yield request
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


@pytest.fixture
async def registered(
    trainer: Trainer, code: bytes, define: Callable[..., ModelDefinition]
) -> Callable[..., Awaitable[ModelDefinition]]:
    async def register(**changes: object) -> ModelDefinition:
        definition = define(**changes)
        artifact = Artifact(digest=await trainer.objects.put(code), size=len(code), format="zip")
        await trainer.sees(
            ModelRegistered(model="late", definition=definition, definition_digest=definition.digest, code=artifact)
        )
        return definition

    return register


Register = Callable[..., Awaitable[ModelDefinition]]
Call = Callable[..., Awaitable[httpx.Response]]


def advanced(moment: datetime, source: str = "departures") -> SourceAdvanced:
    return SourceAdvanced(source=source, watermark=moment, events=1000, first_event=day(0), offsets=())


async def materialized(trainer: Trainer, training_id: str, parquet: bytes, as_of: datetime) -> DatasetMaterialized:
    digest = await trainer.objects.put(parquet)
    return DatasetMaterialized(
        dataset=digest,
        training_id=training_id,
        model="late",
        artifact=Artifact(digest=digest, size=len(parquet), format="parquet"),
        rows=3000,
        positives=500,
        columns=("key", "event_time", "distance", "route__delay_mean_1d", "label"),
        span=Window(start=as_of - timedelta(days=60), end=as_of),
        as_of=as_of,
        offsets=(),
        views={"route": sha256(b"route")},
        sources={},
    )


def promoted(completed: TrainingCompleted, version: int) -> ModelPromoted:
    details = ModelVersion(
        model="late",
        version=version,
        training_id=completed.training_id,
        artifact=completed.artifact,
        request=("distance",),
        features=("route:delay_mean_1d",),
        views=completed.views,
        threshold=0.5,
        dataset=completed.dataset,
        evaluation=completed.evaluation,
    )
    return ModelPromoted(model="late", version=version, previous=None, details=details)


def drifted(end: datetime) -> DataDriftDetected:
    feature = FeatureDrift(feature="distance", counts=(1,), p_value=0.0, effect=1.0, rejected=True, drifted=True)
    window = WindowDrift(
        window=Window(start=end - timedelta(days=1), end=end),
        offsets=(),
        rows=100,
        features=(feature,),
        share=1.0,
        drifted=True,
    )
    return DataDriftDetected.model_validate(
        {
            "model": "late",
            "version": 1,
            "reference_id": "r",
            "reference_digest": sha256(b"r"),
            "configuration": DriftDefinition(),
            "code_version": "1",
            "windows": (window,),
        }
    )


async def test_the_first_champion_is_trained_and_the_next_challenger_meets_it(
    trainer: Trainer, registered: Register, parquet: bytes
) -> None:
    definition = await registered()
    await trainer.sees(advanced(day(59)))
    assert await trainer.facts() == []
    await trainer.sees(advanced(day(60.01), "landings"))
    assert await trainer.facts() == []
    await trainer.sees(advanced(day(60.01)))
    requested = await trainer.last()
    assert isinstance(requested, TrainingRequested)
    assert (requested.trigger.kind, requested.as_of, requested.definition_digest) == (
        "first",
        day(60),
        definition.digest,
    )

    dataset = await materialized(trainer, requested.training_id, parquet, day(60))
    await trainer.sees(dataset)
    first = await trainer.works_until(TrainingCompleted, TrainingFailed)
    assert isinstance(first, TrainingCompleted)
    assert [type(fact) for fact in await trainer.facts()] == [TrainingRequested, TrainingStarted, TrainingCompleted]
    assert sha256(await trainer.objects.get(first.artifact.digest)) == first.artifact.digest
    assert (first.dataset, first.seed, first.champion_version) == (dataset.dataset, 8, None)
    assert first.evaluation.brier < 0.25

    await trainer.sees(advanced(day(69)))
    assert await trainer.last() == first, "its version may still be promoted"
    await trainer.sees(promoted(first, 1))
    await trainer.sees(drifted(day(70)))
    second = await trainer.last()
    assert isinstance(second, TrainingRequested)
    assert (second.training_id, second.trigger.kind, second.as_of) == ("late-2", "drift", day(70))
    assert "distance" in second.trigger.detail
    await trainer.sees(await materialized(trainer, "late-2", parquet, day(70)))
    completed = await trainer.works_until(TrainingCompleted, TrainingFailed)
    assert isinstance(completed, TrainingCompleted)
    assert completed.champion_version == 1
    assert completed.champion_evaluation == first.evaluation
    assert completed.evidence is not None
    assert completed.evidence.comparison is not None
    assert completed.evidence.comparison.against == 1

    await trainer.sees(drifted(day(72)))
    deferred = await trainer.last()
    assert isinstance(deferred, TrainingDeferred)
    assert (deferred.reason, deferred.until) == ("cooldown", day(77))


async def test_a_model_registered_after_its_data_is_trained_at_once(trainer: Trainer, registered: Register) -> None:
    event_id = await trainer.sees(advanced(day(200.5)))
    await registered()
    requested = await trainer.last()
    assert isinstance(requested, TrainingRequested)
    assert (requested.as_of, requested.trigger.event_id) == (day(200), event_id)


async def test_a_dataset_that_failed_or_code_that_is_gone_ends_the_training(
    trainer: Trainer, registered: Register, parquet: bytes, tmp_path: Path
) -> None:
    await registered()
    await trainer.sees(advanced(day(60)))
    await trainer.sees(DatasetFailed(training_id="late-1", model="late", reason="no rows between the dates"))
    failed = await trainer.last()
    assert isinstance(failed, TrainingFailed)
    assert failed.reason == "no dataset: no rows between the dates"

    await trainer.sees(advanced(day(67)))
    dataset = await materialized(trainer, "late-2", parquet, day(67))
    requested = await trainer.last()
    assert isinstance(requested, TrainingRequested)
    assert requested.code is not None
    digest = requested.code.digest.removeprefix("sha256:")
    (tmp_path / "objects" / "sha256" / digest[:2] / digest[2:]).unlink()
    await trainer.sees(dataset)
    failed = await trainer.works_until(TrainingCompleted, TrainingFailed)
    assert isinstance(failed, TrainingFailed)
    assert digest in failed.reason


async def test_a_job_that_runs_again_tells_its_story_once_and_with_the_definition_it_was_asked_with(
    trainer: Trainer, registered: Register, parquet: bytes
) -> None:
    asked_with = await registered(pipeline__entry="pipeline:linear", pipeline__candidates=({},))
    await trainer.sees(advanced(day(60)))
    await registered(pipeline__entry="pipeline:nothing")
    await trainer.sees(await materialized(trainer, "late-1", parquet, day(60)))
    await trainer.works_until(TrainingStarted)  # and no further: the runner is cancelled as by a stop
    completed = await trainer.works_until(TrainingCompleted, TrainingFailed)
    assert isinstance(completed, TrainingCompleted)
    assert completed.definition_digest == asked_with.digest
    async with trainer.units.begin() as unit:
        await unit.connection.execute(text("UPDATE jobs SET finished_at = NULL"))
    running = asyncio.create_task(trainer.jobs().run())

    async def finished() -> bool:
        async with trainer.units.begin() as unit:
            waiting = await unit.connection.execute(text("SELECT count(*) FROM jobs WHERE finished_at IS NULL"))
            return waiting.scalar() == 0

    await eventually(finished, timeout=30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [type(fact) for fact in await trainer.facts()] == [TrainingRequested, TrainingStarted, TrainingCompleted]

    # and when its version is refused, the first champion is tried for again
    await trainer.sees(advanced(day(80)))
    assert await trainer.last() == completed
    refused = ModelStageChanged(
        model="late",
        version=1,
        from_stage="development",
        to_stage="archived",
        reason="a gate",
        details=promoted(completed, 1).details,
    )
    await trainer.sees(refused)
    await trainer.sees(advanced(day(81)))
    again = await trainer.last()
    assert isinstance(again, TrainingRequested)
    assert (again.training_id, again.trigger.kind) == ("late-2", "first")


async def trainings_table(connection: AsyncConnection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.execute(text("SELECT * FROM trainings ORDER BY training_id"))]


async def test_the_table_rebuilt_is_the_table_kept_live(trainer: Trainer, registered: Register) -> None:
    await registered()
    for number in range(3):
        await trainer.sees(advanced(day(60 + 10 * number)))
        if number < 2:
            await trainer.sees(DatasetFailed(training_id=f"late-{number + 1}", model="late", reason="none"))
    async with trainer.units.begin() as unit:
        await unit.connection.execute(text("UPDATE events SET position = seq"))
        live = await trainings_table(unit.connection)
        await projections.rebuild(unit.connection)
        assert await trainings_table(unit.connection) == live
    assert len(live) == 3


async def test_a_person_asks_for_a_training_within_the_policy(
    trainer: Trainer, registered: Register, call: Call
) -> None:
    body = {"model": "late"}
    assert (await call("POST", "/v1/trainings", json=body)).status_code == 404
    await registered()
    nothing_yet = await call("POST", "/v1/trainings", json=body)
    assert (nothing_yet.status_code, nothing_yet.json()["type"]) == (409, "urn:pelton:problem:no-data")
    assert (await call("POST", "/v1/trainings", Role.VIEWER, json=body)).status_code == 403
    assert (await call("POST", "/v1/trainings", json=body | {"more": 1})).json()["errors"][0]["field"] == "more"

    await trainer.sees(advanced(day(30.5)))
    first = await call("POST", "/v1/trainings", json=body, headers={"Idempotency-Key": "one"})
    assert first.status_code == 202
    assert first.json()["requested"]["trigger"]["kind"] == "manual"
    assert first.json()["requested"]["trigger"]["detail"] == "asked for by ada"
    again = await call("POST", "/v1/trainings", json=body, headers={"Idempotency-Key": "one"})
    assert (again.status_code, again.json()["training_id"]) == (202, "late-1")

    busy = await call("POST", "/v1/trainings", json=body)
    assert (busy.status_code, busy.json()["type"]) == (409, "urn:pelton:problem:deferred-in-flight")
    assert isinstance(await trainer.last(), TrainingDeferred)
    await trainer.sees(DatasetFailed(training_id="late-1", model="late", reason="none"))
    resting = await call("POST", "/v1/trainings", json=body)
    assert "2013-02-07" in resting.json()["detail"]

    policy = (await call("GET", "/v1/policies/late", Role.VIEWER)).json()
    assert policy["in_flight"] is None
    assert policy["resting_until"] == "2013-02-07T00:00:00Z"
    assert policy["deferred"] == [{"kind": "manual", "reason": "cooldown"}]
    assert (await call("GET", "/v1/policies/none", Role.VIEWER)).status_code == 404


async def test_trainings_are_listed_in_pages_newest_first(trainer: Trainer, registered: Register, call: Call) -> None:
    await registered()
    for number in range(1, 4):
        await trainer.sees(advanced(day(50 + 10 * number)))
        await trainer.sees(DatasetFailed(training_id=f"late-{number}", model="late", reason="none"))
    page = (await call("GET", "/v1/trainings?model=late&limit=2", Role.VIEWER)).json()
    assert [training["training_id"] for training in page["trainings"]] == ["late-3", "late-2"]
    rest = (await call("GET", f"/v1/trainings?limit=2&page={page['next_page']}", Role.VIEWER)).json()
    assert [(one["training_id"], one["status"], one["reason"]) for one in rest["trainings"]] == [
        ("late-1", "failed", "no dataset: none")
    ]
    assert rest["next_page"] is None
    assert (await call("GET", "/v1/trainings/late-1", Role.VIEWER)).json()["status"] == "failed"
    assert (await call("GET", "/v1/trainings/late-9", Role.VIEWER)).status_code == 404
    assert (await call("GET", "/v1/trainings?page=nonsense", Role.VIEWER)).status_code == 422


async def test_progress_answers_as_soon_as_what_was_asked_for_is_settled(
    trainer: Trainer, registered: Register, call: Call
) -> None:
    await registered()
    at_once = (await call("GET", "/v1/progress", Role.VIEWER)).json()
    assert at_once == {"late": {"in_flight": None, "since": None, "handled_until": None}}

    waiting = asyncio.create_task(
        call("GET", "/v1/progress", Role.VIEWER, params={"until": day(60).isoformat(), "timeout": 50})
    )
    await trainer.sees(advanced(day(60.25)))
    half_way = (await call("GET", "/v1/progress?timeout=0", Role.VIEWER)).json()
    assert half_way["late"] == {
        "in_flight": "late-1",
        "since": "2013-03-02T00:00:00Z",
        "handled_until": "2013-03-02T06:00:00Z",
    }
    assert not waiting.done()
    await trainer.sees(DatasetFailed(training_id="late-1", model="late", reason="none"))
    answer = await asyncio.wait_for(waiting, 10)
    assert answer.json()["late"]["in_flight"] is None
    assert trainer.waiting
