"""A content-addressed object store: local folders, S3, GCS or Azure by URL.

What is put gets its SHA-256 as its name; what is got is checked against it.
"""

import asyncio
import copy
import hashlib
import tempfile
import uuid
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from pelton.contracts.values import Digest
from pelton.objects.drafts import DRAFTS, Draft, Measured, forget_drafts
from pelton.objects.names import (
    CorruptObjectError,
    InvalidDigestError,
    ObjectNotFoundError,
    check,
    compare,
    path_of,
)

__all__ = ["CorruptObjectError", "Draft", "InvalidDigestError", "ObjectNotFoundError", "Objects", "open_store"]

PIECE: Final = 8 * 1024 * 1024
SMALL: Final = 64 * 1024
"""Bytes that are hashed sooner than a thread is found for it."""


class Objects:
    """Objects by the SHA-256 of their bytes, in the store that a URL names (`file:///…`, `s3://…`, `memory://`)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._store = open_store(url)
        self._area = ""

    def within(self, area: str) -> "Objects":
        """An area of the same store with objects of its own: what is deleted there is missed nowhere else."""
        part = copy.copy(self)
        part._area = f"{self._area}{area}/"  # noqa: SLF001 - one of its own kind
        return part

    async def put(self, data: bytes | Path) -> Digest:
        """Store bytes, or what a file holds, and give their digest.

        It appears whole or not at all; what is there already is not written again, unless its size is wrong.
        """
        small = isinstance(data, bytes) and len(data) <= SMALL
        digest, size = _measure(data) if small else await asyncio.to_thread(_measure, data)
        if await self._stored_size(digest) != size:
            await obstore.put_async(self._store, self._path(digest), data)
        return digest

    def put_sync(self, data: bytes | Path) -> Digest:
        """As `put`, for programs without an event loop."""
        digest, _ = _measure(data)
        obstore.put(self._store, self._path(digest), data)
        return digest

    @asynccontextmanager
    async def draft(self, pieces: AsyncIterable[bytes]) -> AsyncIterator[Draft]:
        """Store what comes a piece at a time, of any length, before its digest is known.

        The draft becomes an object by its `keep`; without that, or when the pieces end in an error, nothing is left.
        """
        path = f"{self._area}{DRAFTS}/{uuid.uuid4().hex}"
        measured = Measured(pieces)
        await obstore.put_async(self._store, path, measured.passed_on())
        try:
            yield Draft(self._store, path, self._path(measured.digest), measured.digest, measured.size)
        finally:
            with suppress(FileNotFoundError):  # kept
                await obstore.delete_async(self._store, path)

    async def forget_drafts(self, before: datetime) -> int:
        """Delete drafts that a process left behind when it was killed, and that were begun before a time."""
        return await forget_drafts(self._store, self._area, before)

    async def get(self, digest: Digest) -> bytes:
        """The bytes of a digest, all in memory.

        Raises:
            InvalidDigestError: not a digest.
            ObjectNotFoundError: the store does not have it.
            CorruptObjectError: the store's bytes have another digest.
        """
        path = self._path(digest)
        try:
            data = bytes(await (await obstore.get_async(self._store, path)).bytes_async())
        except FileNotFoundError:
            raise self._not_found(digest) from None
        if len(data) <= SMALL:
            check(digest, data)
        else:
            await asyncio.to_thread(check, digest, data)
        return data

    def get_sync(self, digest: Digest) -> bytes:
        """As `get`, for programs without an event loop."""
        path = self._path(digest)
        try:
            data = bytes(obstore.get(self._store, path).bytes())
        except FileNotFoundError:
            raise self._not_found(digest) from None
        check(digest, data)
        return data

    async def stream(self, digest: Digest, piece: int = PIECE) -> AsyncIterator[bytes]:
        """The bytes of a digest, about so many at a time.

        The last piece is given only once all of them were found to have the digest: who stops at an error never holds
        the whole.

        Raises:
            InvalidDigestError, ObjectNotFoundError, CorruptObjectError: as `get`.
        """
        try:
            result = await obstore.get_async(self._store, self._path(digest))
        except FileNotFoundError:
            raise self._not_found(digest) from None
        found, held = hashlib.sha256(), b""
        async for view in result.stream(piece):
            if held:
                yield held
            held = bytes(view)
            await asyncio.to_thread(found.update, held)
        compare(digest, found.hexdigest())
        yield held

    async def download(self, digest: Digest, path: Path) -> None:
        """Write what a digest names to a file, a piece at a time; the file is there only once it was verified.

        Raises:
            InvalidDigestError, ObjectNotFoundError, CorruptObjectError: as `get`.
        """
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
            draft = Path(folder) / "object"
            with draft.open("wb") as file:
                async for piece in self.stream(digest):
                    await asyncio.to_thread(file.write, piece)
            draft.replace(path)

    async def exists(self, digest: Digest) -> bool:
        """Whether the store has a digest."""
        return await self._stored_size(digest) is not None

    async def size(self, digest: Digest) -> int:
        """How many bytes a digest names.

        Raises:
            ObjectNotFoundError: the store does not have it.
        """
        size = await self._stored_size(digest)
        if size is None:
            raise self._not_found(digest)
        return size

    async def delete(self, digest: Digest) -> None:
        """Delete an object; one that is not there is deleted already."""
        with suppress(FileNotFoundError):
            await obstore.delete_async(self._store, self._path(digest))

    async def digests(self) -> AsyncIterator[Digest]:
        """Every digest in the store, in no particular order."""
        async for batch in obstore.list(self._store, prefix=f"{self._area}sha256"):
            for meta in batch:
                yield "sha256:" + "".join(str(meta["path"]).split("/")[-2:])

    def _path(self, digest: Digest) -> str:
        return self._area + path_of(digest)

    async def _stored_size(self, digest: Digest) -> int | None:
        try:
            return int((await obstore.head_async(self._store, self._path(digest)))["size"])
        except FileNotFoundError:
            return None

    def _not_found(self, digest: str) -> ObjectNotFoundError:
        return ObjectNotFoundError(
            f"{digest} is not in the object store {self.url}; was it put into another store, or deleted?"
        )


def open_store(url: str) -> ObjectStore:
    """The store that a URL names; a local folder is made where there is none."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        folder = Path(unquote(parts.path))
        folder.mkdir(parents=True, exist_ok=True)
        return LocalStore(str(folder))
    if parts.scheme == "memory":
        return MemoryStore()
    return from_url(url)


def _measure(data: bytes | Path) -> tuple[Digest, int]:
    if isinstance(data, bytes):
        return f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)
    with data.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}", file.tell()
