"""Routes of model versions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from pelton.contracts.registry import ModelVersionLogged
from pelton.eventkit.identity import Role
from pelton.eventkit.unit import UnitOfWork
from pelton.registry import commands
from pelton.registry.access.control import OnModel
from pelton.registry.access.domain import Action
from pelton.registry.catalogue import listing
from pelton.registry.catalogue.contents import artifact_at
from pelton.registry.commands import Moved
from pelton.registry.domain.catalogue import Draft
from pelton.registry.mlflow import limits, pages, sources
from pelton.registry.mlflow.ordering import no_version, order, permit_reading
from pelton.registry.mlflow.reading import Required
from pelton.registry.mlflow.stages import NAMES, stage_of
from pelton.registry.mlflow.wire import Call, Endpoint, ErrorCode, MlflowError, invalid
from pelton.registry.search.grammar import MODEL_VERSIONS
from pelton.registry.search.parser import parse, parse_order
from pelton.registry.search.terms import whole_number
from pelton.registry.tracking.times import milliseconds

PAGE: Final = 10_000
MOST_RESULTS: Final = 200_000
NUMBERS: Final = range(1, 2**31)
REASON: Final = "moved by an MLflow client"


class Tag(msgspec.Struct):
    """A tag."""

    key: Required
    value: str = ""


class Create(msgspec.Struct):
    """A new version of a model."""

    name: Required
    source: Required
    run_id: str | None = None
    tags: list[Tag] | None = None
    run_link: str | None = None
    description: str | None = None
    model_id: str | None = None


class Numbered(msgspec.Struct):
    """A version."""

    name: Required
    version: Required


class Update(msgspec.Struct):
    """Another description of a version."""

    name: Required
    version: Required
    description: str | None = None


class Transition(msgspec.Struct):
    """Where a version is to go."""

    name: Required
    version: Required
    stage: Required
    archive_existing_versions: bool | None = False


class SetTag(msgspec.Struct):
    """A tag for a version."""

    name: Required
    version: Required
    key: Required
    value: str = ""


class DeleteTag(msgspec.Struct):
    """A tag to take away."""

    name: Required
    version: Required
    key: Required


class Search(msgspec.Struct):
    """What is searched for."""

    filter: str | None = None
    max_results: int | None = None
    order_by: list[str] | None = None
    page_token: str | None = None


def number_of(version: str, name: str) -> int:
    """The number of a version.

    Raises:
        MlflowError: it is none, or one that no version can have.
    """
    number = whole_number(version)
    if number is None:
        raise invalid(f"Parameter 'version' must be an integer, got '{version}'.")
    if number not in NUMBERS:
        raise no_version(name, number)
    return number


async def create(call: Call, request: Create) -> object:
    """Make the next version of a model out of what lies at a source."""
    tags = {tag.key: tag.value for tag in request.tags or ()}
    origin = await _origin(call, request, tags)

    async def command(unit: UnitOfWork) -> Mapping[str, object]:
        draft = Draft(
            source=origin.source,
            location=origin.location,
            artifact=await artifact_at(unit.connection, call.backend.objects, origin.location or origin.source),
            run=origin.run,
            run_link=request.run_link or "",
            logged_model_id=origin.model_id,
            description=request.description or "",
            tags=tags,
        )
        await commands.create_version(unit, request.name, draft)
        [(fact, time)] = [(one.fact, one.time) for one in unit.recorded if isinstance(one.fact, ModelVersionLogged)]
        return _as_logged(fact, time, unit.actor)

    return {"model_version": await order(call, Action.WRITE, OnModel(request.name), command)}


async def get(call: Call, request: Numbered) -> object:
    """A version."""
    number = number_of(request.version, request.name)
    await permit_reading(call, OnModel(request.name, number))
    return await _answer(call, request.name, number)


async def update(call: Call, request: Update) -> object:
    """Say something else about a version."""
    number = number_of(request.version, request.name)

    async def command(unit: UnitOfWork) -> None:
        await commands.describe_version(unit, request.name, number, request.description or "")

    await order(call, Action.WRITE, OnModel(request.name, number), command)
    return await _answer(call, request.name, number)


async def transition(call: Call, request: Transition) -> object:
    """Move a version, or request it where persons must agree; a request is no move, and so an error."""
    number, stage = number_of(request.version, request.name), stage_of(request.stage)
    archive = bool(request.archive_existing_versions)
    if archive and stage not in {"staging", "production"}:
        raise invalid(
            "Model version transition cannot archive existing model versions because "
            f"'{request.stage}' is not an Active stage. Valid stages are {[NAMES['staging'], NAMES['production']]}"
        )

    async def command(unit: UnitOfWork) -> Moved:
        return await commands.transition(
            unit, call.backend.objects, request.name, number, stage, REASON, archive_existing=archive
        )

    moved = await order(call, Action.SET_STAGE, OnModel(request.name, number), command)
    if moved.pending is not None:
        raise MlflowError(ErrorCode.PERMISSION_DENIED, str(moved))
    return await _answer(call, request.name, number)


async def delete(call: Call, request: Numbered) -> None:
    """Take a version out of the catalogue."""
    number = number_of(request.version, request.name)

    async def command(unit: UnitOfWork) -> None:
        await commands.delete_version(unit, request.name, number)

    await order(call, Action.DELETE, OnModel(request.name, number), command)


async def set_tag(call: Call, request: SetTag) -> None:
    """Set a tag."""
    number = number_of(request.version, request.name)

    async def command(unit: UnitOfWork) -> None:
        await commands.tag_version(unit, request.name, number, request.key, request.value)

    await order(call, Action.TAG, OnModel(request.name, number, tag=(request.key, request.value)), command)


async def delete_tag(call: Call, request: DeleteTag) -> None:
    """Take a tag away."""
    number = number_of(request.version, request.name)

    async def command(unit: UnitOfWork) -> None:
        await commands.tag_version(unit, request.name, number, request.key, None)

    await order(call, Action.TAG, OnModel(request.name, number, tag=(request.key, None)), command)


async def search(call: Call, request: Search) -> object:
    """Versions that meet a filter, a page at a time."""
    limit = limits.check_max_results(PAGE if request.max_results is None else request.max_results, MOST_RESULTS)
    order_by = request.order_by or []
    offset = pages.offset_of(request.page_token, request.filter, order_by)
    comparisons, terms = parse(request.filter, MODEL_VERSIONS), parse_order(order_by, MODEL_VERSIONS)
    found = await listing.search_versions(call.backend.pool, comparisons, terms, offset, limit + 1)
    answer: dict[str, object] = {"model_versions": [msgspec.Raw(one.encode()) for one in found[:limit]]}
    if len(found) > limit:
        answer["next_page_token"] = pages.next_token(offset + limit, request.filter, order_by)
    return answer


async def download_uri(call: Call, request: Numbered) -> object:
    """Where a version's files are downloaded from."""
    number = number_of(request.version, request.name)
    await permit_reading(call, OnModel(request.name, number))
    place = await listing.place_of(call.backend.pool, request.name, number)
    if place is None:
        raise no_version(request.name, number)
    return {"artifact_uri": place.location}


async def _origin(call: Call, request: Create, tags: dict[str, str]) -> sources.Origin:
    if tags.get(listing.PROMPT, "").lower() != "true":
        return await sources.trace(call.backend.pool, request.source, request.run_id, request.model_id)
    if request.source not in sources.PROMPT_SOURCES:
        raise invalid(
            f"Invalid prompt source: '{request.source}'. A prompt's text is in its tags, and its source is one of "
            f"{', '.join(sorted(sources.PROMPT_SOURCES))}"
        )
    return sources.Origin(request.source)


def _as_logged(fact: ModelVersionLogged, time: datetime, actor: str) -> Mapping[str, object]:
    """A version as it is from the fact that made it: what `listing.VERSION` shows once that is committed."""
    made_at = milliseconds(time)
    shown = {
        "name": fact.model,
        "version": str(fact.version),
        "user_id": actor,
        "description": fact.description,
        "creation_timestamp": made_at,
        "last_updated_timestamp": made_at,
        "current_stage": NAMES["development"],
        "source": fact.source,
        "run_id": "" if fact.run is None else fact.run.run_id,
        "run_link": fact.run_link,
        "status": "READY",
        "tags": [{"key": key, "value": value} for key, value in sorted(fact.tags.items())],
        "aliases": [],
    }
    return shown if fact.logged_model_id is None else shown | {"model_id": fact.logged_model_id}


async def _answer(call: Call, name: str, number: int) -> msgspec.Raw:
    found = await listing.get_version(call.backend.pool, name, number)
    if found is None:
        raise no_version(name, number)
    return msgspec.Raw(f'{{"model_version":{found}}}'.encode())


PATH: Final = "2.0/mlflow/model-versions"

# Which role a caller needs is asked by the model's name: a team may give a viewer more.
ENDPOINTS: Final = (
    Endpoint("POST", f"{PATH}/create", Role.VIEWER, Create, create),
    Endpoint("GET", f"{PATH}/get", Role.VIEWER, Numbered, get),
    Endpoint("PATCH", f"{PATH}/update", Role.VIEWER, Update, update),
    Endpoint("POST", f"{PATH}/transition-stage", Role.VIEWER, Transition, transition),
    Endpoint("DELETE", f"{PATH}/delete", Role.VIEWER, Numbered, delete),
    Endpoint("POST", f"{PATH}/set-tag", Role.VIEWER, SetTag, set_tag),
    Endpoint("DELETE", f"{PATH}/delete-tag", Role.VIEWER, DeleteTag, delete_tag),
    Endpoint("GET", f"{PATH}/search", Role.VIEWER, Search, search),
    Endpoint("GET", f"{PATH}/get-download-uri", Role.VIEWER, Numbered, download_uri),
)
