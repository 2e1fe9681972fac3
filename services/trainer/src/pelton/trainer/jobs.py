"""The job that turns a dataset into a model: files to a worker, an artifact to the object store, a fact to the log."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.feature import DatasetMaterialized
from pelton.contracts.trainer import TrainingCompleted
from pelton.contracts.values import Artifact, Environment, ModelVersion
from pelton.eventkit.failures import is_transient
from pelton.eventkit.jobs import Job
from pelton.eventkit.unit import Units
from pelton.objects import Objects
from pelton.trainer import store
from pelton.trainer.domain.policy import complete, fail, start
from pelton.trainer.domain.retraining import Retraining
from pelton.trainer.gateways import TrainingImpossibleError, Worker
from pelton.trainer.orders import ChampionFile, TrainingOrder, TrainingResult
from pelton.trainer.projections import record

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a training was asked to be, and the champion it has to meet."""

    dataset: DatasetMaterialized
    order: TrainingOrder
    code: Artifact
    champion: ModelVersion | None


class Trainings:
    """Takes datasets up, one job each; a job that runs again goes on where the facts say it was."""

    def __init__(self, units: Units, objects: Objects, worker: Worker, environment: Environment) -> None:
        self._units = units
        self._objects = objects
        self._worker = worker
        self._environment = environment

    async def run(self, job: Job) -> None:
        """Train, and end the training's story by a fact; what is transient is raised, to be tried again."""
        dataset = DatasetMaterialized.model_validate(job.payload)
        began = perf_counter()
        with tempfile.TemporaryDirectory(prefix="pelton-training-", ignore_cleanup_errors=True) as name:
            try:
                plan = await self._take_up(job, dataset, Path(name))
                if plan is None:
                    return
                result, artifact = await self._train(plan, Path(name))
            except Exception as error:
                if is_transient(error):
                    raise
                known = isinstance(error, TrainingImpossibleError)
                reason = str(error) if known else f"{type(error).__name__}: {error}"
                log.warning("training failed", training_id=dataset.training_id, reason=reason, exc_info=not known)
                await self._fail(job, dataset, reason)
                return
        await self._complete(job, plan, result, artifact, perf_counter() - began)

    async def _take_up(self, job: Job, dataset: DatasetMaterialized, folder: Path) -> _Plan | None:
        async with self._units.begin(cause=job.cause) as unit:
            policy = await unit.load(Retraining, dataset.model)
            if not policy.awaits(dataset.training_id):
                return None
            plan = await self._plan(unit.connection, dataset, folder)
            started = start(
                policy,
                dataset.training_id,
                dataset=dataset.dataset,
                code=plan.code.digest,
                seed=plan.order.seed,
                environment=self._environment,
            )
            await record(unit, policy, started)
            return plan

    async def _plan(self, connection: AsyncConnection, dataset: DatasetMaterialized, folder: Path) -> _Plan:
        training = await store.training(connection, dataset.training_id)
        model = await store.model(connection, dataset.model)
        if training is None or model is None:
            raise TrainingImpossibleError(f"the trainer has no record of {dataset.training_id}")
        definition = await store.definition(connection, training.requested.definition_digest)
        code = training.requested.code
        if definition is None or code is None:
            raise TrainingImpossibleError(
                f"{dataset.training_id} was requested with a definition or code that the trainer does not have; "
                "apply the model again"
            )
        champion = model.champion and ChampionFile(version=model.champion, path=folder / "champion.onnx")
        order = TrainingOrder(
            definition=definition,
            seed=training.requested.seed,
            span=dataset.span,
            dataset=folder / "dataset.parquet",
            dataset_digest=dataset.dataset,
            views=dataset.views,
            transformations=dataset.transformations,
            code=folder / "code.bundle",
            code_digest=code.digest,
            champion=champion,
            output=folder / "model.onnx",
        )
        return _Plan(dataset, order, code, model.champion)

    async def _train(self, plan: _Plan, folder: Path) -> tuple[TrainingResult, Artifact]:
        order = plan.order
        await self._objects.download(plan.dataset.artifact.digest, order.dataset)
        await self._objects.download(plan.code.digest, order.code)
        if order.champion is not None:
            await self._objects.download(order.champion.version.artifact.digest, order.champion.path)
        result = await self._worker.run(order, folder)
        digest = await self._objects.put(order.output)
        return result, Artifact(digest=digest, size=await self._objects.size(digest), format="onnx")

    async def _complete(
        self, job: Job, plan: _Plan, result: TrainingResult, artifact: Artifact, seconds: float
    ) -> None:
        fact = TrainingCompleted(
            training_id=plan.dataset.training_id,
            model=plan.dataset.model,
            dataset=plan.dataset.dataset,
            artifact=artifact,
            code=plan.code.digest,
            definition_digest=plan.order.definition.digest,
            views=plan.dataset.views,
            transformations=plan.dataset.transformations,
            candidates=result.candidates,
            chosen=result.chosen,
            train_span=result.train_span,
            holdout_span=result.holdout_span,
            evaluation=result.evaluation,
            champion_version=plan.champion.version if plan.champion else None,
            champion_evaluation=result.champion_evaluation,
            champion_skipped=result.champion_skipped,
            evidence=result.evidence,
            seed=plan.order.seed,
            environment=self._environment,
            duration_seconds=round(seconds, 3),
        )
        async with self._units.begin(cause=job.cause) as unit:
            policy = await unit.load(Retraining, fact.model)
            await record(unit, policy, complete(policy, fact))

    async def _fail(self, job: Job, dataset: DatasetMaterialized, reason: str) -> None:
        async with self._units.begin(cause=job.cause) as unit:
            policy = await unit.load(Retraining, dataset.model)
            await record(unit, policy, fail(policy, dataset.training_id, reason))
