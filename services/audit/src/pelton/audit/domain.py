"""What a record of a control topic is to the log: an entry, a copy of one, or evidence that somebody tampered."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge

from pelton.contracts.audit import TamperingDetected
from pelton.eventkit.envelope import Envelope, InvalidEnvelopeError
from pelton.ledger.entry import MAX_ENTRY_BYTES, Record, encode
from pelton.ledger.errors import EntryError
from pelton.ledger.merkle import Frontier, hash_leaf

Claim = tuple[str, int]
"""Source and position: what an owner may say only once."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands on Kafka."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """A fact as it was read: its place, its attributes and its canonical entry."""

    place: Place
    envelope: Envelope
    record: Record
    entry: bytes
    leaf_hash: bytes

    @property
    def claim(self) -> Claim:
        """The position that this fact has among its owner's."""
        return self.envelope.source, self.envelope.position

    @property
    def time(self) -> datetime:
        """When the owner recorded it."""
        return self.envelope.time

    @property
    def is_oversized(self) -> bool:
        """Whether the entry is only a digest, so that the record must be kept beside it."""
        return self.entry[0] != 1


@dataclass(frozen=True, slots=True)
class Sequenced:
    """What a batch did to the log: its new right edge, the entries with their indices, and what was wrong."""

    frontier: Frontier
    entries: Sequence[tuple[int, Sighting]]
    findings: Sequence[TamperingDetected]


def read(place: Place, record: Record) -> Sighting | TamperingDetected:
    """Take a record for a fact of its topic's owner; whatever is none should not stand there."""
    try:
        envelope = Envelope.from_headers((name, value or b"") for name, value in record.headers)
        entry = encode(record)
    except (InvalidEnvelopeError, EntryError) as error:
        return finding(place, f"a record that is no fact: {error}")
    if envelope.topic != place.topic:
        return finding(place, f"a fact {envelope.id} of {envelope.source}, which does not publish here")
    if envelope.position < 1:
        return finding(place, f"a fact {envelope.id} at position {envelope.position}; positions start at 1")
    return Sighting(place, envelope, record, entry, hash_leaf(entry))


def sequence(frontier: Frontier, known: Mapping[Claim, bytes], seen: Iterable[Sighting]) -> Sequenced:
    """Append what is new, in this order.

    `known` has the leaf hashes of those claims that are in the log already. The relay publishes a fact again after a
    crash: an equal copy is passed over. Another content under the same claim is a finding.
    """
    claims = dict(known)
    entries: list[tuple[int, Sighting]] = []
    findings: list[TamperingDetected] = []
    for one in seen:
        before = claims.get(one.claim)
        if before is None:
            claims[one.claim] = one.leaf_hash
            entries.append((frontier.size + len(entries), one))
        elif before != one.leaf_hash:
            source, position = one.claim
            text = (
                f"fact {one.envelope.id} claims position {position} of {source}, where the log has another content: "
                f"leaf hash {before.hex()}, and here {one.leaf_hash.hex()}"
            )
            findings.append(finding(one.place, text))
    return Sequenced(frontier.extended(one.leaf_hash for _, one in entries), entries, findings)


def interleave(partitions: Iterable[Sequence[Sighting]]) -> list[Sighting]:
    """One order for several partitions: each keeps its own, and between them the earlier fact comes first."""
    return list(merge(*partitions, key=lambda one: one.time))


def finding(place: Place, text: str) -> TamperingDetected:
    """A finding about the record at a place."""
    return TamperingDetected(topic=place.topic, partition=place.partition, offset=place.offset, finding=text)


def bundle(entries: Sequence[bytes]) -> bytes:
    """Entries as C2SP's tlog-tiles lays them out: each after its length in 16 bits, big-endian."""
    assert all(len(entry) <= MAX_ENTRY_BYTES for entry in entries)  # noqa: S101 - encode() never gives more
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
