"""What the trainer does about facts: the policy on what may ask for a training, and a job for each dataset."""

from datetime import datetime

from pelton.contracts.feature import DatasetFailed, DatasetMaterialized, SourceAdvanced
from pelton.contracts.monitor import DataDriftDetected, PerformanceDegraded, moment
from pelton.contracts.registry import ModelPromoted, ModelRegistered, ModelRolledBack, ModelStageChanged
from pelton.contracts.trainer import Trigger
from pelton.eventkit.envelope import Received
from pelton.eventkit.failures import TransientError
from pelton.eventkit.handlers import Handler, subscribe
from pelton.eventkit.unit import UnitOfWork
from pelton.trainer import store
from pelton.trainer.domain.policy import consider, fail
from pelton.trainer.domain.retraining import Retraining
from pelton.trainer.domain.triggers import Advance, due, from_degradation, from_drift
from pelton.trainer.projections import record
from pelton.trainer.store import Model

TRAIN = "train"


@subscribe(ModelRegistered, id="trainer.models")
async def on_model_registered(event: Received[ModelRegistered], unit: UnitOfWork) -> None:
    """Keep the model; where its source already has the history, its first training is due at once."""
    source = event.data.definition.source
    await store.lock_source(unit.connection, source)
    await store.register(unit.connection, event.data)
    advance = await store.source(unit.connection, source)
    if advance is not None:
        await _advance(unit, await _registered(unit, event.data.model), advance)


@subscribe(ModelPromoted, id="trainer.champion_promoted")
async def on_model_promoted(event: Received[ModelPromoted], unit: UnitOfWork) -> None:
    """Keep the champion: later challengers are evaluated beside it."""
    if event.data.details is not None:
        await store.set_champion(unit.connection, event.data.details)


@subscribe(ModelRolledBack, id="trainer.champion_rolled_back")
async def on_model_rolled_back(event: Received[ModelRolledBack], unit: UnitOfWork) -> None:
    """Keep the champion that came back."""
    if event.data.details is not None:
        await store.set_champion(unit.connection, event.data.details)


@subscribe(ModelStageChanged, id="trainer.version_archived")
async def on_model_stage_changed(event: Received[ModelStageChanged], unit: UnitOfWork) -> None:
    """Keep which version was archived: a first champion that was refused is tried again."""
    if event.data.to_stage == "archived" and event.data.details is not None:
        await store.set_archived(unit.connection, event.data.details)


@subscribe(SourceAdvanced, id="trainer.source_advanced")
async def on_source_advanced(event: Received[SourceAdvanced], unit: UnitOfWork) -> None:
    """Look at the timers of every model of the source."""
    advance = Advance(event.data.watermark, event.data.first_event, event.id)
    await store.lock_source(unit.connection, event.data.source)
    await store.advance_source(unit.connection, event.data.source, advance)
    for model in await store.models_of_source(unit.connection, event.data.source):
        await _advance(unit, model, advance)


@subscribe(DataDriftDetected, id="trainer.data_drift")
async def on_data_drift_detected(event: Received[DataDriftDetected], unit: UnitOfWork) -> None:
    """Let the policy decide about a drift."""
    model = await _registered(unit, event.data.model)
    policy = await unit.load(Retraining, model.name)
    await _decide(unit, model, policy, from_drift(model.definition, event.data, event.id), moment(event.data))


@subscribe(PerformanceDegraded, id="trainer.performance_degraded")
async def on_performance_degraded(event: Received[PerformanceDegraded], unit: UnitOfWork) -> None:
    """Let the policy decide about a degradation."""
    model = await _registered(unit, event.data.model)
    policy = await unit.load(Retraining, model.name)
    await _decide(unit, model, policy, from_degradation(model.definition, event.data, event.id), moment(event.data))


@subscribe(DatasetMaterialized, id="trainer.dataset_materialized")
async def on_dataset_materialized(event: Received[DatasetMaterialized], unit: UnitOfWork) -> None:
    """Leave a job for the dataset, unless its training has ended already."""
    policy = await unit.load(Retraining, event.data.model)
    if policy.awaits(event.data.training_id):
        await unit.enqueue(TRAIN, event.data.training_id, event.data.model_dump(mode="json"))
        await store.notify(unit.connection, event.data.model)


@subscribe(DatasetFailed, id="trainer.dataset_failed")
async def on_dataset_failed(event: Received[DatasetFailed], unit: UnitOfWork) -> None:
    """A training without a dataset has failed."""
    policy = await unit.load(Retraining, event.data.model)
    await record(unit, policy, fail(policy, event.data.training_id, f"no dataset: {event.data.reason}"))


HANDLERS: tuple[Handler, ...] = (
    on_model_registered,
    on_model_promoted,
    on_model_rolled_back,
    on_model_stage_changed,
    on_source_advanced,
    on_data_drift_detected,
    on_performance_degraded,
    on_dataset_materialized,
    on_dataset_failed,
)


async def _registered(unit: UnitOfWork, name: str) -> Model:
    model = await store.model(unit.connection, name)
    if model is None:
        # what is known of a model follows from its registration, which comes on another topic
        raise TransientError(f"model {name!r} has not been registered here yet")
    return model


async def _advance(unit: UnitOfWork, model: Model, advance: Advance) -> None:
    policy = await unit.load(Retraining, model.name)
    trigger = due(policy, model.definition, advance, champion=model.champion is not None, archived=model.archived)
    await _decide(unit, model, policy, trigger, advance.watermark)


async def _decide(unit: UnitOfWork, model: Model, policy: Retraining, trigger: Trigger | None, until: datetime) -> None:
    if trigger is not None:
        await record(unit, policy, consider(policy, model.definition, model.code, trigger))
    await store.handled(unit.connection, model.name, until)
