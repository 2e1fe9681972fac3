import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.ledger import checkpoint as checkpoints
from pelton.ledger import proof as proofs
from pelton.ledger.checkpoint import Checkpoint
from pelton.ledger.errors import LedgerError, ProofError
from pelton.ledger.keys import SigningKey
from pelton.ledger.merkle import Tree, hash_leaf
from pelton.ledger.proof import OfflineProof

LOG = SigningKey("example.com/log", bytes(range(32)))
ENTRIES = [n.to_bytes(2, "big") for n in range(100)]
TREE = Tree(map(hash_leaf, ENTRIES))


def sealed(size: int) -> str:
    return checkpoints.sign(Checkpoint(LOG.name, size, TREE.root(size)), LOG)


TEXT = proofs.prove(TREE, 41, sealed(75)).text


@given(st.data(), st.integers(1, 100), st.binary(max_size=9))
def test_every_entry_is_proven_by_text_alone(data: st.DataObject, size: int, extra: bytes) -> None:
    index = data.draw(st.integers(0, size - 1))
    made = proofs.prove(TREE, index, sealed(size), extra)
    read = OfflineProof.parse(made.text)
    assert read == made
    assert proofs.verify(read, ENTRIES[index], LOG.verifier).checkpoint.size == size


def test_the_text_is_laid_out_as_specified() -> None:
    made = proofs.prove(TREE, 2, sealed(3), b"more")
    sibling = base64.b64encode(TREE.root(2)).decode()
    assert made.text == f"c2sp.org/tlog-proof@v1\nextra bW9yZQ==\nindex 2\n{sibling}\n\n{sealed(3)}"
    assert proofs.prove(TREE, 0, sealed(1)).text == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{sealed(1)}"


@given(st.integers(0, 8 * len(TEXT.encode()) - 1))
def test_a_proof_with_any_bit_flipped_is_refused(bit: int) -> None:
    data = bytearray(TEXT.encode())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((LedgerError, UnicodeDecodeError)):
        proofs.verify(OfflineProof.parse(data.decode()), ENTRIES[41], LOG.verifier)


@given(st.integers(0, len(TEXT) - 1))
def test_a_proof_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(LedgerError):
        proofs.verify(OfflineProof.parse(TEXT[:length]), ENTRIES[41], LOG.verifier)


def test_another_entry_or_another_logs_key_is_refused() -> None:
    proof = OfflineProof.parse(TEXT)
    with pytest.raises(ProofError, match="Entry 41 is not in the tree of 75"):
        proofs.verify(proof, ENTRIES[42], LOG.verifier)
    with pytest.raises(LedgerError, match="none of the keys to trust"):
        proofs.verify(proof, ENTRIES[41], SigningKey(LOG.name, bytes(32)).verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.replace("@v1", "@v2"),
        TEXT.replace("index 41\n", ""),
        TEXT.replace("index 41\n", "index 041\n"),
        TEXT.replace("index 41\n", "index -41\n"),
        TEXT.replace("index 41\n", "index  41\n"),
        TEXT.replace("index 41\n", "index 41\r\n"),
        TEXT.replace("index 41\n", "index 41\nindex 41\n"),
        TEXT.replace("index 41\n", "extra \nindex 41\n"),
        TEXT.replace("index 41\n", "extra %%\nindex 41\n"),
        TEXT.replace("index 41\n", "extra YQ==\nextra YQ==\nindex 41\n"),
        TEXT.replace("index 41\n", "index 41\nextra YQ==\n"),
        TEXT.replace("index 41\n", "index 41\nYQ==\n"),
        TEXT.replace("index 41\n", "index 41\n" + (base64.b64encode(bytes(32)).decode() + "\n") * 64),
        TEXT.replace("\n\n", "\n"),
        "c2sp.org/tlog-proof@v1\n\n" + sealed(75),
    ],
)
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(ProofError):
        OfflineProof.parse(text)


def test_no_proof_is_made_under_a_checkpoint_of_another_history() -> None:
    forked = Tree(hash_leaf(entry) for entry in [*ENTRIES[:50], b"fork", *ENTRIES[51:]])
    with pytest.raises(ProofError, match="one of them was changed"):
        proofs.prove(forked, 3, sealed(75))
    with pytest.raises(ProofError, match="Entry 75 is not in a tree of 75"):
        proofs.prove(TREE, 75, sealed(75))
