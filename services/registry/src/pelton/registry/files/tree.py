"""Files by path, as MLflow's clients see them: written whole or not at all, and kept while a version is in use."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Self

import asyncpg

from pelton.contracts.values import Digest
from pelton.eventkit.clock import Clock
from pelton.objects import Draft, Objects
from pelton.registry.files import store
from pelton.registry.files.paths import folders_of, parse
from pelton.registry.files.store import FileRow

AREA = "files"
"""Where in the object store the contents of files are: apart, since the collector deletes only what it knows all of."""


class UnknownFileError(LookupError):
    """There is no such file."""


class PathTakenError(Exception):
    """A file cannot be where a folder is, nor a folder where a file is."""


class FileKeptError(Exception):
    """A version in staging or production is made of what would change."""


@dataclass(frozen=True, slots=True)
class Child:
    """What lies directly in a folder; a folder has no size."""

    name: str
    size: int | None

    @property
    def is_folder(self) -> bool:
        """Whether more lies under it."""
        return self.size is None


@dataclass(frozen=True, slots=True)
class FileTree:
    """The files, on their table and their area of the object store. Paths may be anything that somebody sent.

    Every method that takes a path raises `InvalidPathError` for one that can name no file.
    """

    pool: asyncpg.Pool
    area: Objects
    clock: Clock

    @classmethod
    def of(cls, pool: asyncpg.Pool, objects: Objects, clock: Clock) -> Self:
        """The files of an object store."""
        return cls(pool, objects.within(AREA), clock)

    async def write(self, path: str, pieces: AsyncIterable[bytes], actor: str) -> FileRow:
        """Give a path the content that comes; it has the old one, or none, until all of the new one has come.

        Raises:
            PathTakenError: a folder is there, or the path leads through a file.
            FileKeptError: a version in use is made of it.
        """
        parse(path)
        async with self.pool.acquire() as connection:
            await self._check_writable(connection, path)  # before hours of upload are in vain
        async with self.area.draft(pieces) as draft:
            return await self.adopt(path, draft, actor)

    async def adopt(self, path: str, draft: Draft, actor: str) -> FileRow:
        """Give a path the content of a draft.

        Raises:
            PathTakenError, FileKeptError: as `write`.
        """
        await self.keep(draft)
        async with self.pool.acquire() as connection, connection.transaction():
            await store.lock(connection, path)
            await self._check_writable(connection, path)
            await store.save(connection, path, draft.digest, draft.size, actor, self.clock())
        return FileRow(path, draft.digest, draft.size)

    async def keep(self, draft: Draft) -> None:
        """Keep a draft's content, which is then to be needed by something within the collector's grace."""
        # The collector looks at what is noted here: noted first, and the object put then, none is taken from a path.
        await store.touch(self.pool, draft.digest, draft.size, self.clock())
        await draft.keep()

    async def find(self, path: str) -> FileRow:
        """The file of a path.

        Raises:
            UnknownFileError: there is none.
        """
        parse(path)
        found = await store.find(self.pool, path)
        if found is None:
            raise UnknownFileError(f"no file is at {path!r}")
        return found

    def read(self, digest: Digest) -> AsyncIterator[bytes]:
        """A content by pieces; the last one comes only once all were found to be right (`Objects.stream`)."""
        return self.area.stream(digest)

    async def children(self, folder: str) -> Sequence[Child]:
        """What lies directly in a folder, by name; nothing in a file. The root is the empty text."""
        if folder:
            parse(folder)
        found = await store.children(self.pool, folder)
        return sorted((Child(name, size) for name, size in found), key=lambda child: child.name)

    async def delete(self, path: str) -> int:
        """Take away a file, or all that lies under a folder; returns how many files. Nothing there is nothing to do.

        Raises:
            FileKeptError: a version in use is made of some of it.
        """
        parse(path)
        async with self.pool.acquire() as connection, connection.transaction():
            await store.lock(connection, path)
            await self._check_kept(connection, path)
            return await store.delete(connection, path)

    async def _check_writable(self, connection: asyncpg.Connection, path: str) -> None:
        if (file := await store.file_among(connection, folders_of(path))) is not None:
            raise PathTakenError(f"{file!r} is a file, so nothing can lie under it; delete it, or choose another path")
        if await store.is_folder(connection, path):
            raise PathTakenError(f"{path!r} is a folder; delete it, or choose another path for the file")
        await self._check_kept(connection, path)

    async def _check_kept(self, connection: asyncpg.Connection, path: str) -> None:
        if (keeper := await store.keeper(connection, path)) is not None:
            raise FileKeptError(
                f"{path!r} belongs to {keeper.model} version {keeper.version}, which is in {keeper.stage}; log the "
                "change as a new version, or archive that version first"
            )
