"""The SQL of webhooks and their deliveries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.eventkit import store as events
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.identity import Actor, Role
from pelton.registry.webhooks.domain import Format, Outcome, Progress, Subscription, Wish
from pelton.registry.webhooks.messages import Told

SAVE = text("""
    INSERT INTO webhooks
        (webhook, name, url, description, format, events, models, active, owner, owner_role, created_at, changed_at)
    VALUES
        (:webhook, :name, :url, :description, :format, :events, :models, :active, :owner, :owner_role, :time, :time)
    ON CONFLICT (webhook) DO UPDATE
    SET name = EXCLUDED.name, url = EXCLUDED.url, description = EXCLUDED.description, events = EXCLUDED.events,
        models = EXCLUDED.models, active = EXCLUDED.active, changed_at = EXCLUDED.changed_at
""")
DELETE = text("DELETE FROM webhooks WHERE webhook = :webhook")
ADD_SECRET = text("INSERT INTO webhook_secrets (webhook, secret, created_at) VALUES (:webhook, :secret, :time)")
EXPIRE_SECRETS = text("""
    UPDATE webhook_secrets SET expires_at = :until
    WHERE webhook = :webhook AND (expires_at IS NULL OR expires_at > :until)
""")
FORGET_SECRETS = text("DELETE FROM webhook_secrets WHERE webhook = :webhook")
SECRETS = text("""
    SELECT secret FROM webhook_secrets
    WHERE webhook = :webhook AND (expires_at IS NULL OR expires_at > :now) ORDER BY created_at DESC
""")

COLUMNS = """
    SELECT webhook, name, url, description, format, events, models, active, owner, owner_role, created_at, changed_at
    FROM webhooks
"""
WEBHOOK = text(f"{COLUMNS} WHERE webhook = :webhook")
WEBHOOKS = text(f"""
    {COLUMNS} WHERE (created_at, webhook) > (:after_time, :after_id) ORDER BY created_at, webhook LIMIT :limit
""")
OF_FORMAT = text(f"""
    {COLUMNS} WHERE format = :format ORDER BY created_at, webhook OFFSET :offset LIMIT :limit
""")
ACTIVE = text(f"{COLUMNS} WHERE active ORDER BY created_at, webhook")

PLACES = text("""
    SELECT coalesce((SELECT position FROM webhook_cursor), 0) AS cursor,
           coalesce((SELECT max(position) FROM events), 0) AS newest
""")
MOVE_CURSOR = text("""
    INSERT INTO webhook_cursor (position) VALUES (:position)
    ON CONFLICT (single) DO UPDATE SET position = EXCLUDED.position
""")
ENQUEUE = text("""
    INSERT INTO webhook_deliveries (webhook, position, event_id, type, state, created_at, next_at)
    VALUES (:webhook, :position, :event_id, :type, 'pending', :now, :now)
    ON CONFLICT (webhook, position) DO NOTHING
""")
# The first that waits of each webhook, and no other: the next is sent when that one is through.
DUE = text("""
    SELECT webhook, position, tries FROM webhooks CROSS JOIN LATERAL (
        SELECT position, tries, next_at FROM webhook_deliveries AS waiting
        WHERE waiting.webhook = webhooks.webhook AND state = 'pending' ORDER BY position LIMIT 1
    ) AS due
    WHERE active AND next_at <= :now AND (CAST(:webhook AS uuid) IS NULL OR webhook = :webhook)
""")
TOLD = text("SELECT position, id, stream, version, type, data, meta, time FROM events WHERE position = :position")
SETTLE = text("""
    UPDATE webhook_deliveries
    SET state = :state, tries = tries + 1, tried_at = :now, next_at = :next_at, status = :status, error = :error,
        response = :response
    WHERE webhook = :webhook AND position = :position
""")
CLEAN = text("DELETE FROM webhook_deliveries WHERE state <> 'pending' AND created_at < :before")
DELIVERIES = text("""
    SELECT position, event_id, type, state, tries, created_at, next_at, tried_at, status, error, response
    FROM webhook_deliveries
    WHERE webhook = :webhook AND position < :before AND (CAST(:state AS text) IS NULL OR state = :state)
    ORDER BY position DESC LIMIT :limit
""")
REDELIVER = text("""
    UPDATE webhook_deliveries SET state = 'pending', tries = 0, next_at = :now
    WHERE webhook = :webhook AND event_id = :event_id
""")


@dataclass(frozen=True, slots=True)
class Registered:
    """A webhook as it is stored, without its secrets."""

    webhook: UUID
    name: str
    url: str
    description: str
    format: Format
    active: bool
    subscription: Subscription
    owner: Actor
    created_at: datetime
    changed_at: datetime

    @property
    def wish(self) -> Wish:
        """What it was registered as."""
        return Wish(
            name=self.name,
            url=self.url,
            description=self.description,
            format=self.format,
            events=self.subscription.events,
            models=self.subscription.models,
            active=self.active,
        )

    @classmethod
    def of(cls, row: RowMapping) -> "Registered":
        """Read a row of the queries above."""
        return cls(
            webhook=row["webhook"],
            name=row["name"],
            url=row["url"],
            description=row["description"],
            format=row["format"],
            active=row["active"],
            subscription=Subscription(tuple(row["events"]), row["models"]),
            owner=Actor(row["owner"], Role[row["owner_role"].upper()]),
            created_at=row["created_at"],
            changed_at=row["changed_at"],
        )


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery whose turn it is."""

    webhook: UUID
    position: int
    tries: int


async def registered(connection: AsyncConnection, webhook: UUID) -> Registered | None:
    """One webhook."""
    row = (await connection.execute(WEBHOOK, {"webhook": webhook})).mappings().first()
    return None if row is None else Registered.of(row)


async def of_format(connection: AsyncConnection, format_: Format, offset: int, limit: int) -> Sequence[Registered]:
    """Webhooks in one format, oldest first."""
    values = {"format": format_, "offset": offset, "limit": limit}
    return [Registered.of(row) for row in (await connection.execute(OF_FORMAT, values)).mappings()]


async def active(connection: AsyncConnection) -> Sequence[Registered]:
    """Every webhook that is told of facts now."""
    return [Registered.of(row) for row in (await connection.execute(ACTIVE)).mappings()]


async def secrets(connection: AsyncConnection, webhook: UUID, now: datetime) -> Sequence[str]:
    """The secrets that sign, newest first."""
    return (await connection.execute(SECRETS, {"webhook": webhook, "now": now})).scalars().all()


async def add_secret(connection: AsyncConnection, webhook: UUID, secret: str, now: datetime) -> None:
    """Sign with this secret too, as the newest."""
    await connection.execute(ADD_SECRET, {"webhook": webhook, "secret": secret, "time": now})


async def expire_secrets(connection: AsyncConnection, webhook: UUID, until: datetime) -> None:
    """Sign with the secrets that there are no longer than until then."""
    await connection.execute(EXPIRE_SECRETS, {"webhook": webhook, "until": until})


async def forget_secrets(connection: AsyncConnection, webhook: UUID) -> None:
    """Sign with nothing that there was."""
    await connection.execute(FORGET_SECRETS, {"webhook": webhook})


async def redeliver(connection: AsyncConnection, webhook: UUID, event_id: UUID, now: datetime) -> bool:
    """Let a delivery wait again from its first try; whether there is one."""
    found = await connection.execute(REDELIVER, {"webhook": webhook, "event_id": event_id, "now": now})
    return found.rowcount > 0


async def places(connection: AsyncConnection) -> tuple[int, int]:
    """The positions of the last fact that was followed, and of the newest that there is."""
    found = (await connection.execute(PLACES)).one()
    return found.cursor, found.newest


async def told_after(connection: AsyncConnection, owner: str, cursor: int, limit: int) -> Sequence[Told]:
    """The facts after a position; positions have no gaps."""
    return [_told(owner, row) for row in await events.page(connection, cursor, limit)]


async def told(connection: AsyncConnection, owner: str, position: int) -> Told:
    """The fact at a position."""
    row = (await connection.execute(TOLD, {"position": position})).mappings().one()
    return _told(owner, dict(row))


async def due(connection: AsyncConnection, now: datetime, webhook: UUID | None = None) -> Sequence[Due]:
    """The deliveries whose turn it is: at most one of each webhook, or of the one that is asked for."""
    found = (await connection.execute(DUE, {"now": now, "webhook": webhook})).all()
    return [Due(row.webhook, row.position, row.tries) for row in found]


async def settle(
    connection: AsyncConnection, delivery: Due, outcome: Outcome, progress: Progress, now: datetime
) -> None:
    """Keep what a try came to."""
    values = {
        "webhook": delivery.webhook,
        "position": delivery.position,
        "state": progress.state.value,
        "now": now,
        "next_at": progress.next_at,
        "status": outcome.status,
        "error": outcome.error,
        "response": outcome.response,
    }
    await connection.execute(SETTLE, values)


def _told(owner: str, row: Mapping[str, Any]) -> Told:
    return Told(Envelope.from_row(owner, row, row["meta"]), row["data"])
