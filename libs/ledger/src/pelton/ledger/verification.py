"""Checking Merkle proofs with nothing at hand but hashes: the algorithms of RFC 9162, sections 2.1.3.2 and 2.1.4.2."""

from collections.abc import Sequence

from pelton.ledger.errors import ProofError
from pelton.ledger.merkle import HASH_BYTES, MAX_SIZE, hash_children


def verify_inclusion(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf hash stands at `index` in the tree of `size` leaves with this root.

    Raises:
        ProofError: it does not, or a part of the proof has the wrong form.
    """
    _require_hashes([leaf_hash, *path, root])
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError(f"Entry {index} cannot be in a tree of {size} entries.")
    node, last, calculated = index, size - 1, leaf_hash
    for sibling in path:
        if last == 0:
            raise ProofError(f"The path of entry {index} in a tree of {size} is longer than the tree is high.")
        if node & 1 or node == last:
            calculated = hash_children(sibling, calculated)
            node, last = _past_left_edges(node, last)
        else:
            calculated = hash_children(calculated, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError(f"The path of entry {index} in a tree of {size} ends before the root.")
    if calculated != root:
        raise ProofError(
            f"Entry {index} is not in the tree of {size} with root {root.hex()}: the path leads to {calculated.hex()}."
        )


def verify_consistency(old_size: int, new_size: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree of `old_size` with `old_root` is a prefix of that of `new_size` with `new_root`.

    Raises:
        ProofError: it is not, a part has the wrong form, or `old_size` is 0: every log extends an empty one, so such
            a proof says nothing and is always refused.
    """
    _require_hashes([*path, old_root, new_root])
    if not 1 <= old_size <= new_size <= MAX_SIZE:
        raise ProofError(f"Nothing can be proven from size {old_size} to {new_size}: sizes start at 1 and grow.")
    if old_size == new_size:
        if path or old_root != new_root:
            raise ProofError(f"Two trees of {old_size} entries are consistent by equal roots and an empty path alone.")
        return
    # A complete old tree is itself a node of the new one, and the path leaves it out.
    steps = [old_root, *path] if old_size.bit_count() == 1 else list(path)
    if not steps:
        raise ProofError(f"The path from size {old_size} to {new_size} is empty.")
    _walk_consistency(old_size, new_size, steps, old_root, new_root)


def _walk_consistency(old_size: int, new_size: int, steps: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise ProofError(f"The path from size {old_size} to {new_size} is longer than the tree is high.")
        if node & 1 or node == last:
            old, new = hash_children(step, old), hash_children(step, new)
            node, last = _past_left_edges(node, last)
        else:
            new = hash_children(new, step)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError(f"The path from size {old_size} to {new_size} ends before the root.")
    if old != old_root:
        raise ProofError(f"The tree of {old_size} entries with root {old_root.hex()} is not a prefix: {old.hex()} is.")
    if new != new_root:
        raise ProofError(
            f"The tree of {new_size} entries has root {new_root.hex()}, but the path leads to {new.hex()}."
        )


def _past_left_edges(node: int, last: int) -> tuple[int, int]:
    """Climb while the node has no sibling on its level: such levels take no hash."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _require_hashes(hashes: Sequence[bytes]) -> None:
    for candidate in hashes:
        if len(candidate) != HASH_BYTES:
            raise ProofError(f"A proof consists of hashes of {HASH_BYTES} bytes; one part is {len(candidate)} bytes.")
