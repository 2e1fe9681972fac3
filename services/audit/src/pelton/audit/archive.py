"""The archive: the log's entries in append-only files of 256, named and laid out as C2SP's tlog-tiles names bundles."""

import os
from pathlib import Path

BUNDLE = 256


class ArchiveConflictError(Exception):
    """A bundle is in the archive already, with other bytes."""


class Archive:
    """Whole bundles in a folder. A file, once there, is never written again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, number: int) -> Path:
        """Where a bundle is: three digits a level, all but the last with an `x`, e.g. `x001/234`."""
        digits = [f"{number % 1000:03}"]
        while number := number // 1000:
            digits.insert(0, f"x{number % 1000:03}")
        return self._folder.joinpath(*digits)

    def keep(self, number: int, content: bytes) -> None:
        """Write a bundle; it is on disk when this returns. An equal one that is there already is left alone.

        Raises:
            ArchiveConflictError: another one is there.
            OSError: the folder cannot be written.
        """
        path = self.path(number)
        if path.exists():
            if path.read_bytes() != content:
                raise ArchiveConflictError(f"{path} is not what the log says")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o444), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
