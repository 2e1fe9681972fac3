"""What the registry does about facts of the trainer and the deployer."""

from typing import Final

from pelton.contracts.deployer import GuardrailBreached, RolloutAborted, RolloutSucceeded
from pelton.contracts.trainer import TrainingCompleted
from pelton.eventkit.envelope import Received
from pelton.eventkit.failures import PermanentError
from pelton.eventkit.handlers import Handler, subscribe
from pelton.eventkit.unit import UnitOfWork
from pelton.registry.commands import decide, load
from pelton.registry.domain import promotion
from pelton.registry.domain.training import UnknownDefinitionError, conclude


@subscribe(TrainingCompleted, id="registry.trainings")
async def on_training_completed(event: Received[TrainingCompleted], unit: UnitOfWork) -> None:
    """Put the run and the version on record, and let the gates decide about the version."""
    model = await load(unit, event.data.model)
    try:
        facts = conclude(model, event.data, unit.now())
    except UnknownDefinitionError as error:
        raise PermanentError(str(error)) from error
    await decide(unit, model, facts)


@subscribe(RolloutSucceeded, id="registry.successes")
async def on_rollout_succeeded(event: Received[RolloutSucceeded], unit: UnitOfWork) -> None:
    """Promote the version, or ask a person, as the definition says."""
    model = await load(unit, event.data.model)
    facts = promotion.succeed(model, event.data.version, event.envelope.actor, unit.now())
    await decide(unit, model, facts)


@subscribe(RolloutAborted, id="registry.aborts")
async def on_rollout_aborted(event: Received[RolloutAborted], unit: UnitOfWork) -> None:
    """Archive the version."""
    model = await load(unit, event.data.model)
    await decide(unit, model, promotion.abort(model, event.data))


@subscribe(GuardrailBreached, id="registry.breaches")
async def on_guardrail_breached(event: Received[GuardrailBreached], unit: UnitOfWork) -> None:
    """Roll a new champion back that does harm."""
    model = await load(unit, event.data.model)
    await decide(unit, model, promotion.breach(model, event.data))


HANDLERS: Final[tuple[Handler, ...]] = (
    on_training_completed,
    on_rollout_succeeded,
    on_rollout_aborted,
    on_guardrail_breached,
)
