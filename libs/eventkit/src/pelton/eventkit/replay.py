"""What a replay of a decision reads: facts by their id and records by their offsets, wherever they are kept.

A service offers its replays under the entry point group `pelton.replay`, each under the type of a fact, as a
`Replay`; the auditor loads them by that name and gives them the evidence.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from pelton.contracts.values import OffsetRange

REPLAYS = "pelton.replay"


class Record(NamedTuple):
    """One record as it stands on Kafka."""

    topic: str
    partition: int
    offset: int
    headers: Sequence[tuple[str, bytes]]
    value: bytes


class Evidence(Protocol):
    """The log, to be asked for what a fact refers to."""

    async def fact(self, event_id: str) -> bytes:
        """The payload of a fact.

        Raises:
            LookupError: no fact has this id.
        """
        ...

    async def records(self, ranges: Sequence[OffsetRange]) -> Iterable[Record]:
        """Every record of the ranges, in order of offset within each partition.

        Raises:
            LookupError: some of them are there no longer.
        """
        ...


Replay = Callable[[bytes, Evidence], Awaitable[bytes]]
"""Computes a fact's payload anew from the fact's own inputs and the evidence."""
