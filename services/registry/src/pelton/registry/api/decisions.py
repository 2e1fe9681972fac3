"""What people decide: registrations, approvals, moves between stages, rollbacks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Response
from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.canonical import canonical_json, digest
from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.registry import ModelRolledBack
from pelton.contracts.values import Artifact, Digest, Stage
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import FieldError, ProblemError
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.objects import ObjectNotFoundError, Objects
from pelton.registry import commands, store
from pelton.registry.api.answers import ModelAnswer, Registered, VersionAnswer
from pelton.registry.api.catalogue import ModelName, Number, model_answer, version_answer
from pelton.registry.domain import approvals, promotion
from pelton.registry.domain.model import Model
from pelton.registry.domain.refusals import (
    InvalidDefinition,
    InvalidName,
    InvalidText,
    NotYourRequest,
    OwnRequest,
    Refusal,
    UnknownAlias,
    UnknownModel,
    UnknownVersion,
)
from pelton.registry.domain.registration import loosened_approval, register
from pelton.registry.projections import record

Contributor = Annotated[Actor, Depends(require(Role.CONTRIBUTOR))]
Approver = Annotated[Actor, Depends(require(Role.APPROVER))]
# PostgreSQL has no text with a zero character in it
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]+$")]
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200)]

STATUS: Final[Mapping[type[Refusal], int]] = {
    UnknownModel: 404,
    UnknownVersion: 404,
    UnknownAlias: 404,
    OwnRequest: 403,
    NotYourRequest: 403,
    InvalidDefinition: 422,
    InvalidName: 422,
    InvalidText: 422,
}
CODE_FORMAT: Final = "code-bundle"


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Declaration(_Command):
    """A model as `pelton.yaml` declares it, and the digest of its code bundle, uploaded before."""

    definition: ModelDefinition
    code: Digest

    @field_validator("definition")
    @classmethod
    def _can_be_written(cls, definition: ModelDefinition) -> ModelDefinition:
        canonical_json(definition)  # a candidate's parameters may be anything, and so also what JSON cannot say
        return definition


class Decision(_Command):
    """A person's word on one artifact: the digest is that of the version the person looked at."""

    artifact: Digest
    reason: Reason


class Move(_Command):
    """Where a version is to go, and why."""

    to: Stage
    reason: Reason


class Rollback(_Command):
    """Why the champion has to go."""

    reason: Reason


def router(units: Units, objects: Objects) -> APIRouter:
    """The routes that change something."""
    routes = APIRouter()

    @routes.post("/models")
    async def register_model(body: Declaration, actor: Contributor, response: Response) -> Registered:
        """Register a model, or change it; the same definition and code again changes nothing."""
        code = await _code(objects, body.code)
        name = body.definition.name
        async with units.begin(actor=actor.name) as unit:
            model = await commands.named(unit, name)
            with _problems():
                facts = register(model, body.definition, code)
            _check_role(actor, loosened_approval(model, body.definition), f"asking for less approval of {name}")
            await record(unit, model, facts)
        created = model.definition is None
        response.status_code = 201 if created else 200
        return Registered(
            model=name,
            status="created" if created else "changed" if facts else "unchanged",
            definition_digest=body.definition.digest,
            code=body.code,
        )

    @routes.post("/models/{model}/versions/{version}/approve")
    async def approve(model: ModelName, version: Number, body: Decision, actor: Approver) -> VersionAnswer:
        """Let a version into production that waits for it; who requested that may not."""
        async with units.begin(actor=actor.name) as unit:
            loaded = await _load_for(actor, unit, model, version)
            with _problems():
                facts = approvals.approve(loaded, version, body.artifact, actor.name, body.reason, unit.now())
            return await _decided(unit, loaded, version, facts)

    @routes.post("/models/{model}/versions/{version}/deny")
    async def deny(model: ModelName, version: Number, body: Decision, actor: Approver) -> VersionAnswer:
        """Keep a version out of production that waits for it."""
        async with units.begin(actor=actor.name) as unit:
            loaded = await _load_for(actor, unit, model, version)
            with _problems():
                facts = approvals.deny(loaded, version, body.artifact, actor.name, body.reason, unit.now())
            return await _decided(unit, loaded, version, facts)

    @routes.post("/models/{model}/versions/{version}/stage")
    async def move(model: ModelName, version: Number, body: Move, actor: Contributor) -> VersionAnswer:
        """Move a version by hand; towards production this requests an approval, which somebody else must give."""
        async with units.begin(actor=actor.name) as unit:
            with _problems():
                await commands.transition(unit, model, version, body.to, body.reason)
            return await version_answer(unit.connection, model, version)

    @routes.post("/models/{model}/rollback")
    async def roll_back(
        model: ModelName, body: Rollback, actor: Approver, idempotency_key: IdempotencyKey = None
    ) -> ModelAnswer:
        """Take the former champion back. Send an `Idempotency-Key`: a repeat without one goes back one more."""
        request = digest([model, actor.name, body.model_dump()])
        async with units.begin(actor=actor.name) as unit:
            loaded = await _load(unit, model)
            if not await _was_answered(unit.connection, idempotency_key, request):
                with _problems():
                    facts = promotion.roll_back(loaded, body.reason)
                stored = await record(unit, loaded, facts)
                (event_id,) = (one.id for one in stored if isinstance(one.fact, ModelRolledBack))
                if idempotency_key is not None:
                    values = {"key": idempotency_key, "request": request, "event_id": event_id}
                    await store.write(unit.connection, store.REMEMBER_ANSWER, **values)
            return await model_answer(unit.connection, model)

    return routes


@contextmanager
def _problems() -> Iterator[None]:
    """Answer the domain's refusals as problems."""
    try:
        yield
    except Refusal as refusal:
        faults = [FieldError(refusal.field, str(refusal))] if isinstance(refusal, InvalidDefinition) else []
        status = STATUS.get(type(refusal), 409)
        raise ProblemError(status, refusal.slug, refusal.title, str(refusal), faults) from refusal


async def _load(unit: UnitOfWork, name: str) -> Model:
    with _problems():
        return await commands.stages_of(unit, name)


async def _load_for(actor: Actor, unit: UnitOfWork, name: str, version: int) -> Model:
    """The model, for an actor with the role that the version's pending request asks for."""
    model = await _load(unit, name)
    known = model.versions.get(version)
    if known is not None and known.pending is not None:
        _check_role(actor, known.pending.role, f"a decision about {known}")
    return model


async def _decided(unit: UnitOfWork, model: Model, version: int, facts: Sequence[Fact]) -> VersionAnswer:
    """Record a decision as what follows from its request, so that the chain of causes leads back to the data."""
    cause = await store.pending_cause(unit.connection, model.name, version)
    await record(unit, model, facts, cause=cause)
    return await version_answer(unit.connection, model.name, version)


async def _code(objects: Objects, code: Digest) -> Artifact:
    try:
        size = await objects.size(code)
    except ObjectNotFoundError as error:
        fault = FieldError("code", f"no artifact {code} was uploaded", "PUT the bundle to /v1/artifacts first")
        raise ProblemError(422, "unknown-artifact", "The code is not there", "see `errors`", [fault]) from error
    return Artifact(digest=code, size=size, format=CODE_FORMAT)


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


def _check_role(actor: Actor, role: str | None, what: str) -> None:
    if role is not None and not actor.may(Role[role.upper()]):
        raise ProblemError(
            403,
            "forbidden",
            "You may not do this",
            f"{what} needs the role {role}, and {actor.name} has {actor.role.name.lower()}",
        )
