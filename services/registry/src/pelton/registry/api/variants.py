"""A/B tests that people run between versions."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, Json

from pelton.contracts.definitions import FieldName
from pelton.contracts.registry import Variant
from pelton.eventkit.identity import Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.registry import store
from pelton.registry.access.control import AccessControl, OnModel
from pelton.registry.access.domain import Action
from pelton.registry.api.bodies import Because, Command, Person, Reason
from pelton.registry.api.catalogue import ModelName, model_answer
from pelton.registry.api.refusals import problems
from pelton.registry.governance import commands
from pelton.registry.governance.store import VARIANTS

Salt = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


class VariantsBody(Command):
    """Which versions answer, and for which shares of the values of the field `key`; weights add up to one."""

    variants: Annotated[list[Variant], Field(max_length=100)]
    key: FieldName
    salt: Salt
    reason: Reason


class VariantsAnswer(BaseModel):
    """The A/B test of a model that is configured now."""

    model: str
    variants: Json[list[Variant]]
    key: str
    salt: str
    reason: str
    configured_by: str
    configured_at: datetime


def router(units: Units, access: AccessControl) -> APIRouter:
    """The routes of variants."""
    routes = APIRouter()

    @routes.get("/models/{model}/variants")
    async def show_variants(model: ModelName, actor: Person) -> VariantsAnswer:  # noqa: ARG001
        """The A/B test of a model."""
        async with units.engine.connect() as connection:
            await model_answer(connection, model)
            found = await store.row(connection, VARIANTS, model=model)
        if found is None:
            raise ProblemError(
                404, "no-variants", "No variants are configured", f"the champion of {model} answers alone"
            )
        return VariantsAnswer.model_validate(dict(found))

    @routes.put("/models/{model}/variants")
    async def configure_variants(model: ModelName, body: VariantsBody, actor: Person) -> VariantsAnswer:
        """Let several versions answer, each for a share of the keys."""
        async with units.begin(actor=actor.name) as unit:
            change = OnModel(model)
            await access.on_model(actor, Action.SET_STAGE, change, needed=Role.APPROVER, connection=unit.connection)
            with problems():
                await commands.configure_variants(unit, model, body.variants, body.key, body.salt, body.reason)
        return await show_variants(model, actor)

    @routes.delete("/models/{model}/variants", status_code=204)
    async def end_variants(model: ModelName, reason: Because, actor: Person) -> None:
        """Let the champion answer alone again."""
        async with units.begin(actor=actor.name) as unit:
            change = OnModel(model)
            await access.on_model(actor, Action.SET_STAGE, change, needed=Role.APPROVER, connection=unit.connection)
            with problems():
                await commands.end_variants(unit, model, reason)

    return routes
