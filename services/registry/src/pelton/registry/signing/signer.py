"""Signs what waits for a signature, several versions in one transaction."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import RowMapping

from pelton.contracts.registry import ModelVersionSigned, RunFinished
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
from pelton.registry.store import StoredFact, facts_by_id

log = structlog.get_logger(__name__)

SIGNATURE: Final = "model-signature"
STATEMENT: Final = "in-toto-dsse"
CHANNEL: Final = "pelton_outbox"
LOOK_EVERY_SECONDS: Final = 5.0
GATHER_SECONDS: Final = 0.1
"""How long versions gather, so that those made one after the other are signed together."""
MOST: Final = 50
"""How many versions are signed before the first of them is recorded."""
REST: Final = 4.0
"""After versions that no rollout waits for, rest so many times as long as they took: that is a fifth of one core."""


@dataclass(frozen=True, slots=True)
class _Signed:
    """A version with its signature and its statement, as they are to be kept."""

    row: RowMapping
    signature: bytes
    statement: bytes


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
                    await asyncio.sleep(GATHER_SECONDS)
        finally:
            await connection.close(timeout=2)

    async def _sign_all(self) -> None:
        took = await self.sign_some()
        while took is not None:
            await asyncio.sleep(took * REST)
            took = await self.sign_some()

    async def sign_some(self) -> float | None:
        """Sign up to `MOST` versions; returns how many seconds to count for them, None where none waits."""
        async with self.units.engine.connect() as connection:
            rows = await store.waiting(connection, self._unfit, MOST)
            if not rows:
                return None
            made = {one.id: one for one in await facts_by_id(connection, [row["event_id"] for row in rows])}
            runs = {
                row["event_id"]: await store.run_before(connection, row["event_id"]) for row in rows if row["trained"]
            }
        began = time.perf_counter()
        signed = [await self._sign(row, made[row["event_id"]], runs.get(row["event_id"])) for row in rows]
        of_models = defaultdict(list)
        for one in signed:
            if one is not None:
                of_models[one.row["model"]].append(one)
        # One transaction for each model: one for several would wait for a model while it holds another.
        for model, of_model in of_models.items():
            await self._record(model, of_model)
        return 0.0 if rows[0]["trained"] else time.perf_counter() - began

    async def _sign(self, row: RowMapping, stored: StoredFact, run: RunFinished | None) -> _Signed | None:
        fact = stored.fact
        assert isinstance(fact, Made)  # noqa: S101 - only these let a version wait
        try:
            files = await files_of(self.objects, artifact_of(fact))
        except (ObjectNotFoundError, CorruptObjectError) as error:
            self._unfit.add(row["event_id"])
            log.warning("version cannot be signed", model=row["model"], version=row["version"], reason=str(error))
            return None
        provenance = describe(stored, fact, run)

        def sign() -> _Signed:
            return _Signed(row, sign_files(row["model"], files, self.key), sign_provenance(provenance, self.key))

        return await asyncio.to_thread(sign)

    async def _record(self, name: str, signed: Sequence[_Signed]) -> None:
        facts = [await self._keep(one) for one in signed]
        async with self.units.begin() as unit:
            model = await load(unit, name)
            for one, fact in zip(signed, facts, strict=True):
                version = model.versions.get(fact.version)
                # one that was deleted or changed meanwhile waits by itself, as what it is now
                if version is not None and version.artifact == fact.artifact:
                    await record(unit, model, [fact], cause=store.cause_of(one.row))

    async def _keep(self, one: _Signed) -> ModelVersionSigned:
        signature, statement = await self.objects.put(one.signature), await self.objects.put(one.statement)
        return ModelVersionSigned(
            model=one.row["model"],
            version=one.row["version"],
            artifact=one.row["artifact"],
            signature=Artifact(digest=signature, size=len(one.signature), format=SIGNATURE),
            provenance=Artifact(digest=statement, size=len(one.statement), format=STATEMENT),
            key_id=self.key.public.id,
        )


async def files_of(objects: Objects, artifact: Artifact) -> Mapping[str, Digest]:
    """The files that an artifact is, by path: those of its manifest, or itself as `model.<format>`.

    Raises:
        ObjectNotFoundError, CorruptObjectError: the store does not have its manifest.
    """
    if artifact.format != FORMAT:
        return {f"model.{artifact.format}": artifact.digest}
    return {one.path: one.digest for one in (await read_manifest(objects, artifact.digest)).files}
