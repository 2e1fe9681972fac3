"""What a version needs to enter a stage, and what was measured about it."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Json

from pelton.contracts.definitions import StagePolicy
from pelton.contracts.evidence import Evidence
from pelton.contracts.values import Stage
from pelton.eventkit.identity import Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.registry import store
from pelton.registry.access.control import AccessControl, OnModel
from pelton.registry.access.domain import Action
from pelton.registry.api.answers import VersionAnswer
from pelton.registry.api.bodies import Because, Command, Person, Reason
from pelton.registry.api.catalogue import ModelName, Number, model_answer, version_answer
from pelton.registry.api.refusals import problems
from pelton.registry.governance import commands
from pelton.registry.governance.store import POLICIES


class PolicyBody(Command):
    """What a version needs to enter a stage, and why from now on."""

    policy: StagePolicy
    reason: Reason


class PolicyAnswer(BaseModel):
    """The policy of a stage, and who set it."""

    stage: Stage
    policy: Json[StagePolicy]
    reason: str
    set_by: str
    set_at: datetime


def router(units: Units, access: AccessControl) -> APIRouter:
    """The routes of policies and evidence."""
    routes = APIRouter()

    @routes.get("/models/{model}/policies")
    async def list_policies(model: ModelName, actor: Person) -> list[PolicyAnswer]:  # noqa: ARG001
        """The policies of a model's stages."""
        async with units.engine.connect() as connection:
            await model_answer(connection, model)
            found = await store.rows(connection, POLICIES, model=model)
        return [PolicyAnswer.model_validate(dict(one)) for one in found]

    @routes.get("/models/{model}/policies/{stage}")
    async def show_policy(model: ModelName, stage: Stage, actor: Person) -> PolicyAnswer:
        """The policy of one stage."""
        found = [one for one in await list_policies(model, actor) if one.stage == stage]
        if not found:
            raise ProblemError(404, "no-policy", "No such policy", f"{model} has no policy for {stage}; PUT one here")
        return found[0]

    @routes.put("/models/{model}/policies/{stage}")
    async def set_policy(model: ModelName, stage: Stage, body: PolicyBody, actor: Person) -> PolicyAnswer:
        """Say what versions need to enter a stage, from now on; requests that wait for it become void."""
        async with units.begin(actor=actor.name) as unit:
            change = OnModel(model)
            await access.on_model(actor, Action.SET_STAGE, change, needed=Role.ADMIN, connection=unit.connection)
            with problems():
                await commands.set_policy(unit, model, stage, body.policy, body.reason)
        return await show_policy(model, stage, actor)

    @routes.delete("/models/{model}/policies/{stage}", status_code=204)
    async def remove_policy(model: ModelName, stage: Stage, reason: Because, actor: Person) -> None:
        """Let the definition decide again, or nobody; requests that wait for the stage become void."""
        async with units.begin(actor=actor.name) as unit:
            change = OnModel(model)
            await access.on_model(actor, Action.SET_STAGE, change, needed=Role.ADMIN, connection=unit.connection)
            with problems():
                await commands.set_policy(unit, model, stage, None, reason)

    @routes.post("/models/{model}/versions/{version}/evidence")
    async def record_evidence(model: ModelName, version: Number, body: Evidence, actor: Person) -> VersionAnswer:
        """Say what was measured about a version; it replaces what was said before, and gates are judged on it."""
        async with units.begin(actor=actor.name) as unit:
            await access.on_model(actor, Action.WRITE, OnModel(model, version), connection=unit.connection)
            with problems():
                await commands.record_evidence(unit, model, version, body)
            return await version_answer(unit.connection, model, version)

    return routes
