"""Aliases of versions, and what is taken out of the catalogue."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from pelton.eventkit.unit import Units
from pelton.registry import commands
from pelton.registry.access.control import AccessControl, OnModel
from pelton.registry.access.domain import Action
from pelton.registry.api.answers import ModelAnswer
from pelton.registry.api.bodies import Because, Command, Person
from pelton.registry.api.catalogue import ModelName, Number, model_answer
from pelton.registry.api.refusals import problems
from pelton.registry.domain.catalogue import LONGEST_ALIAS

Alias = Annotated[str, Path(min_length=1, max_length=LONGEST_ALIAS, pattern=r"^[^\x00]+$")]


class Named(Command):
    """The version that an alias is to name."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


def router(units: Units, access: AccessControl) -> APIRouter:
    """The routes of aliases and deletion."""
    routes = APIRouter()

    @routes.put("/models/{model}/aliases/{alias}")
    async def set_alias(model: ModelName, alias: Alias, body: Named, actor: Person) -> ModelAnswer:
        """Let an alias name a version, and no longer the one that it named before."""
        async with units.begin(actor=actor.name) as unit:
            change = OnModel(model, body.version, alias)
            await access.on_model(actor, Action.SET_ALIAS, change, connection=unit.connection)
            with problems():
                await commands.set_alias(unit, model, alias, body.version)
            return await model_answer(unit.connection, model)

    @routes.delete("/models/{model}/aliases/{alias}")
    async def remove_alias(model: ModelName, alias: Alias, actor: Person) -> ModelAnswer:
        """Let an alias name nothing."""
        async with units.begin(actor=actor.name) as unit:
            change = OnModel(model, alias=alias)
            await access.on_model(actor, Action.SET_ALIAS, change, connection=unit.connection)
            with problems():
                await commands.remove_alias(unit, model, alias)
            return await model_answer(unit.connection, model)

    @routes.delete("/models/{model}/versions/{version}", status_code=204)
    async def delete_version(model: ModelName, version: Number, reason: Because, actor: Person) -> None:
        """Take a version out of the catalogue that nothing depends on; its number is not given again."""
        async with units.begin(actor=actor.name) as unit:
            await access.on_model(actor, Action.DELETE, OnModel(model, version), connection=unit.connection)
            with problems():
                await commands.delete_version(unit, model, version, reason)

    @routes.delete("/models/{model}", status_code=204)
    async def delete_model(model: ModelName, reason: Because, actor: Person) -> None:
        """Take a model out of the catalogue with its versions, on none of which anything depends."""
        async with units.begin(actor=actor.name) as unit:
            await access.on_model(actor, Action.DELETE, OnModel(model), connection=unit.connection)
            with problems():
                await commands.delete_model(unit, model, reason)

    return routes
