"""What projects declare: models with their whole loop."""

from collections.abc import Iterator
from typing import Final

from fastapi import APIRouter, Response
from pydantic import field_validator

from pelton.contracts.canonical import canonical_json
from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.registry import CodeOrigin
from pelton.contracts.values import Artifact, Digest
from pelton.eventkit.problems import FieldError, ProblemError
from pelton.eventkit.unit import Units
from pelton.objects import ObjectNotFoundError, Objects
from pelton.registry import commands
from pelton.registry.api.answers import Registered
from pelton.registry.api.bodies import Command, Contributor
from pelton.registry.api.refusals import check_role, problems
from pelton.registry.domain.registration import loosened_approval, register
from pelton.registry.projections import record

CODE_FORMAT: Final = "code-bundle"


class Declaration(Command):
    """A model as `pelton.yaml` declares it, the digest of its code bundle, and where the code came from.

    The bundle, and what the origin names, were uploaded before.
    """

    definition: ModelDefinition
    code: Digest
    origin: CodeOrigin | None = None

    @field_validator("definition")
    @classmethod
    def _can_be_written(cls, definition: ModelDefinition) -> ModelDefinition:
        canonical_json(definition)  # a candidate's parameters may be anything, and so also what JSON cannot say
        return definition


def router(units: Units, objects: Objects) -> APIRouter:
    """The routes of declarations."""
    routes = APIRouter()

    @routes.post("/models")
    async def register_model(body: Declaration, actor: Contributor, response: Response) -> Registered:
        """Register a model, or change it; the same definition and code again, from any commit, changes nothing."""
        size = await _size(objects, "code", body.code)
        code = Artifact(digest=body.code, size=size, format=CODE_FORMAT)
        for field, digest in _kept_of(body.origin):
            await _size(objects, field, digest)
        name = body.definition.name
        async with units.begin(actor=actor.name) as unit:
            model = await commands.named(unit, name)
            with problems():
                facts = register(model, body.definition, code, body.origin)
            check_role(actor, loosened_approval(model, body.definition), f"asking for less approval of {name}")
            await record(unit, model, facts)
        created = model.definition is None
        response.status_code = 201 if created else 200
        return Registered(
            model=name,
            status="created" if created else "changed" if facts else "unchanged",
            definition_digest=body.definition.digest,
            code=body.code,
        )

    return routes


def _kept_of(origin: CodeOrigin | None) -> Iterator[tuple[str, Digest]]:
    """What an origin says is in the object store, each with the field that says so."""
    if origin is not None:
        if origin.diff is not None:
            yield "origin.diff", origin.diff
        yield from ((f"origin.notebooks.{name}", digest) for name, digest in origin.notebooks.items())


async def _size(objects: Objects, field: str, digest: Digest) -> int:
    try:
        return await objects.size(digest)
    except ObjectNotFoundError as error:
        fault = FieldError(field, f"no artifact {digest} was uploaded", "PUT it to /v1/artifacts first")
        raise ProblemError(422, "unknown-artifact", "The code is not there", "see `errors`", [fault]) from error
