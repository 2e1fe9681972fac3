"""What the deployer does about facts of the registry."""

import structlog

from pelton.contracts.deployer import VariantArm, Variants
from pelton.contracts.registry import (
    ApprovalDenied,
    ModelPromoted,
    ModelRegistered,
    ModelRolledBack,
    ModelStageChanged,
    VariantsConfigured,
    VariantsEnded,
)
from pelton.deployer import store
from pelton.deployer.domain.decisions import configure, end_variants, promoted, rolled_back, stage, withdraw
from pelton.deployer.domain.rollout import Rollout
from pelton.deployer.recording import record
from pelton.eventkit.envelope import Received
from pelton.eventkit.failures import TransientError
from pelton.eventkit.handlers import subscribe
from pelton.eventkit.unit import UnitOfWork

log = structlog.get_logger(__name__)


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


@subscribe(VariantsConfigured, id="deployer.variants_configured")
async def on_variants_configured(event: Received[VariantsConfigured], unit: UnitOfWork) -> None:
    """Share the model's keys out, if every version of the configuration can be served."""
    fact = event.data
    if len(fact.details) != len(fact.variants):
        log.warning("variants are not served", model=fact.model, reason="not every version of them can be")
        return
    arms = tuple(
        VariantArm(name=one.name, weight=one.weight, version=version)
        for one, version in zip(fact.variants, fact.details, strict=True)
    )
    rollout = await unit.load(Rollout, fact.model)
    await record(unit, rollout, configure(rollout, Variants(key=fact.key, salt=fact.salt, arms=arms)))


@subscribe(VariantsEnded, id="deployer.variants_ended")
async def on_variants_ended(event: Received[VariantsEnded], unit: UnitOfWork) -> None:
    """Let the champion answer every row again."""
    rollout = await unit.load(Rollout, event.data.model)
    await record(unit, rollout, end_variants(rollout))


HANDLERS = (
    on_model_registered,
    on_model_stage_changed,
    on_approval_denied,
    on_model_promoted,
    on_model_rolled_back,
    on_variants_configured,
    on_variants_ended,
)
