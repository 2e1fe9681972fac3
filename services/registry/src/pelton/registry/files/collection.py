"""Garbage collection: what nothing needs any more is really deleted, and nothing else.

The collector deletes only in the files' own area of the object store, and there only what its tables name. A content
is needed by a path, by an unfinished upload, and by the manifest of a version, in whatever stage. Whoever is about to
need one says so first: by a time in `contents` that is committed before the object is put, or by a share lock on its
row until the manifest is committed. The collector takes what is old and not locked, and with its own lock on it looks
once more.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.values import Digest
from pelton.eventkit.failures import is_transient
from pelton.eventkit.unit import Units
from pelton.objects import Objects
from pelton.registry.files.paths import SCHEME
from pelton.registry.files.tree import AREA

log = structlog.get_logger(__name__)

BATCH: Final = 100
EVERY: Final = timedelta(hours=1)
SHOWN: Final = 100

NEEDED: Final = """(
    EXISTS (SELECT FROM files WHERE files.digest = contents.digest)
    OR EXISTS (SELECT FROM upload_parts WHERE upload_parts.digest = contents.digest)
    OR EXISTS (SELECT FROM versions WHERE versions.artifact = contents.digest)
    OR EXISTS (
        SELECT FROM manifest_contents AS held JOIN contents AS listing ON listing.digest = held.manifest
        WHERE held.digest = contents.digest
          AND (listing.put_at >= :before OR EXISTS (SELECT FROM versions WHERE versions.artifact = held.manifest))
    )
)"""
COUNT = text(f"""
    SELECT count(*) AS contents, coalesce(sum(size), 0)::bigint AS bytes,
           (coalesce(array_agg(digest ORDER BY put_at, digest), '{{}}'))[1 : :shown] AS digests
    FROM contents WHERE put_at < :before AND NOT {NEEDED}
""")  # noqa: S608 - a constant
TAKE = text(f"""
    SELECT digest FROM contents WHERE put_at < :before AND NOT {NEEDED}
    ORDER BY put_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - a constant
STILL = text(f"""
    SELECT digest, size FROM contents WHERE digest = ANY(:digests) AND put_at < :before AND NOT {NEEDED}
""")  # noqa: S608 - a constant
DROP = (
    text("DELETE FROM manifest_contents WHERE manifest = ANY(:digests)"),
    text("DELETE FROM contents WHERE digest = ANY(:digests)"),
)
DROP_UPLOADS = text("DELETE FROM uploads WHERE created_at < :before")

DELETED: Final = f"""(
    SELECT substr(place, length('{SCHEME}:/') + 1) AS path FROM (
        SELECT artifact_uri AS place FROM tracked_runs WHERE lifecycle_stage = 'deleted'
        UNION ALL
        SELECT artifact_uri FROM logged_models WHERE lifecycle_stage = 'deleted'
    ) AS places WHERE place ^@ '{SCHEME}:/'
)"""  # noqa: S608 - a constant
RESTORED = text(f"DELETE FROM deleted_places WHERE path NOT IN (SELECT path FROM {DELETED} AS deleted)")  # noqa: S608
NOTE_DELETED = text(f"""
    INSERT INTO deleted_places (path, seen_at) SELECT path, :now FROM {DELETED} AS deleted ON CONFLICT DO NOTHING
""")  # noqa: S608 - a constant
# A version's files stay where its clients look for them, whatever became of the run.
FORGET_FILES = text(f"""
    DELETE FROM files USING deleted_places AS place
    WHERE place.seen_at < :before AND files.path >= place.path || '/' AND files.path < place.path || '0'
      AND NOT EXISTS (
          SELECT FROM versions
          WHERE location = '{SCHEME}:/' || place.path OR location ^@ ('{SCHEME}:/' || place.path || '/')
      )
""")  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class Collected:
    """What was deleted, or would be: files of what was deleted long ago, and contents with some of their digests."""

    files: int
    contents: int
    bytes: int
    digests: Sequence[Digest]


@dataclass(frozen=True, slots=True)
class Collector:
    """Collects what is older than `grace`, and the files of what was deleted longer than `retention` ago.

    Deleted runs and logged models can be restored as long as `retention` lasts, which is counted from when the
    collector first saw them deleted.
    """

    units: Units
    objects: Objects
    grace: timedelta
    retention: timedelta

    async def run(self) -> None:
        """Collect every hour until cancelled; what fails is tried again then."""
        while True:
            try:
                collected = await self.collect()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("collection interrupted", reason=str(error) or type(error).__name__)
            else:
                log.info("collected", files=collected.files, contents=collected.contents, bytes=collected.bytes)
            await asyncio.sleep(EVERY.total_seconds())

    async def preview(self) -> Collected:
        """What `collect` would delete now."""
        now = self.units.clock()
        async with self.units.engine.connect() as connection:
            files = await self._forget_deleted(connection, now)
            row = (await connection.execute(COUNT, {"before": now - self.grace, "shown": SHOWN})).one()
            await connection.rollback()
        return Collected(files, row.contents, row.bytes, row.digests)

    async def collect(self) -> Collected:
        """Delete what nothing needs."""
        now = self.units.clock()
        async with self.units.engine.begin() as connection:
            files = await self._forget_deleted(connection, now)
        contents, size, shown = 0, 0, list[Digest]()
        while taken := await self._take(now - self.grace):
            contents += len(taken)
            size += sum(taken.values())
            shown = (shown + list(taken))[:SHOWN]
        await self.objects.within(AREA).forget_drafts(now - self.grace)
        return Collected(files, contents, size, shown)

    async def _forget_deleted(self, connection: AsyncConnection, now: datetime) -> int:
        await connection.execute(RESTORED)
        await connection.execute(NOTE_DELETED, {"now": now})
        await connection.execute(DROP_UPLOADS, {"before": now - self.grace})
        return (await connection.execute(FORGET_FILES, {"before": now - self.retention})).rowcount

    async def _take(self, before: datetime) -> dict[Digest, int]:
        """Delete some contents; returns them with their sizes."""
        area = self.objects.within(AREA)
        async with self.units.engine.begin() as connection:
            locked = (await connection.execute(TAKE, {"before": before, "limit": BATCH})).scalars().all()
            # The lock came after what the first statement saw: only what a second one sees under it is certain.
            rows = (await connection.execute(STILL, {"before": before, "digests": locked})).all()
            taken = {row.digest: row.size for row in rows}
            # A process that ends in between leaves a row without its object, which the next collection deletes again.
            await asyncio.gather(*(area.delete(digest) for digest in taken))
            for statement in DROP:
                await connection.execute(statement, {"digests": list(taken)})
        return taken
