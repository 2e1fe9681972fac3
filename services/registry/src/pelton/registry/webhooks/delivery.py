"""Brings facts to webhooks: one process follows the event store and leaves a delivery for each webhook, and sends them.

Nothing of it is on the way of a command. The deliveries of a webhook are sent one after the other, in the order of the
facts; those of different webhooks beside one another. A delivery is sent at least once: again, where the process ends
between an answer and its record.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.eventkit.leadership import Leadership
from pelton.eventkit.unit import Units
from pelton.registry.access.control import AccessControl, OnModel
from pelton.registry.access.reading import readable
from pelton.registry.webhooks import store
from pelton.registry.webhooks.domain import Outcome, State, judge
from pelton.registry.webhooks.messages import Message, Told, cloudevent, mlflow_message
from pelton.registry.webhooks.sender import Sender
from pelton.registry.webhooks.signature import mlflow_headers, standard_headers
from pelton.registry.webhooks.store import Due, Registered

log = structlog.get_logger(__name__)

PAGE: Final = 500
POLL_SECONDS: Final = 0.25
AT_ONCE: Final = 16
KEPT: Final = timedelta(days=30)
CLEAN_EVERY: Final = timedelta(hours=1)


class Deliveries:
    """The deliveries of all webhooks; `run` is the work of the one process that leads.

    `random` gives numbers from 0 to 1, which spread what is tried again.
    """

    def __init__(
        self,
        units: Units,
        access: AccessControl,
        sender: Sender,
        leadership: Leadership,
        random: Callable[[], float],
        *,
        poll: float = POLL_SECONDS,
    ) -> None:
        self._units = units
        self._access = access
        self._sender = sender
        self._leadership = leadership
        self._random = random
        self._poll = poll
        self._places = asyncio.Semaphore(AT_ONCE)
        self._busy: dict[UUID, asyncio.Task[None]] = {}
        self._cleaned: datetime | None = None

    async def run(self) -> None:
        """Follow and send until cancelled."""
        try:
            while True:
                more = await self._follow()
                await self._clean()
                async with self._units.engine.connect() as connection:
                    due = await store.due(connection, self._units.clock())
                for webhook in {delivery.webhook for delivery in due} - set(self._busy):
                    self._busy[webhook] = asyncio.create_task(self._serve(webhook))
                await self._pause(0.0 if more else self._poll)
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)
            self._busy.clear()

    async def _pause(self, seconds: float) -> None:
        """Let others work; a task that failed ends the leader's work with its error, to be taken up anew."""
        await asyncio.sleep(seconds)
        for webhook, task in list(self._busy.items()):
            if task.done():
                del self._busy[webhook]
                task.result()

    async def _follow(self) -> bool:
        """Leave a delivery for each webhook that wants one of the next facts; returns whether there may be more."""
        now = self._units.clock()
        async with self._units.engine.connect() as connection:
            cursor, newest = await store.places(connection)
        if cursor == newest:
            return False
        async with self._units.engine.begin() as connection:
            await self._leadership.confirm(connection)
            # Read after `newest`: one that is not among them was registered later than the facts up to there.
            webhooks = await store.active(connection)
            last = min(newest, cursor + PAGE) if webhooks else newest
            if webhooks:
                for told in await store.told_after(connection, self._units.service, cursor, last - cursor):
                    await self._leave(connection, told, webhooks, now)
            await connection.execute(store.MOVE_CURSOR, {"position": last})
        return last < newest

    async def _clean(self) -> None:
        """Forget what was over long ago; once an hour."""
        now = self._units.clock()
        if self._cleaned is None or now - self._cleaned >= CLEAN_EVERY:
            async with self._units.engine.begin() as connection:
                await connection.execute(store.CLEAN, {"before": now - KEPT})
            self._cleaned = now

    async def _leave(
        self, connection: AsyncConnection, told: Told, webhooks: Sequence[Registered], now: datetime
    ) -> None:
        for webhook in webhooks:
            name = told.name(webhook.format)
            if (
                name is not None
                and told.envelope.time >= webhook.created_at
                and webhook.subscription.wants(name, told.model)
                and await self._may_hear(connection, webhook, told)
            ):
                values = {
                    "webhook": webhook.webhook,
                    "position": told.envelope.position,
                    "event_id": told.envelope.id,
                    "type": told.envelope.type,
                    "now": now,
                }
                await connection.execute(store.ENQUEUE, values)

    async def _may_hear(self, connection: AsyncConnection, webhook: Registered, told: Told) -> bool:
        """Whether the owner may read what this is about: a webhook tells nobody what they may not see."""
        if told.model is None:
            return True
        about = OnModel(told.model, told.version)
        return bool(await readable(self._access, connection, webhook.owner, [about], lambda one: one))

    async def _serve(self, webhook: UUID) -> None:
        """Send what waits of one webhook, one after the other, for as long as its turn is now."""
        async with self._places:
            while delivery := await self._next(webhook):
                await self._deliver(delivery)

    async def _next(self, webhook: UUID) -> Due | None:
        async with self._units.engine.connect() as connection:
            return next(iter(await store.due(connection, self._units.clock(), webhook)), None)

    async def _deliver(self, delivery: Due) -> None:
        async with self._units.engine.connect() as connection:
            webhook = await store.registered(connection, delivery.webhook)
            if webhook is None:
                return
            secrets = await store.secrets(connection, delivery.webhook, self._units.clock())
            told = await store.told(connection, self._units.service, delivery.position)
        message = cloudevent(told) if webhook.format == "cloudevents" else mlflow_message(told)
        outcome = await send(self._sender, webhook, secrets, message, self._units.clock())
        now = self._units.clock()
        progress = judge(outcome, delivery.tries + 1, now, self._random())
        if progress.state is State.DEAD:
            log.warning(
                "webhook gives up", webhook=str(webhook.webhook), position=delivery.position, status=outcome.status
            )
        async with self._units.engine.begin() as connection:
            await self._leadership.confirm(connection)
            await store.settle(connection, delivery, outcome, progress, now)


async def send(sender: Sender, webhook: Registered, secrets: Sequence[str], message: Message, now: datetime) -> Outcome:
    """Sign a message in the webhook's format and send it."""
    sign = standard_headers if webhook.format == "cloudevents" else mlflow_headers
    return await sender.send(webhook.url, message, sign(secrets, message.id, int(now.timestamp()), message.body))
