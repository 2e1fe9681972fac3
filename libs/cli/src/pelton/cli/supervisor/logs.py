"""Log files of supervised processes: each line with its process's name, kept from growing without bound."""

from pathlib import Path
from typing import IO

MAX_BYTES = 32 * 1024 * 1024


class LogFile:
    """Appends lines to a file; a full one becomes `<name>.1`, replacing the one before it."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file: IO[bytes] = path.open("ab")

    def write(self, name: str, line: bytes) -> None:
        """Add a line of a process; a disk that is full costs the line, not the platform."""
        try:
            self._file.write(name.encode() + b" | " + line.rstrip(b"\n") + b"\n")
            self._file.flush()
            if self._file.tell() > self._max_bytes:
                self._file.close()
                self._path.replace(self._path.with_suffix(".log.1"))
                self._file = self._path.open("ab")
        except OSError:
            return

    def close(self) -> None:
        """Let the file go."""
        self._file.close()
