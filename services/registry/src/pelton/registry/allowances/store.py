"""The SQL of the allowances, and the facts that they are made from."""

from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.registry import ArtifactAllowanceRevoked, ArtifactAllowed
from pelton.contracts.values import Digest
from pelton.registry.store import StoredFact, write

FORGET = (text("DELETE FROM allowed_artifacts"),)
SAVE = text("""
    INSERT INTO allowed_artifacts (digest, reason, actor, time) VALUES (:digest, :reason, :actor, :time)
    ON CONFLICT (digest) DO UPDATE
    SET reason = EXCLUDED.reason, actor = EXCLUDED.actor, time = EXCLUDED.time
""")
REMOVE = text("DELETE FROM allowed_artifacts WHERE digest = :digest")
AMONG = text("SELECT digest FROM allowed_artifacts WHERE digest = ANY(:digests)")
PAGE = text("""
    SELECT digest, reason, actor, time FROM allowed_artifacts
    WHERE digest > :after ORDER BY digest LIMIT :limit
""")


async def project(connection: AsyncConnection, stored: StoredFact) -> None:
    """Show one fact."""
    match stored.fact:
        case ArtifactAllowed() as fact:
            values = {"digest": fact.artifact, "reason": fact.reason, "actor": fact.by, "time": stored.time}
            await write(connection, SAVE, **values)
        case ArtifactAllowanceRevoked() as fact:
            await write(connection, REMOVE, digest=fact.artifact)
        case _:
            return


async def allowed_among(connection: AsyncConnection, digests: Iterable[Digest]) -> frozenset[Digest]:
    """Those of the digests that an administrator answers for."""
    return frozenset((await connection.execute(AMONG, {"digests": list(digests)})).scalars().all())
