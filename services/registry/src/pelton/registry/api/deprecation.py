"""Models and versions that are to be left."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, Field

from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.unit import Units
from pelton.registry.access.control import AccessControl, OnModel
from pelton.registry.access.domain import Action
from pelton.registry.api.answers import ModelAnswer, VersionAnswer
from pelton.registry.api.bodies import Because, Command, Person, Reason
from pelton.registry.api.catalogue import ModelName, Number, model_answer, version_answer
from pelton.registry.api.refusals import problems
from pelton.registry.governance import commands


class DeprecationBody(Command):
    """That a model, or a version of it, is to be left: by when, why, and for which version."""

    reason: Reason
    sunset: AwareDatetime | None = None
    successor: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


def router(units: Units, access: AccessControl) -> APIRouter:
    """The routes of deprecation."""
    routes = APIRouter()

    @routes.put("/models/{model}/deprecation")
    async def deprecate_model(model: ModelName, body: DeprecationBody, actor: Person) -> ModelAnswer:
        """Say that a model is to be left."""
        await deprecate(model, None, body, actor)
        async with units.engine.connect() as connection:
            return await model_answer(connection, model)

    @routes.delete("/models/{model}/deprecation", status_code=204)
    async def keep_model(model: ModelName, reason: Because, actor: Person) -> None:
        """Say that a model stays after all."""
        await keep(model, None, reason, actor)

    @routes.put("/models/{model}/versions/{version}/deprecation")
    async def deprecate_version(
        model: ModelName, version: Number, body: DeprecationBody, actor: Person
    ) -> VersionAnswer:
        """Say that a version is to be left."""
        await deprecate(model, version, body, actor)
        async with units.engine.connect() as connection:
            return await version_answer(connection, model, version)

    @routes.delete("/models/{model}/versions/{version}/deprecation", status_code=204)
    async def keep_version(model: ModelName, version: Number, reason: Because, actor: Person) -> None:
        """Say that a version stays after all."""
        await keep(model, version, reason, actor)

    async def deprecate(model: str, version: int | None, body: DeprecationBody, actor: Actor) -> None:
        async with units.begin(actor=actor.name) as unit:
            change = OnModel(model, version)
            await access.on_model(actor, Action.WRITE, change, needed=Role.APPROVER, connection=unit.connection)
            with problems():
                await commands.deprecate(unit, model, version, body.sunset, body.reason, body.successor)

    async def keep(model: str, version: int | None, reason: str, actor: Actor) -> None:
        async with units.begin(actor=actor.name) as unit:
            change = OnModel(model, version)
            await access.on_model(actor, Action.WRITE, change, needed=Role.APPROVER, connection=unit.connection)
            with problems():
                await commands.withdraw_deprecation(unit, model, version, reason)

    return routes
