"""Shows in the table of signatures which versions wait for theirs, and what was signed."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.registry import (
    ModelVersionChanged,
    ModelVersionCreated,
    ModelVersionDeleted,
    ModelVersionLogged,
    ModelVersionSigned,
    RegisteredModelDeleted,
)
from pelton.contracts.values import Artifact
from pelton.registry.signing import store
from pelton.registry.store import StoredFact, write


async def project(connection: AsyncConnection, stored: StoredFact) -> None:
    """Show one fact."""
    match stored.fact:
        case ModelVersionCreated() as fact:
            await _wait(connection, stored, fact.version.version, fact.version.artifact)
        case (ModelVersionLogged() | ModelVersionChanged()) as fact if fact.artifact is not None:
            await _wait(connection, stored, fact.version, fact.artifact)
        case ModelVersionSigned() as fact:
            await write(
                connection,
                store.SAVE,
                key=stored.key,
                version=fact.version,
                artifact=fact.artifact,
                signature=fact.signature.digest,
                provenance=fact.provenance.digest,
                key_id=fact.key_id,
                signed_at=stored.time,
            )
        case (ModelVersionChanged() | ModelVersionDeleted()) as fact:
            await write(connection, store.FORGET_VERSION, key=stored.key, version=fact.version)
        case RegisteredModelDeleted():
            await write(connection, store.FORGET_MODEL, key=stored.key)
        case _:
            return


async def _wait(connection: AsyncConnection, stored: StoredFact, version: int, artifact: Artifact) -> None:
    await write(
        connection,
        store.WAIT,
        key=stored.key,
        version=version,
        artifact=artifact.digest,
        event_id=stored.id,
        correlation_id=stored.correlation_id,
    )
