"""The relay: takes facts from the event store to Kafka, in order, with gap-free positions.

One relay of a service leads, by an advisory lock. It numbers the unpublished rows, publishes them once that is
committed, and moves its cursor past them as it numbers the next. Whatever it dies between, its successor publishes the
same facts with the same positions again, and readers skip what they have seen.

A cursor over `seq` would skip a transaction that commits late; numbering `WHERE position IS NULL` does not.
Lock, numbering and cursor share one connection: a relay that lost its lock cannot number.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress

import asyncpg
import structlog

from pelton.eventkit.database import lock_key, wait_for_lock
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.failures import is_transient
from pelton.eventkit.publisher import Outgoing, Publisher
from pelton.eventkit.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

BATCH = 1000
LOCK = lock_key("pelton.relay")

COLUMNS = "id, stream, version, type, data, meta, time, position"
CURSOR = "SELECT cursor FROM relay"
NUMBERED = f"SELECT {COLUMNS} FROM events WHERE position > $1 ORDER BY position LIMIT $2"  # noqa: S608 - a constant
# One statement, and so one round trip and one commit; `relay` is written only where it says something new.
ADVANCE = f"""
    WITH moved AS (UPDATE relay SET cursor = $1 WHERE cursor < $1),
         top AS (SELECT coalesce(max(position), 0) AS position FROM events),
         waiting AS (SELECT seq FROM events WHERE position IS NULL ORDER BY seq LIMIT $2),
         numbered AS (SELECT seq, row_number() OVER (ORDER BY seq) AS place FROM waiting),
         next AS (
             UPDATE events SET position = top.position + numbered.place
             FROM top, numbered WHERE events.seq = numbered.seq
             RETURNING id, stream, version, type, data, meta, time, events.position
         )
    SELECT {COLUMNS} FROM next ORDER BY position
"""  # noqa: S608 - a constant


class Relay:
    """Publishes the facts of one service; `leading` is true while this process is the one that does.

    `idle_poll` (seconds) bounds how long a notification that was lost with a connection goes unnoticed.
    """

    def __init__(self, dsn: str, owner: str, publisher: Publisher, metrics: Metrics, *, idle_poll: float = 1.0) -> None:
        self._dsn = dsn
        self._owner = owner
        self._publisher = publisher
        self._metrics = metrics
        self._idle_poll = idle_poll
        self._wake = asyncio.Event()
        self.leading = False

    async def run(self) -> None:
        """Lead when it is this relay's turn, until cancelled; ride out a database or a broker that restarts."""
        pause = 0.1
        while True:
            try:
                await self._lead()
            except Exception as error:
                self._lead_as(leading=False)
                if not is_transient(error):
                    raise
                log.warning("relay interrupted", reason=str(error) or type(error).__name__, pause=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _lead(self) -> None:
        connection = await asyncpg.connect(self._dsn, server_settings={"application_name": f"{self._owner}-relay"})
        try:
            await wait_for_lock(connection, LOCK)
            await connection.add_listener("pelton_outbox", lambda *_: self._wake.set())
            connection.add_termination_listener(lambda *_: self._wake.set())
            self._lead_as(leading=True)
            log.info("relay leads")
            cursor: int = await connection.fetchval(CURSOR)
            while left := await connection.fetch(NUMBERED, cursor, BATCH):
                cursor = await self._publish(left)
            while True:
                while following := await connection.fetch(ADVANCE, cursor, BATCH):
                    cursor = await self._publish(following)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._idle_poll)
                self._wake.clear()
        finally:
            self._lead_as(leading=False)
            with suppress(Exception):
                await connection.close(timeout=2)

    def _lead_as(self, *, leading: bool) -> None:
        self.leading = leading
        self._metrics.relay_leading.set(leading)

    async def _publish(self, rows: Sequence[asyncpg.Record]) -> int:
        """Publish numbered rows; returns the position of the last, behind which the cursor may be."""
        await self._publisher.publish([_outgoing(self._owner, row) for row in rows])
        self._metrics.relay_published.inc(len(rows))
        position: int = rows[-1]["position"]
        return position


def _outgoing(owner: str, row: asyncpg.Record) -> Outgoing:
    """The record on Kafka, keyed by the aggregate."""
    envelope = Envelope.from_row(owner, row, json.loads(row["meta"]))
    return Outgoing(envelope.topic, envelope.subject.encode(), envelope.headers(), row["data"])
