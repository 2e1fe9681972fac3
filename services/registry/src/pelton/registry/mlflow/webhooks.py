"""Routes of webhooks in MLflow's format; they are the webhooks of `/v1/webhooks`, and delivered in the same way."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal
from uuid import UUID

import msgspec

from pelton.eventkit.identity import Role
from pelton.eventkit.unit import UnitOfWork
from pelton.registry.mlflow.pages import next_token, offset_of
from pelton.registry.mlflow.reading import Required
from pelton.registry.mlflow.wire import Call, Endpoint, invalid, missing
from pelton.registry.tracking.times import milliseconds
from pelton.registry.webhooks import store
from pelton.registry.webhooks.delivery import send
from pelton.registry.webhooks.domain import Wish
from pelton.registry.webhooks.messages import MLFLOW_EVENTS, mlflow_example
from pelton.registry.webhooks.registration import check, delete, is_theirs, owned, save
from pelton.registry.webhooks.store import Registered
from pelton.registry.webhooks.targets import parse

Status = Literal["ACTIVE", "DISABLED"]

PAGE: Final = 100
MOST_RESULTS: Final = 1000
NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
LENGTHS: Final[Mapping[str, int]] = {"description": 1000, "secret": 1000}


class Event(msgspec.Struct):
    """An event, as MLflow's clients name its two halves."""

    entity: Required
    action: Required

    @property
    def name(self) -> str:
        """The event's name, such as `model_version.created`."""
        return f"{self.entity}.{self.action}".lower()


class Create(msgspec.Struct):
    """A new webhook."""

    name: Required
    url: Required
    events: list[Event]
    description: str | None = None
    secret: str | None = None
    status: Status | None = None


class Listing(msgspec.Struct):
    """Which page of the webhooks is asked for."""

    max_results: int | None = None
    page_token: str | None = None


class Update(msgspec.Struct):
    """What is to be different."""

    name: str | None = None
    url: str | None = None
    events: list[Event] | None = None
    description: str | None = None
    secret: str | None = None
    status: Status | None = None


class Try(msgspec.Struct):
    """The event to try a webhook out with; its first one where none is named."""

    event: Event | None = None


async def create(call: Call, request: Create) -> object:
    """Register a webhook; without a secret its messages are not signed."""
    wish = Wish(
        name=request.name,
        url=request.url,
        description=request.description or "",
        format="mlflow",
        events=_names(request.events),
        models="*",
        active=request.status != "DISABLED",
    )
    await _check(call, wish, request.secret)
    units = call.backend.units
    async with units.begin(actor=call.actor.name) as unit:
        webhook = await save(unit, units.new_id(), wish, call.actor)
        if request.secret:
            await store.add_secret(unit.connection, webhook.webhook, request.secret, unit.now())
    return {"webhook": _answer(webhook, call)}


async def list_webhooks(call: Call, request: Listing) -> object:
    """Webhooks in MLflow's format, oldest first."""
    limit = request.max_results or PAGE
    if not 1 <= limit <= MOST_RESULTS:
        raise invalid(f"max_results must be between 1 and {MOST_RESULTS}.")
    offset = offset_of(request.page_token)
    async with call.backend.units.engine.connect() as connection:
        found = await store.of_format(connection, "mlflow", offset, limit + 1)
    page: dict[str, object] = {"webhooks": [_answer(one, call) for one in found[:limit]]}
    return page | ({"next_page_token": next_token(offset + limit)} if len(found) > limit else {})


async def get(call: Call, _: None) -> object:
    """One webhook."""
    async with call.backend.units.engine.connect() as connection:
        found = await store.registered(connection, _id(call))
    if found is None or found.format != "mlflow":
        raise _unknown(call)
    return {"webhook": _answer(found, call)}


async def update(call: Call, request: Update) -> object:
    """Change a webhook; an empty secret is none."""
    async with call.backend.units.begin(actor=call.actor.name) as unit:
        before = await _owned(unit, call)
        wish = replace(
            before.wish,
            name=request.name or before.name,
            url=request.url or before.url,
            events=_names(request.events) if request.events else before.subscription.events,
            description=before.description if request.description is None else request.description,
            active=before.active if request.status is None else request.status == "ACTIVE",
        )
        await _check(call, wish, request.secret)
        saved = await save(unit, before.webhook, wish, before.owner)
        if request.secret is not None:
            await store.forget_secrets(unit.connection, before.webhook)
        if request.secret:
            await store.add_secret(unit.connection, before.webhook, request.secret, unit.now())
    return {"webhook": _answer(saved, call)}


async def remove(call: Call, _: None) -> None:
    """Remove a webhook."""
    async with call.backend.units.begin(actor=call.actor.name) as unit:
        await delete(unit, (await _owned(unit, call)).webhook)


async def try_out(call: Call, request: Try) -> object:
    """Send an example of an event now, and say what came of it."""
    units = call.backend.units
    now = units.clock()
    async with units.begin(actor=call.actor.name) as unit:
        webhook = await _owned(unit, call)
        secrets = await store.secrets(unit.connection, webhook.webhook, now)
    event = request.event.name if request.event else webhook.subscription.events[0]
    if event not in MLFLOW_EVENTS:
        raise invalid(f"There is no event {event!r}; use one of {', '.join(MLFLOW_EVENTS)}")
    message = mlflow_example(str(units.new_id()), event, now.isoformat())
    outcome = await send(call.backend.sender, webhook, secrets, message, now)
    said = {
        "success": outcome.delivered,
        "response_status": outcome.status,
        "response_body": outcome.response,
        "error_message": outcome.error,
    }
    return {"result": {name: value for name, value in said.items() if value is not None}}


async def _check(call: Call, wish: Wish, secret: str | None) -> None:
    if not NAME.fullmatch(wish.name):
        raise invalid(
            f"Webhook name {wish.name!r} is invalid. It has at most 63 letters, digits, dots, underscores and hyphens, "
            "and begins and ends with a letter or digit."
        )
    for field, value in (("description", wish.description), ("secret", secret or "")):
        if len(value) > LENGTHS[field]:
            raise invalid(f"{field} may have {LENGTHS[field]} characters, and has {len(value)}")
    await check(wish, call.actor, await call.backend.access.rules(), call.backend.sender)


async def _owned(unit: UnitOfWork, call: Call) -> Registered:
    found = await owned(unit, _id(call), call.actor)
    if found.format != "mlflow":
        raise _unknown(call)
    return found


def _names(events: Sequence[Event]) -> tuple[str, ...]:
    if not events:
        raise invalid("Webhook events cannot be empty")
    return tuple(dict.fromkeys(event.name for event in events))


def _id(call: Call) -> UUID:
    try:
        return UUID(call.parameters["webhook_id"])
    except ValueError:
        raise _unknown(call) from None


def _unknown(call: Call) -> Exception:
    return missing(f"Webhook with ID {call.parameters['webhook_id']} not found.")


def _answer(webhook: Registered, call: Call) -> object:
    events = (event.partition(".") for event in webhook.subscription.events)
    return {
        "webhook_id": str(webhook.webhook),
        "name": webhook.name,
        "description": webhook.description,
        # the rest of the URL is where receivers keep a secret
        "url": webhook.url if is_theirs(webhook, call.actor) else parse(webhook.url).origin,
        "events": [{"entity": entity.upper(), "action": action.upper()} for entity, _, action in events],
        "status": "ACTIVE" if webhook.active else "DISABLED",
        "creation_timestamp": milliseconds(webhook.created_at),
        "last_updated_timestamp": milliseconds(webhook.changed_at),
    }


PATH: Final = "2.0/mlflow/webhooks"

# What somebody may do depends on whose the webhook is, and on the models that it is about.
ENDPOINTS: Final = (
    Endpoint("POST", PATH, Role.VIEWER, Create, create),
    Endpoint("GET", PATH, Role.VIEWER, Listing, list_webhooks),
    Endpoint("GET", PATH + "/{webhook_id}", Role.VIEWER, None, get),
    Endpoint("PATCH", PATH + "/{webhook_id}", Role.VIEWER, Update, update),
    Endpoint("DELETE", PATH + "/{webhook_id}", Role.VIEWER, None, remove),
    Endpoint("POST", PATH + "/{webhook_id}/test", Role.VIEWER, Try, try_out),
)
