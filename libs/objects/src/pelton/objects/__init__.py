"""A content-addressed object store: local folders, S3, GCS or Azure by URL.

What is put gets its SHA-256 as its name; what is got is checked against it.
"""

import asyncio
import hashlib
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from pelton.contracts.values import Digest

__all__ = ["CorruptObjectError", "InvalidDigestError", "ObjectNotFoundError", "Objects"]

PIECE: Final = 8 * 1024 * 1024
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")


class ObjectNotFoundError(LookupError):
    """Nothing has this digest in the store."""


class CorruptObjectError(Exception):
    """What the store gave is not what was put."""


class InvalidDigestError(ValueError):
    """Not a digest: `sha256:` and 64 hexadecimal digits."""


class Objects:
    """Objects by the SHA-256 of their bytes, in the store that a URL names (`file:///…`, `s3://…`, `memory://`)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._store = _open(url)

    async def put(self, data: bytes | Path) -> Digest:
        """Store bytes, or what a file holds, and give their digest.

        It appears whole or not at all; what is there already is not written again, unless its size is wrong.
        """
        digest, size = await asyncio.to_thread(_measure, data)
        if await self._stored_size(digest) != size:
            await obstore.put_async(self._store, _path(digest), data)
        return digest

    def put_sync(self, data: bytes | Path) -> Digest:
        """As `put`, for programs without an event loop."""
        digest, _ = _measure(data)
        obstore.put(self._store, _path(digest), data)
        return digest

    async def get(self, digest: Digest) -> bytes:
        """The bytes of a digest, all in memory.

        Raises:
            InvalidDigestError: not a digest.
            ObjectNotFoundError: the store does not have it.
            CorruptObjectError: the store's bytes have another digest.
        """
        path = _path(digest)
        try:
            data = bytes(await (await obstore.get_async(self._store, path)).bytes_async())
        except FileNotFoundError:
            raise self._not_found(digest) from None
        await asyncio.to_thread(_check, digest, data)
        return data

    def get_sync(self, digest: Digest) -> bytes:
        """As `get`, for programs without an event loop."""
        path = _path(digest)
        try:
            data = bytes(obstore.get(self._store, path).bytes())
        except FileNotFoundError:
            raise self._not_found(digest) from None
        _check(digest, data)
        return data

    async def download(self, digest: Digest, path: Path) -> None:
        """Write what a digest names to a file, a piece at a time; the file is there only once it was verified.

        Raises:
            InvalidDigestError, ObjectNotFoundError, CorruptObjectError: as `get`.
        """
        try:
            result = await obstore.get_async(self._store, _path(digest))
        except FileNotFoundError:
            raise self._not_found(digest) from None
        found = hashlib.sha256()
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
            draft = Path(folder) / "object"
            with draft.open("wb") as file:
                async for piece in result.stream(PIECE):
                    await asyncio.to_thread(_take, memoryview(piece), file, found)
            _compare(digest, found.hexdigest())
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

    async def digests(self) -> AsyncIterator[Digest]:
        """Every digest in the store, in no particular order."""
        async for batch in obstore.list(self._store, prefix="sha256"):
            for meta in batch:
                yield "sha256:" + "".join(str(meta["path"]).split("/")[1:])

    async def _stored_size(self, digest: Digest) -> int | None:
        try:
            return int((await obstore.head_async(self._store, _path(digest)))["size"])
        except FileNotFoundError:
            return None

    def _not_found(self, digest: str) -> ObjectNotFoundError:
        return ObjectNotFoundError(
            f"{digest} is not in the object store {self.url}; was it put into another store, or deleted?"
        )


def _open(url: str) -> ObjectStore:
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


def _path(digest: Digest) -> str:
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise InvalidDigestError(f"{digest[:100]!r} is no digest; one is `sha256:` and 64 hexadecimal digits")
    return f"sha256/{match[1][:2]}/{match[1][2:]}"


def _take(piece: memoryview, file: BinaryIO, digest: "hashlib._Hash") -> None:
    file.write(piece)
    digest.update(piece)


def _check(digest: Digest, data: bytes) -> None:
    _compare(digest, hashlib.sha256(data).hexdigest())


def _compare(digest: Digest, found: str) -> None:
    if digest != f"sha256:{found}":
        raise CorruptObjectError(
            f"the object {digest} was changed in the store: its bytes now have the digest sha256:{found}; "
            "restore it from a backup, or make it again and put it"
        )
