"""What projects declare: models with their whole loop."""

from typing import Final

from fastapi import APIRouter, Response
from pydantic import field_validator

from pelton.contracts.canonical import canonical_json
from pelton.contracts.definitions import ModelDefinition
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
    """A model as `pelton.yaml` declares it, and the digest of its code bundle, uploaded before."""

    definition: ModelDefinition
    code: Digest

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
        """Register a model, or change it; the same definition and code again changes nothing."""
        code = await _code(objects, body.code)
        name = body.definition.name
        async with units.begin(actor=actor.name) as unit:
            model = await commands.named(unit, name)
            with problems():
                facts = register(model, body.definition, code)
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


async def _code(objects: Objects, code: Digest) -> Artifact:
    try:
        size = await objects.size(code)
    except ObjectNotFoundError as error:
        fault = FieldError("code", f"no artifact {code} was uploaded", "PUT the bundle to /v1/artifacts first")
        raise ProblemError(422, "unknown-artifact", "The code is not there", "see `errors`", [fault]) from error
    return Artifact(digest=code, size=size, format=CODE_FORMAT)
