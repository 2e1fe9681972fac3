"""Restrictions on reading, for the routes of `/v1`: a dependency for those about one model, a sieve for lists."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.eventkit.identity import Actor, Role
from pelton.registry.access.control import AccessControl, OnModel
from pelton.registry.access.domain import Action
from pelton.registry.access.labels import Labels, versions_with

Item = TypeVar("Item")


def may_read(access: AccessControl) -> Callable[[Request], Awaitable[None]]:
    """A dependency of FastAPI: who reads a route with `{model}` in it, and perhaps `{version}`, may read that.

    It answers 403 with the restriction's reason.
    """

    async def check(request: Request) -> None:
        model, version = request.path_params.get("model"), request.path_params.get("version")
        if request.method == "GET" and model is not None:
            number = int(version) if version is not None and version.isascii() and version.isdigit() else None
            await access.on_model(request.state.actor, Action.READ, OnModel(model, number))

    return check


async def readable(
    access: AccessControl,
    connection: AsyncConnection,
    actor: Actor,
    items: Sequence[Item],
    about: Callable[[Item], OnModel],
) -> list[Item]:
    """Those of the items, each about a model or a version, that the actor may read."""
    rules = await access.rules(connection)
    if actor.may(Role.ADMIN) or not rules.restricts("model", Action.READ):
        return list(items)
    labels = await Labels.of(connection, {about(item).name for item in items})
    return [
        item for item in items if rules.decide(actor, Action.READ, about(item).resource(Action.READ, labels)).allowed
    ]


async def may_read_content(access: AccessControl, connection: AsyncConnection, actor: Actor, digest: str) -> None:
    """Let the actor read bytes by their digest, unless they are a version's that the actor may not read.

    Raises:
        ProblemError: 403.
    """
    if actor.may(Role.ADMIN) or not (await access.rules(connection)).restricts("model", Action.READ):
        return
    for model, version in await versions_with(connection, digest):
        await access.on_model(actor, Action.READ, OnModel(model, version), connection=connection)
