"""Routes of registered models and their aliases."""

from typing import Final

import msgspec

from pelton.eventkit.identity import Role
from pelton.eventkit.unit import UnitOfWork
from pelton.registry import commands
from pelton.registry.access.control import OnModel
from pelton.registry.access.domain import Action
from pelton.registry.catalogue import listing
from pelton.registry.domain.refusals import UnknownAlias
from pelton.registry.mlflow import limits, pages
from pelton.registry.mlflow.model_versions import Search, Tag, number_of
from pelton.registry.mlflow.ordering import no_model, order, permit_reading
from pelton.registry.mlflow.reading import Required
from pelton.registry.mlflow.stages import NAMES, stage_of
from pelton.registry.mlflow.wire import Call, Endpoint, invalid, missing
from pelton.registry.search.grammar import REGISTERED_MODELS
from pelton.registry.search.parser import parse, parse_order

PAGE: Final = 100
MOST_RESULTS: Final = 1000
LATEST: Final = "latest"
"""The alias of the newest version, which nobody sets."""


class Create(msgspec.Struct):
    """A new model."""

    name: Required
    tags: list[Tag] | None = None
    description: str | None = None


class Named(msgspec.Struct):
    """A model."""

    name: Required


class Rename(msgspec.Struct):
    """Another name for a model."""

    name: Required
    new_name: Required


class Update(msgspec.Struct):
    """Another description of a model."""

    name: Required
    description: str | None = None


class SetTag(msgspec.Struct):
    """A tag for a model."""

    name: Required
    key: Required
    value: str = ""


class DeleteTag(msgspec.Struct):
    """A tag to take away."""

    name: Required
    key: Required


class Latest(msgspec.Struct):
    """The newest versions of a model, in some stages or in all."""

    name: Required
    stages: list[str] | None = None


class Alias(msgspec.Struct):
    """An alias of a model."""

    name: Required
    alias: Required


class SetAlias(msgspec.Struct):
    """What an alias is to name."""

    name: Required
    alias: Required
    version: Required


async def create(call: Call, request: Create) -> object:
    """Make a model, for versions to come."""
    tags = {tag.key: tag.value for tag in request.tags or ()}
    description = request.description or ""

    async def command(unit: UnitOfWork) -> None:
        await commands.create_model(unit, request.name, description=description, tags=tags)

    await order(call, Action.WRITE, OnModel(request.name), command)
    return await _answer(call, request.name)


async def get(call: Call, request: Named) -> object:
    """A model."""
    await permit_reading(call, OnModel(request.name))
    return await _answer(call, request.name)


async def rename(call: Call, request: Rename) -> object:
    """Give a model another name."""

    async def command(unit: UnitOfWork) -> None:
        renamed = OnModel(request.new_name)
        await call.backend.access.on_model(call.actor, Action.WRITE, renamed, connection=unit.connection)
        await commands.rename_model(unit, request.name, request.new_name)

    await order(call, Action.WRITE, OnModel(request.name), command)
    return await _answer(call, request.new_name)


async def update(call: Call, request: Update) -> object:
    """Say something else about a model."""

    async def command(unit: UnitOfWork) -> None:
        await commands.describe_model(unit, request.name, request.description or "")

    await order(call, Action.WRITE, OnModel(request.name), command)
    return await _answer(call, request.name)


async def delete(call: Call, request: Named) -> None:
    """Take a model out of the catalogue, with its versions."""

    async def command(unit: UnitOfWork) -> None:
        await commands.delete_model(unit, request.name)

    await order(call, Action.DELETE, OnModel(request.name), command)


async def set_tag(call: Call, request: SetTag) -> None:
    """Set a tag."""

    async def command(unit: UnitOfWork) -> None:
        await commands.tag_model(unit, request.name, request.key, request.value)

    await order(call, Action.TAG, OnModel(request.name, tag=(request.key, request.value)), command)


async def delete_tag(call: Call, request: DeleteTag) -> None:
    """Take a tag away."""

    async def command(unit: UnitOfWork) -> None:
        await commands.tag_model(unit, request.name, request.key, None)

    await order(call, Action.TAG, OnModel(request.name, tag=(request.key, None)), command)


async def search(call: Call, request: Search) -> object:
    """Models that meet a filter, a page at a time."""
    limit = limits.check_max_results(PAGE if request.max_results is None else request.max_results, MOST_RESULTS)
    order_by = request.order_by or []
    offset = pages.offset_of(request.page_token, request.filter, order_by)
    comparisons, terms = parse(request.filter, REGISTERED_MODELS), parse_order(order_by, REGISTERED_MODELS)
    found = await listing.search_models(call.backend.pool, comparisons, terms, offset, limit + 1)
    answer: dict[str, object] = {"registered_models": [msgspec.Raw(one.encode()) for one in found[:limit]]}
    if len(found) > limit:
        answer["next_page_token"] = pages.next_token(offset + limit, request.filter, order_by)
    return answer


async def latest_versions(call: Call, request: Latest) -> object:
    """The newest version of a model in each stage."""
    await permit_reading(call, OnModel(request.name))
    stages = [stage_of(name) for name in request.stages or NAMES.values()]
    found = await listing.get_latest(call.backend.pool, request.name, stages)
    if not found and not await listing.is_there(call.backend.pool, request.name):
        raise no_model(request.name)
    return {"model_versions": [msgspec.Raw(one.encode()) for one in found]}


async def set_alias(call: Call, request: SetAlias) -> None:
    """Let an alias name a version."""
    number = number_of(request.version, request.name)

    async def command(unit: UnitOfWork) -> None:
        await commands.set_alias(unit, request.name, request.alias, number)

    await order(call, Action.SET_ALIAS, OnModel(request.name, number, request.alias), command)


async def delete_alias(call: Call, request: Alias) -> None:
    """Let an alias name nothing; one that names nothing already is no error."""

    async def command(unit: UnitOfWork) -> None:
        try:
            await commands.remove_alias(unit, request.name, request.alias)
        except UnknownAlias:
            return

    await order(call, Action.SET_ALIAS, OnModel(request.name, alias=request.alias), command)


async def get_by_alias(call: Call, request: Alias) -> object:
    """The version that an alias names."""
    pool, name, alias = call.backend.pool, request.name, request.alias
    await permit_reading(call, OnModel(name, alias=alias))
    newest = alias.lower() == LATEST
    found = await (listing.get_newest(pool, name) if newest else listing.get_by_alias(pool, name, alias))
    if found is not None:
        return msgspec.Raw(f'{{"model_version":{found}}}'.encode())
    if not await listing.is_there(pool, name):
        raise no_model(name)
    if newest:
        raise missing(f"Latest version not found for model {name}.")
    raise invalid(f"Registered model alias {alias} not found.")


async def _answer(call: Call, name: str) -> msgspec.Raw:
    found = await listing.get_model(call.backend.pool, name)
    if found is None:
        raise no_model(name)
    return msgspec.Raw(f'{{"registered_model":{found}}}'.encode())


PATH: Final = "2.0/mlflow/registered-models"

# Which role a caller needs is asked by the model's name: a team may give a viewer more.
ENDPOINTS: Final = (
    Endpoint("POST", f"{PATH}/create", Role.VIEWER, Create, create),
    Endpoint("GET", f"{PATH}/get", Role.VIEWER, Named, get),
    Endpoint("POST", f"{PATH}/rename", Role.VIEWER, Rename, rename),
    Endpoint("PATCH", f"{PATH}/update", Role.VIEWER, Update, update),
    Endpoint("DELETE", f"{PATH}/delete", Role.VIEWER, Named, delete),
    Endpoint("POST", f"{PATH}/set-tag", Role.VIEWER, SetTag, set_tag),
    Endpoint("DELETE", f"{PATH}/delete-tag", Role.VIEWER, DeleteTag, delete_tag),
    Endpoint("GET", f"{PATH}/search", Role.VIEWER, Search, search),
    Endpoint("POST", f"{PATH}/get-latest-versions", Role.VIEWER, Latest, latest_versions),
    Endpoint("GET", f"{PATH}/get-latest-versions", Role.VIEWER, Latest, latest_versions),
    Endpoint("POST", f"{PATH}/alias", Role.VIEWER, SetAlias, set_alias),
    Endpoint("DELETE", f"{PATH}/alias", Role.VIEWER, Alias, delete_alias),
    Endpoint("GET", f"{PATH}/alias", Role.VIEWER, Alias, get_by_alias),
)
