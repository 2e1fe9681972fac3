"""Which models use which definitions, from the registry's facts."""

from pelton.contracts.registry import (
    ModelRegistered,
    ModelStageChanged,
    ModelVersionCreated,
    ModelVersionDeleted,
    RegisteredModelDeleted,
    RegisteredModelRenamed,
)
from pelton.eventkit.envelope import Received
from pelton.eventkit.handlers import subscribe
from pelton.eventkit.unit import UnitOfWork
from pelton.feature.catalogue import store
from pelton.feature.domain.models import DeclaredModel, Pinned


@subscribe(ModelRegistered, id="feature.declared_models")
async def on_model_registered(event: Received[ModelRegistered], unit: UnitOfWork) -> None:
    """Remember which features a model names: its next training reads their newest versions."""
    definition = event.data.definition
    await store.declare_model(
        unit.connection, DeclaredModel(definition.name, definition.owner, definition.inputs.features)
    )


@subscribe(ModelVersionCreated, id="feature.model_versions")
async def on_model_version_created(event: Received[ModelVersionCreated], unit: UnitOfWork) -> None:
    """Remember what a version was trained with: it is served with the same."""
    version = event.data.version
    pins = frozenset((*version.views.values(), *version.transformations.values()))
    await store.pin(unit.connection, Pinned(event.data.model, version.version, "development", pins))


@subscribe(ModelStageChanged, id="feature.model_stages")
async def on_model_stage_changed(event: Received[ModelStageChanged], unit: UnitOfWork) -> None:
    """Remember where a version stands: one that is archived uses nothing."""
    await store.set_stage(unit.connection, event.data.model, event.data.version, event.data.to_stage)


@subscribe(ModelVersionDeleted, id="feature.deleted_versions")
async def on_model_version_deleted(event: Received[ModelVersionDeleted], unit: UnitOfWork) -> None:
    """Forget a version that is gone."""
    await store.remove_version(unit.connection, event.data.model, event.data.version)


@subscribe(RegisteredModelDeleted, id="feature.deleted_models")
async def on_registered_model_deleted(event: Received[RegisteredModelDeleted], unit: UnitOfWork) -> None:
    """Forget a model that is gone."""
    await store.remove_model(unit.connection, event.data.model)


@subscribe(RegisteredModelRenamed, id="feature.renamed_models")
async def on_registered_model_renamed(event: Received[RegisteredModelRenamed], unit: UnitOfWork) -> None:
    """Go on under a model's new name."""
    await store.rename_model(unit.connection, event.data.model, event.data.to)


HANDLERS = (
    on_model_registered,
    on_model_version_created,
    on_model_stage_changed,
    on_model_version_deleted,
    on_registered_model_deleted,
    on_registered_model_renamed,
)
