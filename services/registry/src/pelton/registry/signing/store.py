"""The SQL of the signatures: one row for each version's content, and it waits until it is signed."""

from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.fact import fact_class
from pelton.contracts.registry import RunFinished
from pelton.eventkit.envelope import Cause

FORGET = (text("DELETE FROM signatures"),)
WAIT = text("""
    INSERT INTO signatures (key, version, artifact, event_id, correlation_id)
    VALUES (:key, :version, :artifact, :event_id, :correlation_id)
    ON CONFLICT (key, version) DO UPDATE
    SET artifact = EXCLUDED.artifact, event_id = EXCLUDED.event_id, correlation_id = EXCLUDED.correlation_id,
        signature = NULL, provenance = NULL, key_id = NULL, signed_at = NULL
""")
SAVE = text("""
    UPDATE signatures
    SET signature = :signature, provenance = :provenance, key_id = :key_id, signed_at = :signed_at
    WHERE key = :key AND version = :version AND artifact = :artifact
""")
FORGET_VERSION = text("DELETE FROM signatures WHERE key = :key AND version = :version")
FORGET_MODEL = text("DELETE FROM signatures WHERE key = :key")
# Those that the loop trained go first: it waits for them.
WAITING = text("""
    SELECT key, models.model, version, artifact, event_id, correlation_id, definition IS NOT NULL AS trained
    FROM signatures JOIN models USING (key)
    WHERE signature IS NULL AND event_id <> ALL(:without)
    ORDER BY trained DESC, event_id LIMIT :limit
""")
SIGNED = text("""
    SELECT signatures.artifact, signature, provenance, key_id, signed_at,
           versions.details::jsonb #>> '{artifact,format}' AS format
    FROM signatures JOIN models USING (key) JOIN versions USING (model, version)
    WHERE model = :model AND version = :version
""")
FACT_BEFORE = text("""
    SELECT before.type, before.data FROM events AS fact
    JOIN events AS before ON before.stream = fact.stream AND before.version = fact.version - 1
    WHERE fact.id = :event_id
""")


async def waiting(connection: AsyncConnection, without: set[UUID], limit: int) -> list[RowMapping]:
    """Versions that are not signed yet, other than those made by these facts: either such as the loop trained, or not.

    The oldest come first.
    """
    found = (await connection.execute(WAITING, {"without": list(without), "limit": limit})).mappings().all()
    return [row for row in found if row["trained"] == found[0]["trained"]]


async def signed(connection: AsyncConnection, model: str, version: int) -> RowMapping | None:
    """What is known of a version's signature; its columns are empty while it waits."""
    return (await connection.execute(SIGNED, {"model": model, "version": version})).mappings().first()


async def run_before(connection: AsyncConnection, event_id: UUID) -> RunFinished | None:
    """The run that a version came from, which is on record just before the version."""
    row = (await connection.execute(FACT_BEFORE, {"event_id": event_id})).first()
    fact = None if row is None else fact_class(row.type).from_bytes(row.data)
    return fact if isinstance(fact, RunFinished) else None


def cause_of(row: RowMapping) -> Cause:
    """What a signature follows from: the fact that made the version what it is."""
    return Cause(str(row["event_id"]), row["correlation_id"])
