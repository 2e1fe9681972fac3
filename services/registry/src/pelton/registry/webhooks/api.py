"""Webhooks over HTTP: register, change, try out, and see what was delivered."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import TypeAdapter

from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.registry.access.control import AccessControl
from pelton.registry.api.paging import cut, decode_page, encode_page
from pelton.registry.store import rows
from pelton.registry.webhooks import store
from pelton.registry.webhooks.answers import (
    Created,
    DeliveriesPage,
    Delivery,
    Secret,
    Tried,
    WebhookAnswer,
    WebhookBody,
    WebhookChange,
    WebhooksPage,
)
from pelton.registry.webhooks.delivery import send
from pelton.registry.webhooks.domain import State, Wish
from pelton.registry.webhooks.messages import cloudevent_example, mlflow_example
from pelton.registry.webhooks.registration import OLD_SECRET_VALID, check, delete, is_theirs, owned, save, unknown
from pelton.registry.webhooks.sender import Sender
from pelton.registry.webhooks.signature import KEY_BYTES, secret_of
from pelton.registry.webhooks.store import Registered
from pelton.registry.webhooks.targets import parse

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
Limit = Annotated[int, Query(ge=1, le=200)]

BY_AGE: Final = TypeAdapter(tuple[datetime, UUID])
BY_POSITION: Final = TypeAdapter(int)
FIRST: Final = datetime(1, 1, 2, tzinfo=UTC)


def router(units: Units, access: AccessControl, sender: Sender) -> APIRouter:
    """The routes of webhooks."""
    routes = APIRouter(tags=["webhooks"])

    @routes.post("/webhooks", status_code=201)
    async def create(body: WebhookBody, actor: Viewer) -> Created:
        """Register a webhook; keep its secret, which is not shown again."""
        wish = Wish(format="cloudevents", **body.model_dump(exclude={"events"}), events=tuple(body.events))
        await check(wish, actor, await access.rules(), sender)
        secret = secret_of(secrets.token_bytes(KEY_BYTES))
        async with units.begin(actor=actor.name) as unit:
            webhook = await save(unit, units.new_id(), wish, actor)
            await store.add_secret(unit.connection, webhook.webhook, secret, unit.now())
        return Created(secret=secret, **_answer(webhook, actor).model_dump())

    @routes.get("/webhooks")
    async def list_webhooks(actor: Viewer, limit: Limit = 50, page: str | None = None) -> WebhooksPage:
        """Webhooks, oldest first."""
        time, webhook = decode_page(BY_AGE, page, (FIRST, UUID(int=0)))
        async with units.engine.connect() as connection:
            found = await rows(connection, store.WEBHOOKS, after_time=time, after_id=webhook, limit=limit + 1)
        shown, more = cut([Registered.of(row) for row in found], limit)
        return WebhooksPage(
            webhooks=[_answer(one, actor) for one in shown],
            next_page=encode_page(BY_AGE, (shown[-1].created_at, shown[-1].webhook)) if more else None,
        )

    @routes.get("/webhooks/{webhook}")
    async def show(webhook: UUID, actor: Viewer) -> WebhookAnswer:
        """One webhook."""
        async with units.engine.connect() as connection:
            found = await store.registered(connection, webhook)
        if found is None:
            raise unknown(webhook)
        return _answer(found, actor)

    @routes.patch("/webhooks/{webhook}")
    async def change(webhook: UUID, body: WebhookChange, actor: Viewer) -> WebhookAnswer:
        """Change a webhook. While it is not active, new facts are not kept for it, and what waits goes on waiting."""
        async with units.begin(actor=actor.name) as unit:
            before = await owned(unit, webhook, actor)
            changes = body.model_dump(exclude_none=True)
            wish = replace(before.wish, **changes | ({"events": tuple(body.events)} if body.events else {}))
            await check(wish, actor, await access.rules(unit.connection), sender)
            return _answer(await save(unit, webhook, wish, before.owner), actor)

    @routes.delete("/webhooks/{webhook}", status_code=204)
    async def remove(webhook: UUID, actor: Viewer) -> None:
        """Remove a webhook, and with it what still waits."""
        async with units.begin(actor=actor.name) as unit:
            await owned(unit, webhook, actor)
            await delete(unit, webhook)

    @routes.post("/webhooks/{webhook}/secret")
    async def rotate(webhook: UUID, actor: Viewer) -> Secret:
        """Make a new secret; the former one signs beside it for a day."""
        secret = secret_of(secrets.token_bytes(KEY_BYTES))
        async with units.begin(actor=actor.name) as unit:
            await owned(unit, webhook, actor)
            until = unit.now() + OLD_SECRET_VALID
            await store.expire_secrets(unit.connection, webhook, until)
            await store.add_secret(unit.connection, webhook, secret, unit.now())
        return Secret(secret=secret, former_until=until)

    routes.include_router(_deliveries(units, sender))
    return routes


def _deliveries(units: Units, sender: Sender) -> APIRouter:
    """The routes of what is sent."""
    routes = APIRouter()

    @routes.post("/webhooks/{webhook}/test")
    async def try_out(webhook: UUID, actor: Viewer) -> Tried:
        """Send an example now, once, and say what came of it."""
        now = units.clock()
        async with units.begin(actor=actor.name) as unit:
            found = await owned(unit, webhook, actor)
            signing = await store.secrets(unit.connection, webhook, now)
        message_id = str(units.new_id())
        message = (
            cloudevent_example(message_id, now.isoformat())
            if found.format == "cloudevents"
            else mlflow_example(message_id, found.subscription.events[0], now.isoformat())
        )
        outcome = await send(sender, found, signing, message, now)
        return Tried(delivered=outcome.delivered, status=outcome.status, error=outcome.error, response=outcome.response)

    @routes.get("/webhooks/{webhook}/deliveries")
    async def list_deliveries(
        webhook: UUID, actor: Viewer, state: State | None = None, limit: Limit = 50, page: str | None = None
    ) -> DeliveriesPage:
        """A webhook's deliveries, newest first; those that are over are kept for thirty days."""
        before = decode_page(BY_POSITION, page, 2**62)
        async with units.begin(actor=actor.name) as unit:
            await owned(unit, webhook, actor)
            found = await rows(
                unit.connection, store.DELIVERIES, webhook=webhook, before=before, state=state, limit=limit + 1
            )
        shown, more = cut(found, limit)
        deliveries = [Delivery.model_validate(dict(row)) for row in shown]
        return DeliveriesPage(
            deliveries=deliveries, next_page=encode_page(BY_POSITION, deliveries[-1].position) if more else None
        )

    @routes.post("/webhooks/{webhook}/deliveries/{event_id}/redeliver", status_code=202)
    async def redeliver(webhook: UUID, event_id: UUID, actor: Viewer) -> None:
        """Send a fact again, whatever became of it before."""
        async with units.begin(actor=actor.name) as unit:
            await owned(unit, webhook, actor)
            if not await store.redeliver(unit.connection, webhook, event_id, unit.now()):
                raise ProblemError(
                    404, "unknown-delivery", "No such delivery", f"the fact {event_id} was not for this webhook"
                )

    return routes


def _answer(webhook: Registered, actor: Actor) -> WebhookAnswer:
    return WebhookAnswer(
        webhook=webhook.webhook,
        name=webhook.name,
        origin=parse(webhook.url).origin,
        url=webhook.url if is_theirs(webhook, actor) else None,
        description=webhook.description,
        format=webhook.format,
        events=list(webhook.subscription.events),
        models=webhook.subscription.models,
        active=webhook.active,
        owner=webhook.owner.name,
        created_at=webhook.created_at,
        changed_at=webhook.changed_at,
    )
