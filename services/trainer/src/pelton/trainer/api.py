"""The trainer over HTTP: trainings, the policy of a model, and how far it has come."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.definitions import TriggerDefinition, seconds
from pelton.contracts.trainer import (
    TrainingCompleted,
    TrainingDeferred,
    TrainingRequested,
    Trigger,
)
from pelton.contracts.values import Name
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.trainer import store
from pelton.trainer.domain.policy import Obstacle, consider, obstacle
from pelton.trainer.domain.retraining import Retraining
from pelton.trainer.progress import ProgressBoard
from pelton.trainer.projections import record

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
Contributor = Annotated[Actor, Depends(require(Role.CONTRIBUTOR))]


class TrainingRequest(BaseModel):
    """Whom to train."""

    model_config = ConfigDict(extra="forbid")

    model: Name


class TrainingAnswer(BaseModel):
    """A training: what was asked, and what came of it so far."""

    training_id: str
    model: str
    status: Literal["requested", "running", "completed", "failed"]
    requested: TrainingRequested
    completed: TrainingCompleted | None = None
    reason: str | None = None


class TrainingsPage(BaseModel):
    """Some trainings, newest first; `next_page` is for the `page` of the next request."""

    trainings: list[TrainingAnswer]
    next_page: str | None


class PolicyAnswer(BaseModel):
    """What the policy knows and allows; moments are event time, `resting_until` the end of the cooldown."""

    model: str
    triggers: TriggerDefinition
    requests: tuple[datetime, ...]
    in_flight: str | None
    resting_until: datetime | None
    deferred: list[dict[str, str]]


class ProgressAnswer(BaseModel):
    """How far the policy has come with a model: `since` is the `as_of` of what is in flight."""

    in_flight: str | None
    since: datetime | None
    handled_until: datetime | None


def router(units: Units, board: ProgressBoard) -> APIRouter:
    """The trainer's routes."""
    routes = APIRouter(prefix="/v1", tags=["trainer"])

    @routes.post("/trainings", status_code=202)
    async def request_training(
        body: TrainingRequest,
        actor: Contributor,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> TrainingAnswer:
        """Train as of the newest midnight that the model's source has passed; 409 when the policy defers it.

        A repeat with the same `Idempotency-Key` answers with the training of the first.
        """
        return await _request(units, body.model, actor, idempotency_key)

    @routes.get("/trainings")
    async def list_trainings(
        actor: Viewer,  # noqa: ARG001
        model: Name | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        page: str | None = None,
    ) -> TrainingsPage:
        """Trainings, newest first."""
        async with units.engine.connect() as connection:
            found = await store.trainings(connection, model, _position(page), limit)
        return TrainingsPage(trainings=[_answer(one) for one in found], next_page=_token(found, limit))

    @routes.get("/trainings/{training_id}")
    async def show_training(training_id: str, actor: Viewer) -> TrainingAnswer:  # noqa: ARG001
        """One training."""
        async with units.engine.connect() as connection:
            found = await store.training(connection, training_id)
        if found is None:
            raise ProblemError(404, "unknown-training", "No such training", f"there is no training {training_id!r}")
        return _answer(found)

    @routes.get("/policies/{model}")
    async def show_policy(model: Name, actor: Viewer) -> PolicyAnswer:  # noqa: ARG001
        """When a model may be trained again, and why it was not."""
        async with units.begin() as unit:
            triggers = (await _known(unit.connection, model)).definition.triggers
            policy = await unit.load(Retraining, model)
        last = policy.last_request
        return PolicyAnswer(
            model=model,
            triggers=triggers,
            requests=policy.requests,
            in_flight=policy.in_flight.training_id if policy.in_flight else None,
            resting_until=last + timedelta(seconds=seconds(triggers.cooldown)) if last else None,
            deferred=[{"kind": kind, "reason": reason} for kind, reason in sorted(policy.deferred)],
        )

    @routes.get("/progress")
    async def progress(
        actor: Viewer,  # noqa: ARG001
        model: Name | None = None,
        until: AwareDatetime | None = None,
        timeout: Annotated[float, Query(ge=0, le=60)] = 20,  # noqa: ASYNC109 - the client's word for how long it waits
    ) -> dict[str, ProgressAnswer]:
        """Answers once no training is in flight and all up to `until` was considered, or when `timeout` s are over.

        `handled_until` is the event time of the newest trigger or advance of the source that the policy has handled.
        """
        found = await board.wait(model, until, timeout)
        return {
            one.model: ProgressAnswer(in_flight=one.in_flight, since=one.since, handled_until=one.handled_until)
            for one in found
        }

    return routes


async def _request(units: Units, name: str, actor: Actor, key: str | None) -> TrainingAnswer:
    async with units.begin(actor=actor.name) as unit:
        if key is not None and (asked := await store.asked_by_hand(unit.connection, key)) is not None:
            return await _repeat(unit.connection, key, name, asked)
        model = await _known(unit.connection, name)
        advance = await store.source(unit.connection, model.definition.source)
        if advance is None:
            raise ProblemError(
                409,
                "no-data",
                "There is nothing to train on yet",
                f"source {model.definition.source!r} has not passed a midnight of event time; publish events first",
            )
        policy = await unit.load(Retraining, name)
        trigger = Trigger(
            kind="manual",
            moment=advance.midnight,
            event_id=advance.event_id,
            detail=f"asked for by {actor.name}",
        )
        found = obstacle(policy, model.definition, trigger)
        decided = consider(policy, model.definition, model.code, trigger)
        await record(unit, policy, decided)
        if found is None:
            return await _accepted(unit.connection, name, key, decided)
    # raised after the unit has committed: the deferral is on record
    raise _why_not(found, policy)


async def _accepted(
    connection: AsyncConnection, name: str, key: str | None, decided: Sequence[TrainingRequested | TrainingDeferred]
) -> TrainingAnswer:
    (requested,) = (fact for fact in decided if isinstance(fact, TrainingRequested))
    if key is not None:
        await store.remember_asked(connection, key, name, requested.training_id)
    return TrainingAnswer(training_id=requested.training_id, model=name, status="requested", requested=requested)


async def _repeat(connection: AsyncConnection, key: str, name: str, asked: tuple[str, str]) -> TrainingAnswer:
    model, training_id = asked
    found = await store.training(connection, training_id)
    if model != name or found is None:
        raise ProblemError(
            422,
            "idempotency-key-reused",
            "This key was used for something else",
            f"Idempotency-Key {key!r} belongs to a training of {model!r}; use a new key",
        )
    return _answer(found)


async def _known(connection: AsyncConnection, name: str) -> store.Model:
    model = await store.model(connection, name)
    if model is None:
        raise ProblemError(
            404, "unknown-model", "No such model", f"no model {name!r} is registered; run `pelton apply` first"
        )
    return model


def _why_not(found: Obstacle, policy: Retraining) -> ProblemError:
    match found.reason:
        case "in_flight":
            under_way = policy.in_flight.training_id if policy.in_flight else "a training"
            detail = f"{under_way} is in flight; ask again when it has ended"
        case "cooldown":
            detail = f"the model rests after its last training; ask again from {found.until} (event time) on"
        case "budget":
            detail = f"triggers.budget is spent; ask again from {found.until} (event time) on, or raise it"
    return ProblemError(409, f"deferred-{found.reason.replace('_', '-')}", "Not now", detail)


def _answer(training: store.Training) -> TrainingAnswer:
    return TrainingAnswer.model_validate(
        {
            "training_id": training.training_id,
            "model": training.model,
            "status": training.status,
            "requested": training.requested,
            "completed": training.completed,
            "reason": training.reason,
        }
    )


def _token(found: Sequence[store.Training], limit: int) -> str | None:
    if len(found) < limit:
        return None
    last = found[-1]
    return base64.urlsafe_b64encode(json.dumps([last.requested.as_of.isoformat(), last.training_id]).encode()).decode()


def _position(page: str | None) -> tuple[datetime, str] | None:
    if page is None:
        return None
    try:
        as_of, training_id = json.loads(base64.urlsafe_b64decode(page))
        return datetime.fromisoformat(as_of), str(training_id)
    except (binascii.Error, ValueError, TypeError) as error:
        raise ProblemError(
            422, "invalid-page", "This is no page", "pass `next_page` of the page before, or leave `page` out"
        ) from error
