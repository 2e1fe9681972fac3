"""Log files of supervised processes: each line with its process's name, kept from growing without bound."""

from pathlib import Path
from typing import IO

MAX_BYTES = 32 * 1024 * 1024


class LogFile:
    """Appends lines to a file; a full one becomes `<name>.1`, replacing the one before it."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file: IO[bytes] | None = None

    def write(self, name: str, line: bytes) -> None:
        """Add a line of a process; a disk that is full costs the line, not the platform."""
        try:
            if self._file is None:
                # Without a buffer: what could not be written is gone, and does not fail once more at each later line.
                self._file = self._path.open("ab", buffering=0)
            self._file.write(name.encode() + b" | " + line.rstrip(b"\n") + b"\n")
            if self._file.tell() > self._max_bytes:
                self.close()
                self._path.replace(self._path.with_suffix(".log.1"))
        except OSError:
            self.close()

    def close(self) -> None:
        """Let the file go; a later line opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None
