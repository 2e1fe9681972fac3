"""What people say about a version that waits to enter a stage."""

from fastapi import APIRouter

from pelton.contracts.registry import ApprovalRequested
from pelton.contracts.values import Digest
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.objects import Objects
from pelton.registry import commands
from pelton.registry.access.control import AccessControl, OnModel
from pelton.registry.access.domain import Action
from pelton.registry.api.answers import VersionAnswer
from pelton.registry.api.bodies import Command, Person, Reason, Why
from pelton.registry.api.catalogue import ModelName, Number, version_answer
from pelton.registry.api.refusals import forbidden, problem_of, problems
from pelton.registry.domain.model import Model
from pelton.registry.governance import commands as governance


class Decision(Command):
    """A person's word on one artifact: the digest is that of the version the person looked at."""

    artifact: Digest
    reason: Reason


class Remark(Command):
    """What somebody says about a request that waits."""

    text: Reason


def router(units: Units, objects: Objects, access: AccessControl) -> APIRouter:
    """The routes of approvals."""
    routes = APIRouter()
    version_path = "/models/{model}/versions/{version}"

    @routes.post(f"{version_path}/approve")
    async def approve(model: ModelName, version: Number, body: Decision, actor: Person) -> VersionAnswer:
        """Agree that a version enters the stage that it waits for; who requested that may not."""
        async with units.begin(actor=actor.name) as unit:
            loaded = await _load_for(access, actor, unit, model, version)
            with problems():
                refusal = await governance.approve(unit, objects, loaded, version, body.artifact, body.reason)
            answer = await version_answer(unit.connection, model, version)
        if refusal is not None:
            raise problem_of(refusal)
        return answer

    @routes.post(f"{version_path}/deny")
    async def deny(model: ModelName, version: Number, body: Decision, actor: Person) -> VersionAnswer:
        """Keep a version out of the stage that it waits for."""
        async with units.begin(actor=actor.name) as unit:
            loaded = await _load_for(access, actor, unit, model, version)
            with problems():
                await governance.deny(unit, loaded, version, body.artifact, body.reason)
            return await version_answer(unit.connection, model, version)

    @routes.post(f"{version_path}/withdraw")
    async def withdraw(model: ModelName, version: Number, body: Why, actor: Person) -> VersionAnswer:
        """Take one's own request back."""
        async with units.begin(actor=actor.name) as unit:
            await access.on_model(actor, Action.REQUEST, OnModel(model, version), connection=unit.connection)
            with problems():
                await governance.withdraw(unit, model, version, body.reason)
            return await version_answer(unit.connection, model, version)

    @routes.post(f"{version_path}/comments")
    async def comment(model: ModelName, version: Number, body: Remark, actor: Person) -> VersionAnswer:
        """Say something about a request that waits."""
        async with units.begin(actor=actor.name) as unit:
            await access.on_model(actor, Action.REQUEST, OnModel(model, version), connection=unit.connection)
            with problems():
                await governance.comment(unit, model, version, body.text)
            return await version_answer(unit.connection, model, version)

    return routes


async def _load_for(access: AccessControl, actor: Actor, unit: UnitOfWork, name: str, number: int) -> Model:
    """The model, for an actor with the role, and of the team, that the version's pending request asks for."""
    with problems():
        model = await commands.stages_of(unit, name)
    known = model.versions.get(number)
    request = None if known is None else known.pending
    needed = Role.APPROVER if request is None else Role[request.role.upper()]
    change = OnModel(name, number)
    await access.on_model(actor, Action.APPROVE, change, needed=needed, connection=unit.connection)
    if request is not None and request.team is not None:
        await _check_team(access, actor, unit, request, request.team)
    return model


async def _check_team(
    access: AccessControl, actor: Actor, unit: UnitOfWork, request: ApprovalRequested, team: str
) -> None:
    if not (await access.rules(unit.connection)).is_member(actor.name, team):
        subject = f"{request.model} v{request.version}"
        raise forbidden(f"a decision about {subject} is for the team {team}, and {actor.name} is not in it")
