import pytest
import rfc6962
from hypothesis import given
from hypothesis import strategies as st

from pelton.ledger.errors import FrontierError, ProofError
from pelton.ledger.merkle import EMPTY_ROOT, Frontier, Tree, hash_leaf, root

ENTRIES = st.lists(st.binary(max_size=8), max_size=70)

# The test tree of Google's certificate-transparency code, which every RFC 6962 implementation is checked by.
CT_ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaves(entries: list[bytes]) -> list[bytes]:
    return [hash_leaf(entry) for entry in entries]


@pytest.mark.parametrize("size", range(9))
def test_the_known_tree_has_its_known_roots(size: int) -> None:
    hashes = leaves(CT_ENTRIES)
    assert root(hashes[:size]).hex() == CT_ROOTS[size]
    assert Tree(hashes).root(size).hex() == CT_ROOTS[size]


def test_an_empty_log_has_the_root_of_nothing() -> None:
    assert Frontier().root == Tree().root() == root([]) == EMPTY_ROOT == rfc6962.tree_hash([])


@given(ENTRIES, st.data())
def test_frontier_and_tree_agree_with_the_definition_however_the_log_grew(
    entries: list[bytes], data: st.DataObject
) -> None:
    hashes = leaves(entries)
    frontier, tree = Frontier(), Tree()
    while frontier.size < len(entries):
        chunk = hashes[frontier.size : data.draw(st.integers(frontier.size + 1, len(entries)))]
        frontier = frontier.extended(chunk)
        tree.extend(chunk)
        assert frontier.root == tree.root() == rfc6962.tree_hash(entries[: frontier.size])
    assert all(tree.leaf(index) == leaf for index, leaf in enumerate(hashes))


def test_every_proof_of_small_trees_is_the_one_defined() -> None:
    entries = [bytes([n]) for n in range(20)]
    tree = Tree(leaves(entries))
    for size in range(1, 21):
        for index in range(size):
            assert list(tree.inclusion(index, size)) == rfc6962.path(index, entries[:size])
            assert list(tree.consistency(index + 1, size)) == rfc6962.proof(index + 1, entries[:size])


@given(ENTRIES)
def test_a_frontier_comes_back_from_its_bytes(entries: list[bytes]) -> None:
    frontier = Frontier().extended(leaves(entries))
    assert Frontier.from_bytes(frontier.to_bytes()) == frontier


@given(ENTRIES, st.integers(0, 1_000), st.integers(1, 33))
def test_a_frontier_of_the_wrong_length_is_refused(entries: list[bytes], at: int, count: int) -> None:
    data = Frontier().extended(leaves(entries)).to_bytes()
    for broken in (data[:-count], data + bytes(count), data[: at % len(data)]):
        with pytest.raises(FrontierError):
            Frontier.from_bytes(broken)


def test_a_frontier_of_another_version_is_refused() -> None:
    with pytest.raises(FrontierError, match="version 1"):
        Frontier.from_bytes(b"\x02" + Frontier().to_bytes()[1:])


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_what_is_no_hash_is_not_appended(length: int) -> None:
    tree = Tree(leaves([b"a"]))
    with pytest.raises(FrontierError, match="Leaf hash 1 "):
        tree.extend([bytes(length)])
    with pytest.raises(FrontierError, match="Leaf hash 1 "):
        Frontier().extended([bytes(32), bytes(length)])
    assert tree.size == 1


def test_extending_leaves_the_old_frontier_as_it_was() -> None:
    old = Frontier().extended(leaves([b"a", b"b", b"c"]))
    before = old.to_bytes()
    old.extended(leaves([b"d"]))
    assert old.to_bytes() == before


def test_what_the_log_has_not_reached_is_not_proven() -> None:
    tree = Tree(leaves([b"a", b"b", b"c"]))
    for impossible in (
        lambda: tree.root(4),
        lambda: tree.leaf(3),
        lambda: tree.leaf(-1),
        lambda: tree.inclusion(0, 4),
        lambda: tree.inclusion(2, 2),
        lambda: tree.inclusion(-1, 2),
        lambda: tree.consistency(0, 2),
        lambda: tree.consistency(3, 2),
        lambda: tree.consistency(2, 4),
    ):
        with pytest.raises(ProofError):
            impossible()
