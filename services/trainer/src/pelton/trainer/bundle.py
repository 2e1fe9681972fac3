"""A project's code as it was applied: a zip or tar of its Python files, unpacked where only a worker imports it."""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

MOST_BYTES: Final = 20 * 1024 * 1024
MOST_FILES: Final = 2000


class UnfitBundleError(ValueError):
    """A code bundle that cannot be unpacked, or that must not be."""


def unpack(bundle: bytes, into: Path) -> None:
    """Write the files of a bundle under a folder.

    Raises:
        UnfitBundleError: neither zip nor tar, damaged, too large, or with an entry that is no plain file inside it.
    """
    room = MOST_BYTES
    for count, (name, content) in enumerate(_files(bundle), start=1):
        room -= len(content)
        if count > MOST_FILES or room < 0:
            raise UnfitBundleError(
                f"the code bundle has over {MOST_FILES} files or {MOST_BYTES} bytes: leave data and environments out"
            )
        target = into / _inside(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
        raise UnfitBundleError(f"the code bundle has an entry {name!r}, which would be written outside of its folder")
    return path


def _files(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        if zipfile.is_zipfile(io.BytesIO(bundle)):
            yield from _zipped(bundle)
        else:
            yield from _tarred(bundle)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise UnfitBundleError(f"the code bundle is neither a zip nor a tar that can be read: {error}") from error


def _zipped(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        for entry in archive.infolist():
            if not entry.is_dir():
                with archive.open(entry) as file:
                    yield entry.filename, file.read(MOST_BYTES + 1)


def _tarred(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
        for entry in archive:
            if entry.isdir():
                continue
            file = archive.extractfile(entry) if entry.isfile() else None
            if file is None:
                raise UnfitBundleError(f"the code bundle has {entry.name!r}, which is a link or a device, not a file")
            yield entry.name, file.read(MOST_BYTES + 1)
