"""Uploads of a file in parts, which may come at once and in any order; the file is there once they are put together."""

import uuid
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from pelton.contracts.values import Digest
from pelton.registry.files.paths import parse
from pelton.registry.files.tree import FileTree

MOST_PARTS: Final = 10_000

BEGIN: Final = "INSERT INTO uploads (upload_id, path, actor, parts, created_at) VALUES ($1, $2, $3, $4, $5)"
# The lock lets no part come once the upload is being put together or given up.
FIND: Final = "SELECT path, parts FROM uploads WHERE upload_id = $1 FOR KEY SHARE"
SAVE_PART: Final = """
    INSERT INTO upload_parts (upload_id, number, digest, size) VALUES ($1, $2, $3, $4)
    ON CONFLICT (upload_id, number) DO UPDATE SET digest = EXCLUDED.digest, size = EXCLUDED.size
"""
PARTS: Final = "SELECT number, digest FROM upload_parts WHERE upload_id = $1 ORDER BY number"
END: Final = "DELETE FROM uploads WHERE upload_id = $1"


class UnknownUploadError(LookupError):
    """There is no such upload: it was put together, given up, or left alone for too long."""


class UnfitPartsError(ValueError):
    """The parts are not those of the upload; the message says which."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """Uploads in parts of files in a tree. A part is a content like any other, needed as long as its upload lasts."""

    tree: FileTree

    async def begin(self, path: str, parts: int, actor: str) -> str:
        """Begin an upload of so many parts; returns its id.

        Raises:
            InvalidPathError: the path can name no file.
            UnfitPartsError: there are none, or too many.
        """
        parse(path)
        if not 1 <= parts <= MOST_PARTS:
            raise UnfitPartsError(f"an upload has 1 to {MOST_PARTS} parts, and not {parts}")
        upload_id = uuid.uuid4().hex
        await self.tree.pool.execute(BEGIN, upload_id, path, actor, parts, self.tree.clock())
        return upload_id

    async def put_part(self, upload_id: str, number: int, pieces: AsyncIterable[bytes]) -> Digest:
        """Take one part, the first of which is 1; sent again, it replaces what came before.

        Raises:
            UnknownUploadError: there is no such upload.
            UnfitPartsError: it has no such part.
        """
        await self._check(self.tree.pool, upload_id, number)
        async with self.tree.area.draft(pieces) as draft:
            await self.tree.keep(draft)
            async with self.tree.pool.acquire() as connection, connection.transaction():
                await self._check(connection, upload_id, number)
                await connection.execute(SAVE_PART, upload_id, number, draft.digest, draft.size)
        return draft.digest

    async def complete(self, upload_id: str, path: str, told: Mapping[int, Digest], actor: str) -> None:
        """Put a file together from its parts, each of which the client says to have sent by its digest.

        Raises:
            UnknownUploadError: there is no such upload of this path.
            UnfitPartsError: a part is missing, or is another than the client sent.
            PathTakenError, FileKeptError: as `FileTree.write`.
        """
        found = await self.tree.pool.fetchrow(FIND, upload_id)
        if found is None or found["path"] != path:
            raise UnknownUploadError(_unknown(upload_id))
        rows = await self.tree.pool.fetch(PARTS, upload_id)
        sent = {row["number"]: row["digest"] for row in rows}
        for number in range(1, found["parts"] + 1):
            if number not in sent:
                raise UnfitPartsError(f"part {number} of {found['parts']} has not come; send it again")
            if told.get(number) != sent[number]:
                raise UnfitPartsError(f"part {number} came as {sent[number]}, and not as {told.get(number)}")
        await self.tree.write(path, self._together([sent[number] for number in sorted(sent)]), actor)
        await self.tree.pool.execute(END, upload_id)

    async def abort(self, upload_id: str) -> None:
        """Give an upload up; one that is not there is given up already. Its parts go with the next collection."""
        await self.tree.pool.execute(END, upload_id)

    async def _together(self, parts: Sequence[Digest]) -> AsyncIterator[bytes]:
        for part in parts:
            async for piece in self.tree.read(part):
                yield piece

    async def _check(self, connection: asyncpg.Pool | asyncpg.Connection, upload_id: str, number: int) -> None:
        found = await connection.fetchrow(FIND, upload_id)
        if found is None:
            raise UnknownUploadError(_unknown(upload_id))
        if not 1 <= number <= found["parts"]:
            raise UnfitPartsError(f"the upload has the parts 1 to {found['parts']}, and no part {number}")


def _unknown(upload_id: str) -> str:
    return f"there is no upload {upload_id!r} of this path: it was completed or aborted, or it is too old; begin anew"
