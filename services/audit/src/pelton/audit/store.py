"""The SQL of the log."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.audit.domain import Claim, Sighting
from pelton.ledger.entry import Record, decode
from pelton.ledger.merkle import Frontier

COLUMNS = (
    "index", "leaf_hash", "entry", "topic", "partition", "offset", "event_id", "type", "subject", "source",
    "position", "causation_id", "correlation_id", "time",
)  # fmt: skip
_SELECTED = ", ".join(f'entries."{name}"' for name in COLUMNS)

BEGIN = text("INSERT INTO log (frontier) VALUES (:frontier) ON CONFLICT DO NOTHING")
LOCK = text("SELECT frontier FROM log FOR UPDATE")
EDGE = text("SELECT frontier, archived FROM log")
MOVE = text("UPDATE log SET frontier = :frontier")
ARCHIVED = text("UPDATE log SET archived = :archived")
KNOWN = text("""
    SELECT source, position, leaf_hash FROM entries
    JOIN unnest(CAST(:sources AS text[]), CAST(:positions AS bigint[])) AS asked (source, position)
    USING (source, position)
""")
ADD_OVERSIZED = text("""
    INSERT INTO oversized (index, key, headers, value) VALUES (:index, :key, CAST(:headers AS jsonb), :value)
""")
OVERSIZED = text("SELECT key, headers, value FROM oversized WHERE index = :index")
VERSION = text("SELECT coalesce(max(version), 0) FROM events WHERE stream = :stream")

LEAVES = text("SELECT leaf_hash FROM entries WHERE index >= :start AND index < :end ORDER BY index")
RAW = text("SELECT entry FROM entries WHERE index >= :start AND index < :end ORDER BY index")
PLACES = text('SELECT topic, partition, "offset" FROM entries WHERE index = :index')
RANGE = text(f"SELECT {_SELECTED} FROM entries WHERE index >= :start ORDER BY index LIMIT :limit")  # noqa: S608
BY_EVENT = text(f"SELECT {_SELECTED} FROM entries WHERE event_id = :event_id ORDER BY index LIMIT 1")  # noqa: S608
CAUSED_BY = text(f"""
    SELECT {_SELECTED} FROM entries
    WHERE causation_id = ANY(CAST(:causes AS text[])) AND index < :before ORDER BY index
""")  # noqa: S608
FILTERS = "(CAST(:type AS text) IS NULL OR type = :type) AND (CAST(:subject AS text) IS NULL OR subject = :subject)"
OLDEST = text(f"SELECT {_SELECTED} FROM entries WHERE {FILTERS} AND index > :after ORDER BY index LIMIT :limit")  # noqa: S608
NEWEST = text(f"SELECT {_SELECTED} FROM entries WHERE {FILTERS} AND index < :after ORDER BY index DESC LIMIT :limit")  # noqa: S608

SEALED = text("SELECT size, root, note FROM checkpoints ORDER BY size DESC LIMIT 1")
CHECKPOINTS = text("SELECT size, note FROM checkpoints WHERE size > :after ORDER BY size LIMIT :limit")
HAS_NEWS = text("SELECT EXISTS (SELECT FROM entries WHERE index >= :size AND type <> :own)")
SEAL = text("INSERT INTO checkpoints (size, root, note, sealed_at) VALUES (:size, :root, :note, :sealed_at)")
ONE_SEALER = text("SELECT pg_try_advisory_xact_lock(:key)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the log. `entry` are the bytes that `leaf_hash` was made of; the rest is an index over them."""

    index: int
    leaf_hash: bytes
    entry: bytes
    topic: str
    partition: int
    offset: int
    event_id: UUID
    type: str
    subject: str
    source: str
    position: int
    causation_id: str | None
    correlation_id: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Sealed:
    """The newest checkpoint."""

    size: int
    root: bytes
    note: str


async def begin(connection: AsyncConnection) -> None:
    """Start an empty log, unless there is one."""
    await connection.execute(BEGIN, {"frontier": Frontier().to_bytes()})


async def lock(connection: AsyncConnection) -> Frontier:
    """The right edge of the log; whoever else appends waits until this transaction ends."""
    return Frontier.from_bytes((await connection.execute(LOCK)).scalar_one())


async def edge(connection: AsyncConnection) -> tuple[Frontier, int]:
    """The right edge of the log, and how many bundles are in the archive."""
    row = (await connection.execute(EDGE)).one()
    return Frontier.from_bytes(row.frontier), row.archived


async def known(connection: AsyncConnection, claims: Iterable[Claim]) -> dict[Claim, bytes]:
    """The leaf hashes of those claims that are in the log."""
    asked = list(claims)
    values = {"sources": [source for source, _ in asked], "positions": [position for _, position in asked]}
    rows = (await connection.execute(KNOWN, values)).all()
    return {(row.source, row.position): row.leaf_hash for row in rows}


async def append(connection: AsyncConnection, frontier: Frontier, entries: Sequence[tuple[int, Sighting]]) -> None:
    """Add entries and move the right edge; the log must be locked."""
    # COPY inside the transaction that lock() began on this very connection.
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101 - the connection is in use
    await driver.copy_records_to_table("entries", records=[_row(*one) for one in entries], columns=COLUMNS)
    large = [_oversized_row(index, one.record) for index, one in entries if one.is_oversized]
    if large:
        await connection.execute(ADD_OVERSIZED, large)
    await connection.execute(MOVE, {"frontier": frontier.to_bytes()})


async def version(connection: AsyncConnection, stream: str) -> int:
    """How many facts a stream has."""
    return int((await connection.execute(VERSION, {"stream": stream})).scalar_one())


async def leaves(connection: AsyncConnection, start: int, end: int) -> list[bytes]:
    """The leaf hashes of a range of the log."""
    return list((await connection.execute(LEAVES, {"start": start, "end": end})).scalars())


async def raw(connection: AsyncConnection, start: int, end: int) -> list[bytes]:
    """The entries of a range of the log."""
    return list((await connection.execute(RAW, {"start": start, "end": end})).scalars())


async def place(connection: AsyncConnection, index: int) -> tuple[str, int, int]:
    """Topic, partition and offset of an entry."""
    row = (await connection.execute(PLACES, {"index": index})).one()
    return row.topic, row.partition, row.offset


async def page(connection: AsyncConnection, start: int, limit: int) -> list[Entry]:
    """The entries from an index on."""
    return _entries((await connection.execute(RANGE, {"start": start, "limit": limit})).mappings().all())


async def by_event(connection: AsyncConnection, event_id: UUID) -> Entry | None:
    """The entry of a fact."""
    found = _entries((await connection.execute(BY_EVENT, {"event_id": event_id})).mappings().all())
    return found[0] if found else None


async def caused_by(connection: AsyncConnection, causes: Iterable[str], before: int) -> list[Entry]:
    """The facts that some of these led straight to, up to an index."""
    values = {"causes": list(causes), "before": before}
    return _entries((await connection.execute(CAUSED_BY, values)).mappings().all())


async def search(
    connection: AsyncConnection, *, kind: str | None, subject: str | None, after: int | None, newest: bool, limit: int
) -> list[Entry]:
    """Facts of a type and about a subject, in the order of the log or against it."""
    start = after if after is not None else 2**62 if newest else -1
    values = {"type": kind, "subject": subject, "after": start, "limit": limit}
    return _entries((await connection.execute(NEWEST if newest else OLDEST, values)).mappings().all())


async def record_of(connection: AsyncConnection, entry: Entry) -> Record:
    """The record behind an entry, also where the entry is only its digest."""
    content = decode(entry.entry)
    if isinstance(content, Record):
        return content
    row = (await connection.execute(OVERSIZED, {"index": entry.index})).one()
    headers = tuple((name, None if value is None else bytes.fromhex(value)) for name, value in row.headers)
    return Record(entry.topic, row.key, headers, row.value)


async def sealed(connection: AsyncConnection) -> Sealed | None:
    """The newest checkpoint."""
    row = (await connection.execute(SEALED)).first()
    return Sealed(row.size, row.root, row.note) if row else None


async def checkpoints(connection: AsyncConnection, after: int, limit: int) -> list[dict[str, Any]]:
    """The checkpoints of more than so many entries, by size."""
    rows = (await connection.execute(CHECKPOINTS, {"after": after, "limit": limit})).all()
    return [{"size": row.size, "note": row.note} for row in rows]


async def has_news(connection: AsyncConnection, size: int, own: str) -> bool:
    """Whether there are entries beyond a size that are not of this type."""
    return bool((await connection.execute(HAS_NEWS, {"size": size, "own": own})).scalar_one())


async def seal(connection: AsyncConnection, sealed: Sealed, now: datetime) -> None:
    """Keep a checkpoint."""
    values = {"size": sealed.size, "root": sealed.root, "note": sealed.note, "sealed_at": now}
    await connection.execute(SEAL, values)


async def may_seal(connection: AsyncConnection, key: int) -> bool:
    """Whether this transaction is the only one that seals; it is let go with the transaction."""
    return bool((await connection.execute(ONE_SEALER, {"key": key})).scalar_one())


async def set_archived(connection: AsyncConnection, bundles: int) -> None:
    """Remember how many bundles are in the archive."""
    await connection.execute(ARCHIVED, {"archived": bundles})


def _row(index: int, one: Sighting) -> tuple[object, ...]:
    about, place = one.envelope, one.place
    return (
        index, one.leaf_hash, one.entry, place.topic, place.partition, place.offset, about.id, about.type,
        about.subject, about.source, about.position, about.causation_id, about.correlation_id, about.time,
    )  # fmt: skip


def _oversized_row(index: int, record: Record) -> dict[str, object]:
    headers = [[name, None if value is None else value.hex()] for name, value in record.headers]
    return {"index": index, "key": record.key, "headers": json.dumps(headers), "value": record.value}


def _entries(rows: Iterable[RowMapping]) -> list[Entry]:
    return [Entry(**row) for row in rows]
