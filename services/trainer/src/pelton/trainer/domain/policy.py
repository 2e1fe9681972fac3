"""The retraining policy: what a trigger comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pelton.contracts.definitions import ModelDefinition, seconds
from pelton.contracts.trainer import (
    TrainingCompleted,
    TrainingDeferred,
    TrainingFailed,
    TrainingRequested,
    TrainingStarted,
    Trigger,
)
from pelton.contracts.values import Artifact, Digest, Environment, Window
from pelton.trainer.domain.retraining import Retraining


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why not now; `until` is the event time at which it ends, None where it ends with the training in flight."""

    reason: Literal["cooldown", "budget", "in_flight"]
    until: datetime | None


def consider(
    policy: Retraining, definition: ModelDefinition, code: Artifact, trigger: Trigger
) -> Sequence[TrainingRequested | TrainingDeferred]:
    """What the policy makes of a trigger; its moment is now, in event time.

    One training at a time, none within the cooldown of the last, at most `budget` of them in any `budget_period`,
    a person's request included. A deferral that is on record since a training last began or ended is not repeated.
    """
    found = obstacle(policy, definition, trigger)
    if found is None:
        return [_request(policy, definition, code, trigger)]
    if (trigger.kind, found.reason) in policy.deferred:
        return []
    return [TrainingDeferred(model=policy.model, trigger=trigger, reason=found.reason, until=found.until)]


def obstacle(policy: Retraining, definition: ModelDefinition, trigger: Trigger) -> Obstacle | None:
    """What stands against a training at a trigger's moment of event time, and until when where that is known."""
    now = trigger.moment
    triggers = definition.triggers
    if policy.in_flight is not None:
        return Obstacle("in_flight", None)
    if policy.last_request is not None:
        cooldown = triggers.degradation_cooldown if trigger.kind == "degradation" else None
        rested = policy.last_request + timedelta(seconds=seconds(cooldown or triggers.cooldown))
        if now < rested:
            return Obstacle("cooldown", rested)
    period = timedelta(seconds=seconds(triggers.budget_period))
    spent = [moment for moment in policy.requests if moment > now - period]
    if len(spent) >= triggers.budget:
        return Obstacle("budget", spent[-triggers.budget] + period)
    return None


def start(
    policy: Retraining, training_id: str, *, dataset: Digest, code: Digest, seed: int, environment: Environment
) -> Sequence[TrainingStarted]:
    """A job takes the dataset up; a job that takes it up again, after a crash, is no new fact."""
    if policy.in_flight is None or not policy.awaits(training_id) or policy.in_flight.started:
        return []
    return [
        TrainingStarted(
            training_id=training_id,
            model=policy.model,
            dataset=dataset,
            code=code,
            seed=seed,
            environment=environment,
        )
    ]


def complete(policy: Retraining, fact: TrainingCompleted) -> Sequence[TrainingCompleted]:
    """A training ends with a model, unless it has ended already."""
    return [fact] if policy.awaits(fact.training_id) else []


def fail(policy: Retraining, training_id: str, reason: str) -> Sequence[TrainingFailed]:
    """A training ends without a model, unless it has ended already."""
    if not policy.awaits(training_id):
        return []
    return [TrainingFailed(training_id=training_id, model=policy.model, reason=reason)]


def _request(policy: Retraining, definition: ModelDefinition, code: Artifact, trigger: Trigger) -> TrainingRequested:
    number = len(policy.requests) + 1
    history = timedelta(seconds=seconds(definition.training.history))
    return TrainingRequested(
        training_id=f"{policy.model}-{number}",
        model=policy.model,
        trigger=trigger,
        span=Window(start=trigger.moment - history, end=trigger.moment),
        as_of=trigger.moment,
        definition_digest=definition.digest,
        code=code,
        seed=definition.pipeline.seed + number,
    )
