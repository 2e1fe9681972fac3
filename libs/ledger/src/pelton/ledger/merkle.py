"""The Merkle tree of RFC 6962: SHA-256, a leaf prefixed by 0x00 and an inner node by 0x01.

`Frontier` is what a writer keeps (64 hashes at most), `Tree` what a prover keeps (every complete node).
Verification lives in `verification`, and needs neither.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from pelton.ledger.errors import FrontierError, ProofError

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
MAX_SIZE: Final = 2**63 - 1
"""The largest tree, in leaves: sizes must fit the signed 64 bits that other implementations use."""

_FRONTIER_VERSION: Final = b"\x01"
_FRONTIER_HEAD: Final = 9


def hash_leaf(entry: bytes) -> bytes:
    """The leaf hash of an entry, 32 bytes: SHA-256(0x00 ‖ entry), RFC 6962 section 2.1."""
    return sha256(b"\x00" + entry).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node, 32 bytes: SHA-256(0x01 ‖ left ‖ right), RFC 6962 section 2.1."""
    return sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root over leaf hashes in log order; of none, the hash of the empty string.

    Raises:
        FrontierError: a leaf hash is not 32 bytes.
    """
    return Frontier().extended(leaf_hashes).root


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a log: enough to append and to know the root, nothing of what is below.

    `nodes` are the roots of the complete subtrees that the size decomposes into, largest first: one for each bit
    set in `size`.
    """

    size: int = 0
    nodes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE:
            raise FrontierError(f"A frontier's size must lie in 0..{MAX_SIZE}, not be {self.size}.")
        if len(self.nodes) != self.size.bit_count() or any(len(node) != HASH_BYTES for node in self.nodes):
            raise FrontierError(
                f"A frontier of size {self.size} has {self.size.bit_count()} hashes of {HASH_BYTES} bytes; "
                f"these are {[len(node) for node in self.nodes]} bytes long."
            )

    def extended(self, leaf_hashes: Iterable[bytes]) -> Self:
        """The frontier after appending leaf hashes; this one is unchanged, so that a failed commit costs nothing.

        Raises:
            FrontierError: a leaf hash is not 32 bytes.
        """
        nodes, size = list(self.nodes), self.size
        for leaf in leaf_hashes:
            if len(leaf) != HASH_BYTES:
                raise FrontierError(f"Leaf hash {size} is {len(leaf)} bytes, not {HASH_BYTES}: hash the entry first.")
            node, carry = leaf, size
            while carry & 1:
                node = sha256(b"\x01" + nodes.pop() + node).digest()
                carry >>= 1
            nodes.append(node)
            size += 1
        return type(self)(size, tuple(nodes))

    @property
    def root(self) -> bytes:
        """The Merkle root of all leaves so far, 32 bytes."""
        return _join(self.nodes)

    def to_bytes(self) -> bytes:
        """A version byte (1), the size as 64 bits big-endian, then the nodes."""
        return _FRONTIER_VERSION + self.size.to_bytes(8, "big") + b"".join(self.nodes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            FrontierError: not a frontier of this version, or one of the wrong length.
        """
        if data[:1] != _FRONTIER_VERSION or len(data) < _FRONTIER_HEAD or (len(data) - _FRONTIER_HEAD) % HASH_BYTES:
            raise FrontierError(
                f"{len(data)} bytes starting 0x{data[:1].hex()} are no frontier of version 1: "
                "rebuild it from the leaf hashes."
            )
        hashes = data[_FRONTIER_HEAD:]
        nodes = tuple(hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES))
        return cls(int.from_bytes(data[1:_FRONTIER_HEAD], "big"), nodes)


class Tree:
    """Every complete node of a log in memory, 64 bytes a leaf: makes proofs in O(log² n) for any size it has passed.

    Append-only. Not safe to extend from one thread while another proves.
    """

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        self._levels: list[bytearray] = [bytearray()]
        self.extend(leaf_hashes)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self._levels[0]) // HASH_BYTES

    def leaf(self, index: int) -> bytes:
        """The leaf hash at an index.

        Raises:
            ProofError: there is no such leaf.
        """
        self._require(0 <= index < self.size, f"There is no leaf {index} in a log of {self.size} entries.")
        return self._node(0, index)

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Append leaf hashes, all or none.

        Raises:
            FrontierError: a leaf hash is not 32 bytes.
        """
        leaves = list(leaf_hashes)
        for offset, leaf in enumerate(leaves):
            if len(leaf) != HASH_BYTES:
                index = self.size + offset
                raise FrontierError(f"Leaf hash {index} is {len(leaf)} bytes, not {HASH_BYTES}: hash the entry first.")
        self._levels[0] += b"".join(leaves)
        self._complete()

    def root(self, size: int | None = None) -> bytes:
        """The root when the log had `size` entries (by default: now).

        Raises:
            ProofError: the log has not reached that size.
        """
        size = self.size if size is None else size
        self._require(0 <= size <= self.size, f"No root of size {size}: this log has {self.size} entries.")
        return self._range(0, size)

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """The audit path of a leaf in the tree of a size, the leaf's sibling first (RFC 6962 section 2.1.1).

        Raises:
            ProofError: the leaf is not in a tree of that size, or the log has not reached it.
        """
        self._require(size <= self.size, f"No proof in a tree of {size}: this log has {self.size} entries.")
        self._require(0 <= index < size, f"Entry {index} is not in a tree of {size} entries.")
        path: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start = middle
        return tuple(reversed(path))

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the tree of size `old` is a prefix of that of size `new` (RFC 6962 section 2.1.2).

        Raises:
            ProofError: not 1 <= old <= new <= the log's size. Nothing is proven of an empty log, so 0 is refused.
        """
        self._require(
            1 <= old <= new <= self.size,
            f"No consistency proof from {old} to {new}: both must lie in 1..{self.size}, in this order.",
        )
        path: list[bytes] = []
        start, end = 0, new
        while end != old:
            middle = start + _split(end - start)
            if old <= middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start = middle
        if start:  # the verifier knows the root of [0, old) already, but not that of an inner part
            path.append(self._range(start, end))
        return tuple(reversed(path))

    def _complete(self) -> None:
        level = 0
        while len(self._levels[level]) >= 2 * HASH_BYTES:
            if level + 1 == len(self._levels):
                self._levels.append(bytearray())
            below, above = self._levels[level], self._levels[level + 1]
            done, pairs = 2 * len(above), len(below) // (2 * HASH_BYTES) * 2 * HASH_BYTES
            fresh = bytes(below[done:pairs])
            step = 2 * HASH_BYTES
            above += b"".join([sha256(b"\x01" + fresh[at : at + step]).digest() for at in range(0, len(fresh), step)])
            level += 1

    def _node(self, level: int, index: int) -> bytes:
        at = index * HASH_BYTES
        return bytes(self._levels[level][at : at + HASH_BYTES])

    def _range(self, start: int, end: int) -> bytes:
        """The root over leaves [start, end), where start is a multiple of every complete subtree within."""
        nodes: list[bytes] = []
        while start < end:
            level = (end - start).bit_length() - 1
            nodes.append(self._node(level, start >> level))
            start += 1 << level
        return _join(nodes)

    @staticmethod
    def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - reads as a sentence where it is called
        if not condition:
            raise ProofError(message)


def _join(nodes: Iterable[bytes]) -> bytes:
    """The root over complete subtrees, largest first."""
    smallest_first = iter(reversed(tuple(nodes)))
    joined = next(smallest_first, EMPTY_ROOT)
    for node in smallest_first:
        joined = hash_children(node, joined)
    return joined


def _split(size: int) -> int:
    """The largest power of two below a size of at least 2."""
    return 1 << ((size - 1).bit_length() - 1)
