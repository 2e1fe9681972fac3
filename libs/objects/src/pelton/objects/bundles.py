"""Code bundles: a project's files as one zip or tar. Anybody may have made one, so what it says is not believed."""

import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

MOST_BYTES: Final = 20 * 1024 * 1024
MOST_FILES: Final = 2000


class UnfitBundleError(ValueError):
    """A code bundle that cannot be unpacked, or that must not be."""


def files_of(bundle: bytes) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The files of a bundle with their contents; each path is one inside of the bundle.

    No more is unpacked than `MOST_BYTES` and one file, whatever sizes the archive claims.

    Raises:
        UnfitBundleError: neither zip nor tar, damaged, too large, or with an entry that is no plain file inside it.
    """
    room = MOST_BYTES
    for count, (name, content) in enumerate(_entries(bundle), start=1):
        room -= len(content)
        if count > MOST_FILES or room < 0:
            raise UnfitBundleError(
                f"the code bundle has over {MOST_FILES} files or {MOST_BYTES} bytes: leave data and environments out"
            )
        yield _inside(name), content


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
        raise UnfitBundleError(f"the code bundle has an entry {name!r}, which would be written outside of its folder")
    return path


def _entries(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        if zipfile.is_zipfile(io.BytesIO(bundle)):
            yield from _zipped(bundle)
        else:
            yield from _tarred(bundle)
    # an encrypted entry is a RuntimeError, one that is packed in an unknown way a NotImplementedError
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
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
