"""The quarantine's table: records that were set aside, whole, until they are replayed or discarded."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.feature.validation import Fault

Status = Literal["waiting", "replayed", "discarded"]
Place = tuple[datetime, UUID]
"""When a record was set aside, and its id: the order of the quarantine."""

_STATUSES: Final = {
    "waiting": "replayed_at IS NULL AND discarded_at IS NULL",
    "replayed": "replayed_at IS NOT NULL",
    "discarded": "discarded_at IS NOT NULL",
}
_SELECTED = """
    source = :source AND (CAST(:reason AS text) IS NULL OR :reason = ANY(reasons))
    AND (CAST(:event_id AS text) IS NULL OR event_id = :event_id)
"""
_RECORD = """
    id, source, event_id, origin, raw, faults, reasons, source_digest, received_at, replayed_at, discarded_at,
    settled_by, discard_reason
"""

ADD = text("""
    INSERT INTO quarantine (id, source, event_id, origin, raw, faults, reasons, source_digest, received_at)
    SELECT id, :source, event_id, origin, raw, CAST(faults AS jsonb), string_to_array(reasons, chr(31)), digest, :now
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:event_ids AS text[]), CAST(:origins AS text[]), CAST(:raws AS bytea[]),
        CAST(:faults AS text[]), CAST(:reasons AS text[]), CAST(:digests AS text[])
    ) AS given (id, event_id, origin, raw, faults, reasons, digest)
    ON CONFLICT (origin) DO NOTHING RETURNING id
""")
ONE = text(f"SELECT {_RECORD} FROM quarantine WHERE id = :id")  # noqa: S608 - of this module's own words
COUNTS = text(f"SELECT source, count(*) AS waiting FROM quarantine WHERE {_STATUSES['waiting']} GROUP BY source")  # noqa: S608
REASONS = text(f"""
    SELECT reason, count(*) AS waiting FROM quarantine, unnest(reasons) AS reason
    WHERE source = :source AND {_STATUSES["waiting"]} GROUP BY reason ORDER BY reason
""")  # noqa: S608
MARK_REPLAYED = text(f"""
    UPDATE quarantine SET replayed_at = :now, settled_by = :actor WHERE id = ANY(:ids) AND {_STATUSES["waiting"]}
""")  # noqa: S608
DISCARD = text(f"""
    UPDATE quarantine SET discarded_at = :now, settled_by = :actor, discard_reason = :why
    WHERE {_STATUSES["waiting"]} AND id = ANY(:ids) RETURNING id
""")  # noqa: S608
DISCARD_ALL = text(f"""
    UPDATE quarantine SET discarded_at = :now, settled_by = :actor, discard_reason = :why
    WHERE {_STATUSES["waiting"]} AND {_SELECTED} RETURNING id
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record for the quarantine. `origin` is where it came from, and makes it unique.

    `source_digest` is the version of the source, and so of its rules, that the record does not keep.
    """

    id: UUID
    source: str
    event_id: str
    origin: str
    raw: bytes
    faults: Sequence[Fault]
    source_digest: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Records of a source: those with a reason, a rule or field that they were set aside for, or with an event id."""

    source: str
    reason: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was set aside, and what became of it."""

    id: UUID
    source: str
    event_id: str
    origin: str
    raw: bytes
    faults: list[dict[str, str]]
    reasons: list[str]
    source_digest: str
    received_at: datetime
    replayed_at: datetime | None
    discarded_at: datetime | None
    settled_by: str | None
    discard_reason: str | None

    @property
    def status(self) -> Status:
        """Whether it waits, or how it left."""
        return "replayed" if self.replayed_at else "discarded" if self.discarded_at else "waiting"

    @property
    def place(self) -> Place:
        """Where it is in the order of the quarantine."""
        return self.received_at, self.id


async def add(connection: AsyncConnection, rejected: Sequence[Rejected], now: datetime) -> list[Rejected]:
    """Keep records of one source aside; returns those that were not there yet."""
    if not rejected:
        return []
    values = {
        "source": rejected[0].source,
        "ids": [one.id for one in rejected],
        "event_ids": [one.event_id for one in rejected],
        "origins": [one.origin for one in rejected],
        "raws": [one.raw for one in rejected],
        "faults": [json.dumps([fault.told() for fault in one.faults]) for one in rejected],
        "reasons": [chr(31).join(dict.fromkeys(fault.reason for fault in one.faults)) for one in rejected],
        "digests": [one.source_digest for one in rejected],
        "now": now,
    }
    new = {row.id for row in (await connection.execute(ADD, values)).all()}
    return [one for one in rejected if one.id in new]


async def page(
    connection: AsyncConnection,
    selection: Selection,
    status: Status | None,
    *,
    limit: int,
    after: Place | None = None,
    newest_first: bool = False,
) -> list[Record]:
    """Records in the order in which they were set aside, after a place in it."""
    order, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
    conditions = [_SELECTED]
    if status is not None:
        conditions.append(_STATUSES[status])
    if after is not None:
        conditions.append(f"(received_at, id) {beyond} (:received_at, :id)")
    query = text(
        f"SELECT {_RECORD} FROM quarantine WHERE {' AND '.join(conditions)} "  # noqa: S608 - of this module's own words
        f"ORDER BY received_at {order}, id {order} LIMIT :limit"
    )
    values: dict[str, Any] = _values(selection) | {"limit": limit}
    if after is not None:
        values |= {"received_at": after[0], "id": after[1]}
    return [Record(**row) for row in (await connection.execute(query, values)).mappings()]


async def one(connection: AsyncConnection, record_id: UUID) -> Record | None:
    """A record by its id."""
    row = (await connection.execute(ONE, {"id": record_id})).mappings().first()
    return None if row is None else Record(**row)


async def mark_replayed(connection: AsyncConnection, ids: Sequence[UUID], actor: str, now: datetime) -> None:
    """Remember that records which waited were taken in after all."""
    await connection.execute(MARK_REPLAYED, {"ids": list(ids), "actor": actor, "now": now})


async def discard(connection: AsyncConnection, ids: Sequence[UUID], actor: str, why: str, now: datetime) -> int:
    """Let records that waited be, with the reason; they are kept. Returns how many these were."""
    values = {"ids": list(ids), "actor": actor, "why": why, "now": now}
    return len((await connection.execute(DISCARD, values)).all())


async def discard_all(connection: AsyncConnection, selection: Selection, actor: str, why: str, now: datetime) -> int:
    """Let all records of a selection be that waited; returns how many these were."""
    values = _values(selection) | {"actor": actor, "why": why, "now": now}
    return len((await connection.execute(DISCARD_ALL, values)).all())


async def counts(connection: AsyncConnection) -> dict[str, int]:
    """How many records of each source wait."""
    return {row.source: row.waiting for row in (await connection.execute(COUNTS)).all()}


async def reasons(connection: AsyncConnection, source: str) -> dict[str, int]:
    """How many records of a source wait, by each reason that they were set aside for."""
    return {row.reason: row.waiting for row in (await connection.execute(REASONS, {"source": source})).all()}


def _values(selection: Selection) -> dict[str, Any]:
    return {"source": selection.source, "reason": selection.reason, "event_id": selection.event_id}
