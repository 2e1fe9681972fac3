"""Signs what waits for a signature, one version at a time."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import RowMapping

from pelton.contracts.registry import ModelVersionCreated, ModelVersionSigned
from pelton.contracts.values import Artifact, Digest
from pelton.eventkit.unit import Units
from pelton.objects import CorruptObjectError, ObjectNotFoundError, Objects
from pelton.provenance import SigningKey
from pelton.provenance.signatures import sign_files
from pelton.provenance.statements import sign_provenance
from pelton.registry.commands import load
from pelton.registry.files import FORMAT, read_manifest
from pelton.registry.projections import record
from pelton.registry.signing import store
from pelton.registry.signing.provenance import Made, artifact_of, describe
from pelton.registry.store import facts_by_id

log = structlog.get_logger(__name__)

SIGNATURE: Final = "model-signature"
STATEMENT: Final = "in-toto-dsse"
CHANNEL: Final = "pelton_outbox"
LOOK_EVERY_SECONDS: Final = 5.0
REST: Final = 4.0
"""After a version that no rollout waits for, rest so many times as long as it took: that is a fifth of one core."""


@dataclass
class Signer:
    """Signs versions after they were made, so that who makes them need not wait.

    What is missing or damaged in the object store cannot be signed; it is tried again when the process starts anew.
    """

    units: Units
    objects: Objects
    key: SigningKey
    _unfit: set[UUID] = field(default_factory=set)

    async def run(self, dsn: str) -> None:
        """Sign until cancelled; facts that are appended wake it."""
        appended = asyncio.Event()
        connection = await asyncpg.connect(dsn)
        try:
            await connection.add_listener(CHANNEL, lambda *_: appended.set())
            while True:
                appended.clear()
                await self._sign_all()
                with suppress(TimeoutError):
                    await asyncio.wait_for(appended.wait(), LOOK_EVERY_SECONDS)
        finally:
            await connection.close(timeout=2)

    async def _sign_all(self) -> None:
        took = await self.sign_next()
        while took is not None:
            await asyncio.sleep(took * REST)
            took = await self.sign_next()

    async def sign_next(self) -> float | None:
        """Sign one version; returns how many seconds to count for it, None where none waits."""
        async with self.units.engine.connect() as connection:
            row = await store.waiting(connection, self._unfit)
            if row is None:
                return None
            (stored,) = await facts_by_id(connection, [row["event_id"]])
            run = await store.run_before(connection, row["event_id"])
        began = time.perf_counter()
        fact = stored.fact
        assert isinstance(fact, Made)  # noqa: S101 - only these let a version wait
        try:
            files = await files_of(self.objects, artifact_of(fact))
        except (ObjectNotFoundError, CorruptObjectError) as error:
            self._unfit.add(row["event_id"])
            log.warning("version cannot be signed", model=row["model"], version=row["version"], reason=str(error))
            return 0.0
        provenance = describe(stored, fact, run)
        signature = await asyncio.to_thread(sign_files, row["model"], files, self.key)
        await self._record(row, signature, await asyncio.to_thread(sign_provenance, provenance, self.key))
        return 0.0 if isinstance(fact, ModelVersionCreated) else time.perf_counter() - began

    async def _record(self, row: RowMapping, signature: bytes, statement: bytes) -> None:
        kept = Artifact(digest=await self.objects.put(signature), size=len(signature), format=SIGNATURE)
        stated = Artifact(digest=await self.objects.put(statement), size=len(statement), format=STATEMENT)
        async with self.units.begin(cause=store.cause_of(row)) as unit:
            model = await load(unit, row["model"])
            version = model.versions.get(row["version"])
            if version is None or version.artifact != row["artifact"]:
                return  # it was deleted or changed meanwhile; what it is now waits by itself
            fact = ModelVersionSigned(
                model=row["model"],
                version=row["version"],
                artifact=row["artifact"],
                signature=kept,
                provenance=stated,
                key_id=self.key.public.id,
            )
            await record(unit, model, [fact])


async def files_of(objects: Objects, artifact: Artifact) -> Mapping[str, Digest]:
    """The files that an artifact is, by path: those of its manifest, or itself as `model.<format>`.

    Raises:
        ObjectNotFoundError, CorruptObjectError: the store does not have its manifest.
    """
    if artifact.format != FORMAT:
        return {f"model.{artifact.format}": artifact.digest}
    return {one.path: one.digest for one in (await read_manifest(objects, artifact.digest)).files}
