"""Files by path, in the same store as the objects: for what other programs are to find by its place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore

from pelton.objects import open_store
from pelton.objects.names import ObjectNotFoundError


class Files:
    """Files that are written once under a path of their own, and never changed.

    Programs that read from disk get them by `on_disk`: in place where the store is a local folder, and otherwise as a
    copy in the folder `copies`, which holds what is still in the store and was asked for.
    """

    def __init__(self, url: str, copies: Path) -> None:
        self.url = url
        self._store = open_store(url)
        parts = urlsplit(url)
        self._root = Path(unquote(parts.path)) if parts.scheme == "file" else None
        self._copies = copies

    async def put(self, path: str, data: bytes) -> None:
        """Store a file: it appears whole or not at all."""
        await obstore.put_async(self._store, path, data)

    async def get(self, path: str) -> bytes:
        """A file's bytes.

        Raises:
            ObjectNotFoundError: there is none.
        """
        try:
            return bytes(await (await obstore.get_async(self._store, path)).bytes_async())
        except FileNotFoundError:
            raise self._not_found(path) from None

    async def on_disk(self, path: str) -> Path:
        """A file as one of this machine.

        Raises:
            ObjectNotFoundError: there is none.
        """
        place = (self._root or self._copies) / path
        if not place.exists():
            if self._root is not None:
                raise self._not_found(path)
            await asyncio.to_thread(_write, place, await self.get(path))
        return place

    async def delete(self, path: str) -> None:
        """Delete a file and its copy here; what is not there is deleted already."""
        with suppress(FileNotFoundError):
            await obstore.delete_async(self._store, path)
        (self._copies / path).unlink(missing_ok=True)

    async def paths(self, folder: str) -> AsyncIterator[str]:
        """The path of every file under a folder, in no particular order."""
        async for batch in obstore.list(self._store, prefix=folder):
            for meta in batch:
                yield str(meta["path"])

    def _not_found(self, path: str) -> ObjectNotFoundError:
        return ObjectNotFoundError(
            f"{path} is not in the object store {self.url}: it was deleted there, or the store is another one"
        )


def _write(copy: Path, data: bytes) -> None:
    """Write a copy beside its place and move it there: who looks sees all of it or nothing."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    draft = copy.with_name(f".{copy.name}.{id(data):x}")
    draft.write_bytes(data)
    draft.replace(copy)
