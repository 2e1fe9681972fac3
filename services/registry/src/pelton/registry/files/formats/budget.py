"""A budget of bytes that looking into a file may cost: what unpacks to more than it seems is stopped in time."""

import io
from typing import BinaryIO


class TooMuchError(Exception):
    """More would have to be read."""


class Budget:
    """How many bytes may still be read, from one file and those that are packed in it."""

    def __init__(self, size: int) -> None:
        self._left = size

    def spend(self, size: int) -> None:
        """Take so many bytes from the budget.

        Raises:
            TooMuchError: there are not so many left.
        """
        if size > self._left:
            raise TooMuchError
        self._left -= size

    def opened(self, file: BinaryIO) -> BinaryIO:
        """A seekable file, read on this budget."""
        return io.BufferedReader(_Charged(file, self))


class _Charged(io.RawIOBase):
    def __init__(self, file: BinaryIO, budget: Budget) -> None:
        self._file = file
        self._budget = budget

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        self._budget.spend(len(data))
        buffer[: len(data)] = data
        return len(data)
