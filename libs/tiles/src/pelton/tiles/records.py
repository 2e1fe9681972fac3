"""The port that online state is kept behind: records in buckets, changed by atomic commits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Bytes = bytes | memoryview
Address = tuple[bytes, bytes]
"""A bucket, and the name of a record in it. A bucket has 1 to 60 bytes, a name at most 420."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What changes together, or not at all: first the drops, then the puts.

    `expected` has records as they must be before it (None for one that must not be there): a writer that another has
    replaced is told so by them.
    """

    puts: Sequence[tuple[Address, Bytes]] = ()
    drops: Sequence[bytes] = ()
    deletes: Sequence[Address] = ()
    expected: Mapping[Address, bytes | None] = field(default_factory=dict)


class RecordStore(Protocol):
    """Keeps records in buckets. Any number of readers, of whatever process, see whole commits only."""

    def get(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """The record at each address, all as of one commit; None where there is none.

        Raises:
            TilesError: the store cannot be read.
        """

    def scan(self, bucket: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The names and records of a bucket, in the order of the names.

        Raises:
            TilesError: the store cannot be read.
        """

    def commit(self, commit: Commit) -> None:
        """Make the changes, durably.

        Raises:
            StaleWriterError: a record is not as expected; nothing was changed.
            TilesError: the store cannot be written; whether the changes were made is not known.
        """

    def size(self) -> int:
        """How many bytes the store takes, roughly."""

    def close(self) -> None:
        """Let the store go."""
