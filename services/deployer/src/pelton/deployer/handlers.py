"""What the deployer does about facts of the registry."""

from pelton.contracts.registry import (
    ApprovalDenied,
    ModelPromoted,
    ModelRegistered,
    ModelRolledBack,
    ModelStageChanged,
)
from pelton.deployer import store
from pelton.deployer.domain import Rollout, promoted, rolled_back, stage, withdraw
from pelton.deployer.recording import record
from pelton.eventkit.envelope import Received
from pelton.eventkit.failures import TransientError
from pelton.eventkit.handlers import subscribe
from pelton.eventkit.unit import UnitOfWork


@subscribe(ModelRegistered, id="deployer.plans")
async def on_model_registered(event: Received[ModelRegistered], unit: UnitOfWork) -> None:
    """Remember how the model's versions are to be rolled out."""
    await store.save_plan(unit.connection, event.data.model, event.data.definition.rollout)


@subscribe(ModelStageChanged, id="deployer.stages")
async def on_model_stage_changed(event: Received[ModelStageChanged], unit: UnitOfWork) -> None:
    """Begin the rollout of a version that arrived in staging; end that of one that was taken out."""
    fact = event.data
    if fact.details is None:
        return
    rollout = await unit.load(Rollout, fact.model)
    if fact.to_stage == "staging":
        plan = await store.plan(unit.connection, fact.model)
        if plan is None:
            raise TransientError(f"{fact.model} is staged, but its registration has not been seen yet")
        await record(unit, rollout, stage(rollout, event.id, fact.details, plan))
    elif fact.to_stage == "archived":
        await record(unit, rollout, withdraw(rollout, fact.version, "person"))


@subscribe(ApprovalDenied, id="deployer.denials")
async def on_approval_denied(event: Received[ApprovalDenied], unit: UnitOfWork) -> None:
    """End the trial of a version that a person kept out."""
    rollout = await unit.load(Rollout, event.data.model)
    await record(unit, rollout, withdraw(rollout, event.data.version, "denied"))


@subscribe(ModelPromoted, id="deployer.promotions")
async def on_model_promoted(event: Received[ModelPromoted], unit: UnitOfWork) -> None:
    """Let the new champion answer."""
    if event.data.details is None:
        return
    rollout = await unit.load(Rollout, event.data.model)
    await record(unit, rollout, promoted(rollout, event.data.details))


@subscribe(ModelRolledBack, id="deployer.rollbacks")
async def on_model_rolled_back(event: Received[ModelRolledBack], unit: UnitOfWork) -> None:
    """Let the former champion answer again."""
    if event.data.details is None:
        return
    rollout = await unit.load(Rollout, event.data.model)
    await record(unit, rollout, rolled_back(rollout, event.data.details))


HANDLERS = (
    on_model_registered,
    on_model_stage_changed,
    on_approval_denied,
    on_model_promoted,
    on_model_rolled_back,
)
