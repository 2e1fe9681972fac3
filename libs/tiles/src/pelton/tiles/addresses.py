"""Where each record of the online store is."""

from hashlib import blake2b, sha256

from pelton.tiles.plan import Plan

Partition = tuple[str, int]

SOURCES = b"S"
_LONGEST_NAME = 400
_SIGN = 1 << 63


def partitions_of(source: str) -> bytes:
    """The bucket of what is known of each partition of a source, by `partition_name`."""
    return b"P" + source.encode()


def partition_name(partition: Partition) -> bytes:
    """The name of a partition's record."""
    topic, number = partition
    return f"{topic}/{number}".encode()


def partition_of(name: bytes) -> Partition:
    """The partition that a name means."""
    topic, _, number = name.decode().rpartition("/")
    return topic, int(number)


def ids_of(partition: Partition) -> bytes:
    """The bucket of the ids that a partition remembers."""
    return b"I" + _digest(partition_name(partition))


def verdicts_of(partition: Partition) -> bytes:
    """The bucket of the verdicts on a partition's events."""
    return b"J" + _digest(partition_name(partition))


def kept_of(plan: Plan) -> bytes:
    """The bucket of what a view keeps of each partition."""
    return b"K" + plan.prefix


def scope_of(plan: Plan, partition: Partition) -> bytes:
    """What the buckets of a view's part of a partition have in common."""
    return _digest(plan.prefix + partition_name(partition))


def nodes_at(scope: bytes, level: int, start_ms: int) -> bytes:
    """The bucket of the nodes of a level that start at a time, by entity."""
    return b"T" + scope + bytes((level,)) + (start_ms + _SIGN).to_bytes(8, "big")


def texts_at(scope: bytes, start_ms: int) -> bytes:
    """The bucket of the texts that codes in the nodes from a time on stand for, by code."""
    return b"X" + scope + (start_ms + _SIGN).to_bytes(8, "big")


def latest_of(scope: bytes) -> bytes:
    """The bucket of latest values, by entity."""
    return b"L" + scope


def code_name(code: int) -> bytes:
    """The name of a text."""
    return code.to_bytes(8, "big", signed=True)


def entity_name(entity: str) -> bytes:
    """The name of an entity's records; a text too long for a name stands in by its hash."""
    raw = entity.encode()
    return b"n" + raw if len(raw) <= _LONGEST_NAME else b"h" + sha256(raw).digest()


def _digest(raw: bytes) -> bytes:
    return blake2b(raw, digest_size=16).digest()
