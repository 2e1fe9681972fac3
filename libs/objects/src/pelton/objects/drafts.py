"""Drafts: objects that are stored while they come, before anybody knows their digest."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import obstore
from obstore.store import LocalStore, ObjectStore

from pelton.contracts.values import Digest

DRAFTS: Final = "drafts"


class Measured:
    """Pieces of bytes with the digest and the length of all that were passed on."""

    def __init__(self, pieces: AsyncIterable[bytes]) -> None:
        self.size = 0
        self._pieces = pieces
        self._found = hashlib.sha256()

    @property
    def digest(self) -> Digest:
        """The digest of what was passed on so far."""
        return f"sha256:{self._found.hexdigest()}"

    async def passed_on(self) -> AsyncIterator[bytes]:
        """The pieces, as they come."""
        async for piece in self._pieces:
            self._found.update(piece)
            self.size += len(piece)
            yield piece


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole object that has no name yet, and what its name will be."""

    _store: ObjectStore
    _path: str
    _kept_path: str
    digest: Digest
    size: int

    async def keep(self) -> None:
        """Give the object its digest as its name; whatever had it before, damaged or not, is replaced at once."""
        await obstore.rename_async(self._store, self._path, self._kept_path)


async def forget_drafts(store: ObjectStore, area: str, before: datetime) -> int:
    """Delete the drafts of an area that are older than a time; returns how many."""
    if isinstance(store, LocalStore) and store.prefix is not None:
        # what a killed process had half-written has a name that obstore does not list
        return _forget_files(Path(store.prefix) / area / DRAFTS, before)
    old = [
        str(meta["path"])
        async for batch in obstore.list(store, prefix=area + DRAFTS)
        for meta in batch
        if meta["last_modified"] < before
    ]
    await obstore.delete_async(store, old)
    return len(old)


def _forget_files(folder: Path, before: datetime) -> int:
    old = [
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if datetime.fromtimestamp(path.lstat().st_mtime, UTC) < before
    ]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
