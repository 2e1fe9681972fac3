"""What the monitor does about facts: keep what a model is, and pin the reference of each champion."""

from pelton.contracts.feature import SourceRegistered
from pelton.contracts.registry import ModelPromoted, ModelRegistered, ModelRolledBack
from pelton.contracts.values import ModelVersion
from pelton.eventkit.envelope import Received
from pelton.eventkit.handlers import Handler, subscribe
from pelton.eventkit.unit import UnitOfWork
from pelton.monitor import store

PIN = "pin"


@subscribe(ModelRegistered, id="monitor.models")
async def on_model_registered(event: Received[ModelRegistered], unit: UnitOfWork) -> None:
    """Keep how the model is to be watched."""
    await store.save_model(unit.connection, event.data.definition)
    await store.changed(unit.connection)


@subscribe(SourceRegistered, id="monitor.sources")
async def on_source_registered(event: Received[SourceRegistered], unit: UnitOfWork) -> None:
    """Keep how the source's events are read."""
    await store.save_source(unit.connection, event.data.definition)
    await store.changed(unit.connection)


@subscribe(ModelPromoted, id="monitor.promotions")
async def on_model_promoted(event: Received[ModelPromoted], unit: UnitOfWork) -> None:
    """Let the champion's reference be pinned."""
    if event.data.details is not None:
        await _pin(unit, event.data.details)


@subscribe(ModelRolledBack, id="monitor.rollbacks")
async def on_model_rolled_back(event: Received[ModelRolledBack], unit: UnitOfWork) -> None:
    """Use the reference that the former champion has, or let one be pinned."""
    if event.data.details is not None:
        await _pin(unit, event.data.details)


async def _pin(unit: UnitOfWork, details: ModelVersion) -> None:
    if await store.pin(unit.connection, details.model, details.version) is None:
        await unit.enqueue(PIN, f"{details.model}/{details.version}", details.model_dump(mode="json"))


HANDLERS: tuple[Handler, ...] = (
    on_model_registered,
    on_source_registered,
    on_model_promoted,
    on_model_rolled_back,
)
