"""Which files of an artifact could run code in whoever loads it; each content is looked into once."""

import asyncio
import tempfile
from collections.abc import Set as AbstractSet
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.values import Artifact, Digest
from pelton.objects import Objects
from pelton.registry.allowances.store import allowed_among
from pelton.registry.files import formats
from pelton.registry.files.manifests import FORMAT, read_manifest
from pelton.registry.files.tree import AREA

VERDICTS = text("SELECT digest, verdict FROM contents WHERE digest = ANY(:digests) AND verdict IS NOT NULL")
SAVE_VERDICT = text("UPDATE contents SET verdict = :verdict WHERE digest = :digest")


async def unsafe_files(connection: AsyncConnection, objects: Objects, artifact: Artifact) -> tuple[str, ...]:
    """Each file that could run code when somebody loads the artifact, with the reason and its digest.

    What an administrator answers for, the artifact or a file of it, is left out.

    Raises:
        ObjectNotFoundError, CorruptObjectError: the store does not have what the artifact is made of.
    """
    if await allowed_among(connection, [artifact.digest]):
        return ()
    if artifact.format != FORMAT:
        reason = await _look(objects, artifact.digest)
        return () if reason is None else (f"the artifact {reason} ({artifact.digest})",)
    files = (await read_manifest(objects, artifact.digest)).files
    digests = {one.digest for one in files}
    verdicts = await _verdicts(connection, objects, digests)
    allowed = await allowed_among(connection, digests)
    found = []
    for one in files:
        if one.digest in allowed:
            continue
        reason = "is code" if formats.is_code(one.path) else verdicts[one.digest]
        if reason:
            found.append(f"{one.path} {reason} ({one.digest})")
    return tuple(found)


async def _verdicts(connection: AsyncConnection, objects: Objects, digests: AbstractSet[Digest]) -> dict[Digest, str]:
    rows = (await connection.execute(VERDICTS, {"digests": list(digests)})).all()
    verdicts: dict[Digest, str] = {row.digest: row.verdict for row in rows}
    for digest in sorted(digests - verdicts.keys()):
        verdicts[digest] = await _look(objects.within(AREA), digest) or ""
        await connection.execute(SAVE_VERDICT, {"digest": digest, "verdict": verdicts[digest]})
    return verdicts


async def _look(objects: Objects, digest: Digest) -> str | None:
    with tempfile.TemporaryDirectory(prefix="pelton-look-") as folder:
        path = Path(folder) / "file"
        await objects.download(digest, path)
        return await asyncio.to_thread(_why_unsafe, path)


def _why_unsafe(path: Path) -> str | None:
    with path.open("rb") as file:
        return formats.why_unsafe(file)
