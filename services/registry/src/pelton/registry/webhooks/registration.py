"""Registering webhooks and changing them, and their secrets: each in the caller's unit, with its fact."""

from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Final
from uuid import UUID

from pelton.contracts.registry import WebhookRegistered
from pelton.contracts.schemas import facts
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import FieldError, ProblemError
from pelton.eventkit.unit import UnitOfWork
from pelton.registry.access.domain import Resource, Rules
from pelton.registry.projections import record
from pelton.registry.webhooks import store
from pelton.registry.webhooks.domain import Webhook, Wish, register, remove
from pelton.registry.webhooks.messages import MLFLOW_EVENTS
from pelton.registry.webhooks.sender import Sender
from pelton.registry.webhooks.store import Registered
from pelton.registry.webhooks.targets import RefusedTargetError, addresses, parse

OLD_SECRET_VALID: Final = timedelta(hours=24)
"""How long the secret before the newest signs too, so that a receiver may change to the newest in the meantime."""


async def check(wish: Wish, actor: Actor, rules: Rules, sender: Sender) -> None:
    """Let a wish pass that can work and that the actor may have; asks the name server for the host.

    Raises:
        ProblemError: 422 with the field that cannot work, or 403.
    """
    try:
        await addresses(parse(wish.url), sender.allowed, sender.resolve)
    except RefusedTargetError as error:
        raise _invalid("url", str(error), "register a public HTTPS address") from error
    known = (
        [fact.__name__ for fact in facts().values() if fact.fact_owner == "registry"]
        if wish.format == "cloudevents"
        else MLFLOW_EVENTS
    )
    for event in wish.events:
        if not any(fnmatchcase(name, event) for name in known):
            raise _invalid("events", f"nothing is called {event!r}", f"use one of {', '.join(known)}, or a glob")
    exact = not any(char in wish.models for char in "*?[")
    resource = Resource("model", wish.models)
    if not (actor.may(Role.CONTRIBUTOR) or (exact and rules.role(actor, resource)[0] >= Role.CONTRIBUTOR)):
        raise ProblemError(
            403,
            "forbidden",
            "You may not do this",
            f"{actor.name} needs the role contributor, or that role in a team that has the model named in `models`",
        )


async def save(unit: UnitOfWork, webhook: UUID, wish: Wish, owner: Actor) -> Registered:
    """Keep a webhook as it was wished, and say so in a fact."""
    now = unit.now()
    loaded = await unit.load(Webhook, str(webhook))
    values = {
        "webhook": webhook,
        "name": wish.name,
        "url": wish.url,
        "description": wish.description,
        "format": wish.format,
        "events": list(wish.events),
        "models": wish.models,
        "active": wish.active,
        "owner": owner.name,
        "owner_role": owner.role.name.lower(),
        "time": now,
    }
    await unit.connection.execute(store.SAVE, values)
    wanted = WebhookRegistered(
        webhook=str(webhook),
        name=wish.name,
        origin=parse(wish.url).origin,
        events=wish.events,
        models=wish.models,
        active=wish.active,
    )
    await record(unit, loaded, register(loaded, wanted))
    saved = await store.registered(unit.connection, webhook)
    assert saved is not None  # noqa: S101 - it was saved above
    return saved


async def delete(unit: UnitOfWork, webhook: UUID) -> None:
    """Tell no more: what still waits goes with it."""
    loaded = await unit.load(Webhook, str(webhook))
    await unit.connection.execute(store.DELETE, {"webhook": webhook})
    await record(unit, loaded, remove(loaded))


async def owned(unit: UnitOfWork, webhook: UUID, actor: Actor) -> Registered:
    """A webhook that the actor may change: their own, or any for an administrator.

    Raises:
        ProblemError: 404, or 403.
    """
    found = await store.registered(unit.connection, webhook)
    if found is None:
        raise unknown(webhook)
    if not is_theirs(found, actor):
        raise ProblemError(
            403,
            "forbidden",
            "You may not do this",
            f"the webhook {found.name} is {found.owner.name}'s; only they and administrators may change or test it",
        )
    return found


def is_theirs(webhook: Registered, actor: Actor) -> bool:
    """Whether an actor may see where a webhook leads, and change it."""
    return actor.may(Role.ADMIN) or actor.name == webhook.owner.name


def unknown(webhook: UUID) -> ProblemError:
    """The answer where there is no such webhook."""
    return ProblemError(404, "unknown-webhook", "No such webhook", f"no webhook has the id {webhook}")


def _invalid(field: str, detail: str, fix: str) -> ProblemError:
    return ProblemError(
        422, "invalid-request", "The request is not valid", "see `errors`", [FieldError(field, detail, fix)]
    )
