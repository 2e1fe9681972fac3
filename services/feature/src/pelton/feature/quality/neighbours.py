"""Values that no two events may have at about the same time. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pelton.contracts.canonical import canonical_json

Value = float | str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """An event that has a value: `value` and `event` are digests of the value and of the event's id."""

    value: bytes
    event: bytes
    time_ms: int


def digest_of(parts: Sequence[Value]) -> bytes:
    """What stands for a value, or several together: 16 bytes, the same in every process."""
    return hashlib.blake2b(canonical_json(list(parts)), digest_size=16).digest()


class Claims:
    """The events that have each value, in the order in which they came."""

    def __init__(self, known: Iterable[Claim]) -> None:
        self._events: dict[bytes, list[Claim]] = defaultdict(list)
        for claim in known:
            self._events[claim.value].append(claim)

    def admits(self, claim: Claim, within_ms: int) -> bool:
        """Whether no other event has the value at a time less than `within_ms` away."""
        return all(
            one.event == claim.event or abs(one.time_ms - claim.time_ms) >= within_ms
            for one in self._events[claim.value]
        )

    def add(self, claim: Claim) -> None:
        """Note that an event has a value."""
        self._events[claim.value].append(claim)
