"""Sealing what has been logged: a signed checkpoint a second at most, and bundles for the archive."""

import asyncio

import structlog

from pelton.audit import store
from pelton.audit.archive import BUNDLE, Archive, ArchiveConflictError
from pelton.audit.domain import Place, bundle, finding
from pelton.audit.sequencer import report
from pelton.audit.tree import LogTree
from pelton.contracts.audit import CheckpointSealed, TamperingDetected
from pelton.eventkit.database import lock_key
from pelton.eventkit.failures import is_transient
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.ledger.checkpoint import Checkpoint, sign
from pelton.ledger.keys import SigningKey

log = structlog.get_logger(__name__)

LOCK = lock_key("pelton.audit.sealer")
PERIOD_SECONDS = 1.0
SEALED_TYPE = CheckpointSealed.fact_type
BUNDLES_AT_A_TIME = 20


class ForkedLogError(Exception):
    """The log no longer extends what was signed; nothing more is signed until somebody has looked."""


class Sealer:
    """Signs the log's size and root, in one replica at a time.

    It signs only what extends the checkpoint before: a signature cannot be taken back. Its own facts are entries too,
    but none that ask for another checkpoint: an idle log stays as it is.
    """

    def __init__(self, units: Units, key: SigningKey, archive: Archive, tree: LogTree) -> None:
        self._units = units
        self._key = key
        self._archive = archive
        self._tree = tree
        self.forked: str | None = None

    async def run(self) -> None:
        """Seal until cancelled."""
        while True:
            try:
                while await self.archive_next():
                    pass
                await self.seal_next()
                self.forked = None
            except ForkedLogError as error:
                if self.forked is None:
                    log.exception("no checkpoint is signed")
                self.forked = str(error)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("sealing interrupted", reason=str(error) or type(error).__name__)
            await asyncio.sleep(PERIOD_SECONDS)

    async def seal_next(self) -> bool:
        """Seal what is new, and say whether anything was.

        Raises:
            ForkedLogError: the entries do not extend the newest checkpoint.
        """
        async with self._units.begin() as unit:
            if not await store.may_seal(unit.connection, LOCK):
                return False
            last = await store.sealed(unit.connection)
            if not await store.has_news(unit.connection, last.size if last else 0, SEALED_TYPE):
                return False
            checkpoint = await self._next(unit, last)
            note = sign(checkpoint, self._key)
            sealed = store.Sealed(checkpoint.size, checkpoint.root, note)
            await store.seal(unit.connection, sealed, self._units.clock())
            fact = CheckpointSealed(
                origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root.hex(), note=note
            )
            stream = f"checkpoints/{checkpoint.origin}"
            await unit.append_to(stream, [fact], expected=await store.version(unit.connection, stream))
            return True

    async def archive_next(self) -> bool:
        """Archive the next whole bundles, and say whether there were any."""
        async with self._units.begin() as unit:
            if not await store.may_seal(unit.connection, LOCK):
                return False
            frontier, archived = await store.edge(unit.connection)
            whole = min(frontier.size // BUNDLE, archived + BUNDLES_AT_A_TIME)
            for number in range(archived, whole):
                start = number * BUNDLE
                content = bundle(await store.raw(unit.connection, start, start + BUNDLE))
                try:
                    await asyncio.to_thread(self._archive.keep, number, content)
                except ArchiveConflictError as error:
                    await report(unit, [await self._conflict(unit, start, error)])
            await store.set_archived(unit.connection, whole)
            return whole > archived

    async def _next(self, unit: UnitOfWork, last: store.Sealed | None) -> Checkpoint:
        frontier, _ = await store.edge(unit.connection)
        tree = await self._tree.grown(unit.connection, frontier.size)
        if tree.root(frontier.size) != frontier.root:
            raise ForkedLogError(f"the {frontier.size} entries do not have the root of the log's right edge")
        if last is not None and (frontier.size < last.size or tree.root(last.size) != last.root):
            raise ForkedLogError(
                f"the entries do not extend the checkpoint of size {last.size}; run pelton audit verify"
            )
        return Checkpoint(self._key.name, frontier.size, frontier.root)

    async def _conflict(self, unit: UnitOfWork, start: int, error: ArchiveConflictError) -> TamperingDetected:
        place = Place(*await store.place(unit.connection, start))
        return finding(place, f"the archived bundle of entries {start} to {start + BUNDLE - 1}: {error}")
