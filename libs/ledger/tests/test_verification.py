import pytest
import rfc6962
from hypothesis import assume, given
from hypothesis import strategies as st

from pelton.ledger.errors import ProofError
from pelton.ledger.merkle import Tree, hash_leaf, root
from pelton.ledger.verification import verify_consistency, verify_inclusion

SIZES = st.integers(1, 300)
ENTRIES = [n.to_bytes(2, "big") for n in range(300)]
TREE = Tree(map(hash_leaf, ENTRIES))


def flipped(data: bytes, bit: int) -> bytes:
    at, mask = (bit // 8) % len(data), 1 << bit % 8
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def test_every_inclusion_proof_of_small_trees_verifies_under_the_defined_root() -> None:
    for size in range(1, 40):
        defined = rfc6962.tree_hash(ENTRIES[:size])
        for index in range(size):
            verify_inclusion(hash_leaf(ENTRIES[index]), index, size, TREE.inclusion(index, size), defined)


def test_every_consistency_proof_of_small_trees_verifies_under_the_defined_roots() -> None:
    roots = [rfc6962.tree_hash(ENTRIES[:size]) for size in range(40)]
    for new in range(1, 40):
        for old in range(1, new + 1):
            verify_consistency(old, new, TREE.consistency(old, new), roots[old], roots[new])


@given(SIZES, st.data())
def test_an_inclusion_proof_with_any_bit_flipped_fails(size: int, data: st.DataObject) -> None:
    index, bit = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 255))
    parts = [TREE.leaf(index), TREE.root(size), *TREE.inclusion(index, size)]
    verify_inclusion(parts[0], index, size, parts[2:], parts[1])
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flipped(parts[which], bit)
    with pytest.raises(ProofError):
        verify_inclusion(parts[0], index, size, parts[2:], parts[1])


@given(SIZES, st.data())
def test_an_inclusion_proof_holds_for_its_own_index_alone(size: int, data: st.DataObject) -> None:
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(-2, size + 2))
    assume(index != other)
    with pytest.raises(ProofError):
        verify_inclusion(TREE.leaf(index), other, size, TREE.inclusion(index, size), TREE.root(size))


@given(SIZES, st.data())
def test_a_consistency_proof_with_any_bit_flipped_fails(new: int, data: st.DataObject) -> None:
    old, bit = data.draw(st.integers(1, new)), data.draw(st.integers(0, 255))
    parts = [TREE.root(old), TREE.root(new), *TREE.consistency(old, new)]
    verify_consistency(old, new, parts[2:], parts[0], parts[1])
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flipped(parts[which], bit)
    with pytest.raises(ProofError):
        verify_consistency(old, new, parts[2:], parts[0], parts[1])


@given(SIZES, st.data())
def test_a_path_with_a_step_more_or_less_fails(size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    step = data.draw(st.sampled_from([bytes(32), TREE.root(size), TREE.leaf(index)]))
    inclusion, consistency = TREE.inclusion(index, size), TREE.consistency(old, size)
    at = data.draw(st.integers(0, len(inclusion)))
    with pytest.raises(ProofError):
        verify_inclusion(TREE.leaf(index), index, size, (*inclusion[:at], step, *inclusion[at:]), TREE.root(size))
    with pytest.raises(ProofError):
        verify_consistency(old, size, (*consistency, step), TREE.root(old), TREE.root(size))
    if inclusion:
        with pytest.raises(ProofError):
            verify_inclusion(TREE.leaf(index), index, size, inclusion[1:], TREE.root(size))
    if consistency:
        with pytest.raises(ProofError):
            verify_consistency(old, size, consistency[:-1], TREE.root(old), TREE.root(size))


def test_a_path_that_leads_to_the_root_of_a_tree_of_another_height_is_refused() -> None:
    path, steps = TREE.inclusion(0, 4), TREE.consistency(2, 8)
    with pytest.raises(ProofError, match="longer than the tree"):
        verify_inclusion(TREE.leaf(0), 0, 2, path, TREE.root(4))
    with pytest.raises(ProofError, match="ends before the root"):
        verify_inclusion(TREE.leaf(0), 0, 8, path, TREE.root(4))
    with pytest.raises(ProofError, match="longer than the tree"):
        verify_consistency(2, 4, steps, TREE.root(2), TREE.root(8))
    with pytest.raises(ProofError, match="ends before the root"):
        verify_consistency(2, 16, steps, TREE.root(2), TREE.root(8))


@given(SIZES, st.data())
def test_a_rewritten_history_has_no_consistency_proof(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    victim = data.draw(st.integers(0, old - 1))
    forged = Tree(hash_leaf(entry if n != victim else b"forged") for n, entry in enumerate(ENTRIES[:new]))
    with pytest.raises(ProofError):
        verify_consistency(old, new, forged.consistency(old, new), TREE.root(old), forged.root())


def test_nothing_is_proven_from_an_empty_log() -> None:
    for path in ((), (TREE.root(3),)):
        with pytest.raises(ProofError, match="sizes start at 1"):
            verify_consistency(0, 3, path, root([]), TREE.root(3))
    with pytest.raises(ProofError, match="sizes start at 1"):
        verify_consistency(0, 0, (), root([]), root([]))


def test_a_leaf_hash_that_is_an_inner_node_in_disguise_is_refused() -> None:
    entry = TREE.leaf(0) + TREE.leaf(1)
    for leaf_hash in (b"", entry, TREE.leaf(0)[:31]):
        with pytest.raises(ProofError, match="32 bytes"):
            verify_inclusion(leaf_hash, 0, 1, (), TREE.root(1))
    with pytest.raises(ProofError, match="leads to"):
        verify_inclusion(hash_leaf(entry), 0, 2, (TREE.leaf(2),), TREE.root(4))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_step_that_is_no_hash_is_refused(length: int) -> None:
    with pytest.raises(ProofError, match="32 bytes"):
        verify_inclusion(TREE.leaf(0), 0, 2, [bytes(length)], TREE.root(2))
    with pytest.raises(ProofError, match="32 bytes"):
        verify_consistency(1, 2, [bytes(length)], TREE.root(1), TREE.root(2))
