"""Restrictions on experiments and on what searches find, for the routes of MLflow's interface.

The routes know nothing of it. Where no restriction can refuse an action, a guard asks the database nothing.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.types import Receive, Send

from pelton.eventkit.identity import Role
from pelton.registry.access.control import OnModel, check
from pelton.registry.access.domain import Action, Kind, Resource, Rules
from pelton.registry.access.labels import Labels, Named, experiments, versions_at
from pelton.registry.access.reading import readable
from pelton.registry.mlflow.wire import Call, Endpoint
from pelton.registry.tracking.experiments import DEFAULT

EXPERIMENTS: Final = "2.0/mlflow/experiments"
CREATE_RUN: Final = "2.0/mlflow/runs/create"
FRESH_NAMES: Final[Mapping[str, str]] = {f"{EXPERIMENTS}/create": "name", f"{EXPERIMENTS}/update": "new_name"}
"""The fields that name an experiment which there is not yet."""

LISTING: Final = frozenset(
    f"2.0/mlflow/{path}"
    for path in (
        "registered-models/get",
        "registered-models/get-latest-versions",
        "registered-models/search",
        "model-versions/search",
    )
)
"""The routes about models whose answers have lists in them."""
LISTS: Final = frozenset({"registered_models", "model_versions", "latest_versions"})

RUN: Final = re.compile(r"[0-9a-f]{32}")
LOGGED_MODEL: Final = re.compile(r"m-[0-9a-f]{32}")

Check = Callable[[Call, Any], Awaitable[None]]
Sieve = Callable[[Call, dict[str, Any]], Awaitable[None]]


def of_models(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Let lists of models and of versions leave out what their caller may not read; each route asks about its own."""
    return tuple(_sieved(one, "model", _sieve_models) if one.path in LISTING else one for one in endpoints)


def of_tracking(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Guard the routes of experiments, runs, logged models and artifacts by the experiments that a request names."""
    return tuple(_of_tracking(endpoint) for endpoint in endpoints)


def action_of(endpoint: Endpoint) -> Action:
    """What a route of tracking does to experiments: a tag of a run is the run's, and no tag of its experiment."""
    if endpoint.role is Role.VIEWER:
        return Action.READ
    if endpoint.path.endswith("experiment-tag"):
        return Action.TAG
    if endpoint.path.endswith(("/delete", "/restore")) or (
        endpoint.method == "DELETE" and "/tags/" not in endpoint.path
    ):
        return Action.DELETE
    return Action.WRITE


def _guarded(endpoint: Endpoint, may: Check) -> Endpoint:
    handle, stream = endpoint.handle, endpoint.stream
    if stream is not None:

        async def guarded_stream(call: Call, receive: Receive, send: Send) -> None:
            await may(call, None)
            await stream(call, receive, send)

        return replace(endpoint, stream=guarded_stream)

    async def guarded(call: Call, request: Any) -> object:  # noqa: ANN401
        await may(call, request)
        return await handle(call, request) if handle is not None else None

    return replace(endpoint, handle=guarded)


def _of_tracking(endpoint: Endpoint) -> Endpoint:
    if endpoint.path == f"{EXPERIMENTS}/search":
        return _sieved(endpoint, "experiment", _sieve_experiments)
    action = action_of(endpoint)

    async def may(call: Call, request: Any) -> None:  # noqa: ANN401
        rules = await call.backend.access.rules()
        files = action is Action.READ and rules.restricts("model", Action.READ)
        if call.actor.may(Role.ADMIN) or not (files or rules.restricts("experiment", action)):
            return
        named, path = _named(call, request)
        if endpoint.path == CREATE_RUN and not named.experiments:
            named.experiments.append(DEFAULT)
        fresh = getattr(request, FRESH_NAMES.get(endpoint.path, ""), None)
        async with call.backend.units.engine.connect() as connection:
            found = await experiments(connection, named)
            for resource in (*found, *([Resource("experiment", fresh)] if fresh else ())):
                tag = (request.key, getattr(request, "value", None)) if action is Action.TAG else None
                check(rules.decide(call.actor, action, resource.changing(tag=tag)))
            if files:
                await _check_files(call, rules, connection, named, path)

    return _guarded(endpoint, may)


async def _check_files(call: Call, rules: Rules, connection: AsyncConnection, named: Named, path: str) -> None:
    """Who may not read a version may not read the files that it is made of."""
    versions = await versions_at(connection, named, path)
    labels = await Labels.of(connection, {model for model, _ in versions})
    for model, version in versions:
        check(rules.decide(call.actor, Action.READ, labels.version(model, version)))


def _named(call: Call, request: object) -> tuple[Named, str]:
    """What a request names, in its fields or in a path of artifacts, and that path."""
    words: dict[str, list[str]] = {}
    for field in ("experiment_id", "experiment_ids", "experiment_name", "run_id", "run_uuid", "run_ids", "model_id"):
        value = call.parameters.get(field) or getattr(request, field, None)
        words[field] = [value] if isinstance(value, str) else list(value or ())
    path = call.parameters.get("path") or getattr(request, "path", None) or ""
    parts = path.strip("/").split("/")
    numbers = [*words["experiment_id"], *words["experiment_ids"], parts[0]]
    named = Named(
        experiments=[int(one) for one in numbers if one.isascii() and one.isdigit() and len(one) < _DIGITS],
        names=words["experiment_name"],
        runs=[*words["run_id"], *words["run_uuid"], *words["run_ids"], *filter(RUN.fullmatch, parts)],
        models=[*words["model_id"], *filter(LOGGED_MODEL.fullmatch, parts)],
    )
    return named, path


_DIGITS: Final = 19  # of a number that PostgreSQL's bigint holds


def _sieved(endpoint: Endpoint, kind: Kind, sieve: Sieve) -> Endpoint:
    """A route that leaves out of its lists what its caller may not read; a page may so be shorter than asked for."""
    handle = endpoint.handle

    async def sieved(call: Call, request: Any) -> object:  # noqa: ANN401
        found = await handle(call, request) if handle is not None else None
        if call.actor.may(Role.ADMIN) or not (await call.backend.access.rules()).restricts(kind, Action.READ):
            return found
        page = msgspec.json.decode(found if isinstance(found, msgspec.Raw) else msgspec.json.encode(found))
        await sieve(call, page)
        return page

    return replace(endpoint, handle=sieved)


async def _sieve_experiments(call: Call, page: dict[str, Any]) -> None:
    rules = await call.backend.access.rules()

    def may(row: Mapping[str, Any]) -> bool:
        tags = frozenset((tag["key"], tag["value"]) for tag in row["tags"])
        return rules.decide(call.actor, Action.READ, Resource("experiment", row["name"], tags=tags)).allowed

    page["experiments"] = [row for row in page["experiments"] if may(row)]


async def _sieve_models(call: Call, page: dict[str, Any]) -> None:
    """Leave out models and versions, also the newest versions that an answer about a model has in it."""
    models = [page["registered_model"]] if "registered_model" in page else page.get("registered_models", [])
    async with call.backend.units.engine.connect() as connection:
        for holder in (page, *models):
            for key in LISTS & set(holder):
                holder[key] = await readable(call.backend.access, connection, call.actor, holder[key], _about)


def _about(row: Mapping[str, Any]) -> OnModel:
    version = row.get("version")
    return OnModel(row["name"], None if version is None else int(version))
