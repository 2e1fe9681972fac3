"""Messages that can never be handled: kept with the reason and all they came with, listed, and replayed."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from aiokafka import ConsumerRecord
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.topics import dead_letter_topic
from pelton.eventkit.publisher import Outgoing

RECORD = text("""
    INSERT INTO dead_letters (id, handler, topic, partition, "offset", key, headers, value, reason, recorded_at)
    VALUES (:id, :handler, :topic, :partition, :offset, :key, CAST(:headers AS jsonb), :value, :reason, :now)
    ON CONFLICT (handler, topic, partition, "offset") DO UPDATE SET reason = EXCLUDED.reason
""")
LIST = text("""
    SELECT id, handler, topic, partition, "offset", reason, recorded_at, replayed_at
    FROM dead_letters ORDER BY recorded_at DESC LIMIT :limit
""")
GET = text("SELECT * FROM dead_letters WHERE id = :id")
MARK_REPLAYED = text("""
    UPDATE dead_letters SET replayed_at = :now WHERE id = :id AND replayed_at IS NULL RETURNING id
""")


class AlreadyReplayedError(Exception):
    """A dead letter that was handled by an earlier replay; handling it again would take effect twice."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record as it came from Kafka, or out of the dead letters."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes

    @classmethod
    def from_record(cls, record: ConsumerRecord[bytes, bytes]) -> "Message":
        """Take a record of aiokafka."""
        return cls(
            record.topic, record.partition, record.offset, record.key, tuple(record.headers), record.value or b""
        )


def outgoing(service: str, handler: str, message: Message, reason: str) -> Outgoing:
    """The record for the dead letter topic: as it came, with why and from where in further headers."""
    return Outgoing(
        dead_letter_topic(service),
        message.key or b"",
        [
            *message.headers,
            ("pelton_dlq_reason", reason.encode()),
            ("pelton_dlq_handler", handler.encode()),
            ("pelton_dlq_topic", message.topic.encode()),
            ("pelton_dlq_partition", str(message.partition).encode()),
            ("pelton_dlq_offset", str(message.offset).encode()),
        ],
        message.value,
    )


async def record(
    connection: AsyncConnection, letter_id: UUID, handler: str, message: Message, reason: str, now: datetime
) -> None:
    """Keep a dead letter in the caller's transaction; the same message twice is one letter."""
    await connection.execute(
        RECORD,
        {
            "id": letter_id,
            "handler": handler,
            "topic": message.topic,
            "partition": message.partition,
            "offset": message.offset,
            "key": message.key,
            "headers": json.dumps([[name, value.decode("latin-1")] for name, value in message.headers]),
            "value": message.value,
            "reason": reason,
            "now": now,
        },
    )


async def recent(connection: AsyncConnection, limit: int) -> list[dict[str, Any]]:
    """The newest dead letters, without their bodies."""
    return [dict(row) for row in (await connection.execute(LIST, {"limit": limit})).mappings()]


async def get(connection: AsyncConnection, letter_id: UUID) -> tuple[str, Message] | None:
    """A dead letter's handler and message."""
    row = (await connection.execute(GET, {"id": letter_id})).mappings().first()
    if row is None:
        return None
    headers = tuple((name, value.encode("latin-1")) for name, value in row["headers"])
    return row["handler"], Message(row["topic"], row["partition"], row["offset"], row["key"], headers, row["value"])


async def mark_replayed(connection: AsyncConnection, letter_id: UUID, now: datetime) -> None:
    """Remember that a letter was handled after all. Of two that replay it at once, one waits for the other here.

    Raises:
        AlreadyReplayedError: it was replayed before.
    """
    if (await connection.execute(MARK_REPLAYED, {"id": letter_id, "now": now})).first() is None:
        raise AlreadyReplayedError(f"the dead letter {letter_id} was replayed before")
