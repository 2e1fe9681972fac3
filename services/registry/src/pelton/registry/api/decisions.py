"""What people decide about stages: moves by hand, and rollbacks."""

from typing import Annotated

from fastapi import APIRouter, Header
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.canonical import digest
from pelton.contracts.registry import ModelRolledBack
from pelton.contracts.values import Stage
from pelton.eventkit.identity import Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.objects import Objects
from pelton.registry import commands, store
from pelton.registry.access.control import AccessControl, OnModel
from pelton.registry.access.domain import Action
from pelton.registry.api.answers import ModelAnswer, VersionAnswer
from pelton.registry.api.bodies import Command, Person, Reason, Why
from pelton.registry.api.catalogue import ModelName, Number, model_answer, version_answer
from pelton.registry.api.refusals import problems
from pelton.registry.domain import promotion, variants
from pelton.registry.projections import record

IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200)]


class Move(Command):
    """Where a version is to go, and why. `archive_existing` makes room in a stage of a model without policies."""

    to: Stage
    reason: Reason
    archive_existing: bool = False


def router(units: Units, objects: Objects, access: AccessControl) -> APIRouter:
    """The routes of moves and rollbacks."""
    routes = APIRouter()

    @routes.post("/models/{model}/versions/{version}/stage")
    async def move(model: ModelName, version: Number, body: Move, actor: Person) -> VersionAnswer:
        """Move a version by hand; where persons must agree this requests it, and somebody else must."""
        async with units.begin(actor=actor.name) as unit:
            await access.on_model(actor, Action.SET_STAGE, OnModel(model, version), connection=unit.connection)
            with problems():
                await commands.transition(
                    unit, objects, model, version, body.to, body.reason, archive_existing=body.archive_existing
                )
            return await version_answer(unit.connection, model, version)

    @routes.post("/models/{model}/rollback")
    async def roll_back(
        model: ModelName, body: Why, actor: Person, idempotency_key: IdempotencyKey = None
    ) -> ModelAnswer:
        """Take the former champion back. Send an `Idempotency-Key`: a repeat without one goes back one more."""
        request = digest([model, actor.name, body.model_dump()])
        async with units.begin(actor=actor.name) as unit:
            change = OnModel(model)
            await access.on_model(actor, Action.SET_STAGE, change, needed=Role.APPROVER, connection=unit.connection)
            with problems():
                loaded = await commands.stages_of(unit, model)
            if not await _was_answered(unit.connection, idempotency_key, request):
                with problems():
                    facts = variants.with_end(loaded, promotion.roll_back(loaded, body.reason))
                stored = await record(unit, loaded, facts)
                (event_id,) = (one.id for one in stored if isinstance(one.fact, ModelRolledBack))
                if idempotency_key is not None:
                    values = {"key": idempotency_key, "request": request, "event_id": event_id}
                    await store.write(unit.connection, store.REMEMBER_ANSWER, **values)
            return await model_answer(unit.connection, model)

    return routes


async def _was_answered(connection: AsyncConnection, key: str | None, request: str) -> bool:
    if key is None:
        return False
    found = await store.row(connection, store.ANSWERED, key=key)
    if found is not None and found["request"] != request:
        raise ProblemError(
            422,
            "idempotency-key-reused",
            "This key was used for something else",
            f"Idempotency-Key {key!r} belongs to another request; use a new key",
        )
    return found is not None
