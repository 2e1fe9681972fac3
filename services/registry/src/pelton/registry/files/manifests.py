"""Manifests: what a version's source held when it became one, as a list of files by content."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.canonical import canonical_json, sha256
from pelton.contracts.values import Artifact, Digest
from pelton.eventkit import driver
from pelton.objects import Objects
from pelton.registry.files.paths import of_location
from pelton.registry.files.tree import AREA

FORMAT: Final = "file-manifest"

# The share lock keeps the collector from a content until the manifest that needs it is committed.
FILES_AT = text("""
    SELECT files.path, files.digest, files.size FROM files JOIN contents USING (digest)
    WHERE files.path = :path OR (files.path >= :path || '/' AND files.path < :path || '0')
    ORDER BY files.path FOR SHARE OF contents
""")
# The share lock of a manifest that is known, or else the row of a new one, with what it lists.
KEEP = text("""
    WITH known AS MATERIALIZED (SELECT digest FROM contents WHERE digest = :manifest FOR SHARE),
    made AS (
        INSERT INTO contents (digest, size, put_at)
        SELECT :manifest, :size, now() WHERE NOT EXISTS (SELECT FROM known)
        ON CONFLICT (digest) DO UPDATE SET put_at = now()
        RETURNING digest
    ),
    listed AS (
        INSERT INTO manifest_contents (manifest, digest)
        SELECT DISTINCT made.digest, one FROM made, unnest(CAST(:digests AS text[])) AS one
        ON CONFLICT DO NOTHING
    )
    SELECT digest FROM known
""")

MANIFESTS_WITH = text("SELECT DISTINCT manifest FROM manifest_contents WHERE digest = :digest OR manifest = :digest")


class Entry(msgspec.Struct, frozen=True):
    """One file of a manifest; its path is from where the manifest begins."""

    path: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files under a location, by path in the order of bytes. The same files are the same manifest, anywhere."""

    files: Sequence[Entry]

    def to_bytes(self) -> bytes:
        """Canonical JSON: `{"files": [{"digest", "path", "size"}, …]}`."""
        return canonical_json({"files": [msgspec.to_builtins(one) for one in self.files]})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: it is no manifest.
        """
        return cls(msgspec.json.decode(data, type=_Document).files)


class _Document(msgspec.Struct):
    files: list[Entry]


async def manifest(connection: AsyncConnection, objects: Objects, location: str) -> Artifact | None:
    """The manifest of what lies at an artifact location now, stored; None where nothing lies there.

    It is the artifact that a version made of the location has: as long as the caller's transaction, and then the
    version, lasts, the collector leaves the manifest and every content in it alone.

    Raises:
        InvalidPathError: the location names no place of files.
    """
    path = of_location(location)
    rows = await driver.fetch(connection, FILES_AT, {"path": path}) if path else []
    if path is None or not rows:
        return None
    start = len(path) + 1
    # a location that is a file itself is a manifest of one, under its own name
    entries = [Entry(row["path"][start:] or path.rpartition("/")[2], row["digest"], row["size"]) for row in rows]
    data = Manifest(entries).to_bytes()
    artifact = Artifact(digest=sha256(data), size=len(data), format=FORMAT)
    digests = [one.digest for one in entries]
    kept = {"manifest": artifact.digest, "size": artifact.size, "digests": digests}
    if await driver.fetch_row(connection, KEEP, kept) is None:
        await objects.within(AREA).put(data)
    return artifact


async def read_manifest(objects: Objects, digest: Digest) -> Manifest:
    """A stored manifest.

    Raises:
        ObjectNotFoundError, CorruptObjectError: as `Objects.get`.
        ValueError: the digest is another object's.
    """
    return Manifest.from_bytes(await objects.within(AREA).get(digest))


async def manifests_with(connection: AsyncConnection, digest: Digest) -> list[Digest]:
    """The manifests that list a content, or that are it."""
    return list((await connection.execute(MANIFESTS_WITH, {"digest": digest})).scalars().all())
