import base64

import pytest
from cosigning import cosigned, witness
from hypothesis import given
from hypothesis import strategies as st

from pelton.ledger import checkpoint as checkpoints
from pelton.ledger import note as notes
from pelton.ledger.checkpoint import Checkpoint
from pelton.ledger.errors import CheckpointError, LedgerError, NoteError
from pelton.ledger.keys import SigningKey
from pelton.ledger.merkle import EMPTY_ROOT, MAX_SIZE

LOG = SigningKey("example.com/log", bytes(range(32)))
ROOT = bytes(range(100, 132))
SEALED = checkpoints.sign(Checkpoint(LOG.name, 20_852_163, ROOT), LOG)
ROOT64 = base64.b64encode(ROOT).decode()
W1, W2 = ("witness.example/1", b"1" * 32), ("witness.example/2", b"2" * 32)


@given(st.integers(1, MAX_SIZE), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_comes_back_from_its_signed_note(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(LOG.name, size, root)
    assert checkpoints.verify(checkpoints.sign(checkpoint, LOG), LOG.verifier).checkpoint == checkpoint


def test_the_text_of_a_checkpoint_is_origin_size_and_root() -> None:
    assert SEALED.startswith(f"example.com/log\n20852163\n{ROOT64}\n\n— example.com/log ")


def test_the_example_of_the_specification_is_read() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    read = Checkpoint.parse(text)
    assert (read.origin, read.size, read.text) == ("example.com/behind-the-sofa", 20_852_163, text)


@given(st.integers(0, 8 * len(SEALED.encode()) - 1))
def test_a_signed_checkpoint_with_any_bit_flipped_is_refused(bit: int) -> None:
    data = bytearray(SEALED.encode())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((LedgerError, UnicodeDecodeError)):
        checkpoints.verify(data.decode(), LOG.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"o\n1\n{ROOT64}",
        "o\n1\n",
        f"\n1\n{ROOT64}\n",
        f"o\n\n{ROOT64}\n",
        f"o\n01\n{ROOT64}\n",
        f"o\n00\n{ROOT64}\n",
        f"o\n+1\n{ROOT64}\n",
        f"o\n-1\n{ROOT64}\n",
        f"o\n 1\n{ROOT64}\n",
        f"o\n1_0\n{ROOT64}\n",
        f"o\n0x1\n{ROOT64}\n",
        f"o\n\u0661\n{ROOT64}\n",
        f"o\n\u00b2\n{ROOT64}\n",
        f"o\n{MAX_SIZE + 1}\n{ROOT64}\n",
        f"o\n{'9' * 5000}\n{ROOT64}\n",
        f"o\n0\n{ROOT64}\n",
        f"o\n1\n{ROOT64[:-1]}\n",
        f"o\n1\n{ROOT64} \n",
        f"o\n1\n{ROOT64[:40]}\n",
        "o\n1\nnot base64\n",
        f"o\n1\n{ROOT64}\n\n",
        f"o\n1\n{ROOT64}\n\nextension\n",
    ],
)
def test_what_is_no_checkpoint_is_refused_even_when_signed(text: str) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint.parse(text)


def test_an_empty_log_has_a_checkpoint_with_the_root_of_nothing() -> None:
    empty = Checkpoint(LOG.name, 0, EMPTY_ROOT)
    assert checkpoints.verify(checkpoints.sign(empty, LOG), LOG.verifier).checkpoint == empty


def test_extension_lines_are_signed_and_kept() -> None:
    extended = Checkpoint(LOG.name, 1, ROOT, ("one", "two"))
    note = checkpoints.sign(extended, LOG)
    assert checkpoints.verify(note, LOG.verifier).checkpoint == extended
    with pytest.raises(NoteError):
        checkpoints.verify(note.replace("two", "three"), LOG.verifier)


def test_a_log_signs_under_its_own_name_alone() -> None:
    other = Checkpoint("example.com/other", 1, ROOT)
    with pytest.raises(CheckpointError, match="does not sign for"):
        checkpoints.sign(other, LOG)
    with pytest.raises(CheckpointError, match=r"of 'example\.com/other', not of"):
        checkpoints.verify(notes.sign(other.text, LOG), LOG.verifier)


def test_cosignatures_of_the_witnesses_asked_for_are_verified_with_their_times() -> None:
    note = cosigned(cosigned(SEALED, *W1, time=1_679_315_147), *W2, time=0)
    sealed = checkpoints.verify(note, LOG.verifier, [witness(*W1), witness(*W2)])
    assert [(one.key.name, one.time) for one in sealed.witnessed] == [(W1[0], 1_679_315_147), (W2[0], 0)]
    assert [one.key for one in checkpoints.verify(note, LOG.verifier, [witness(*W2)]).witnessed] == [witness(*W2)]
    assert checkpoints.verify(note, LOG.verifier).witnessed == ()


def test_a_witness_counts_once_however_often_it_signed() -> None:
    note = cosigned(cosigned(SEALED, *W1, time=1), *W1, time=2)
    assert len(checkpoints.verify(note, LOG.verifier, [witness(*W1)]).witnessed) == 1


def test_a_cosignature_for_another_checkpoint_or_time_is_refused() -> None:
    other = cosigned(checkpoints.sign(Checkpoint(LOG.name, 5, ROOT), LOG), *W1, time=7)
    moved = SEALED + other.split("\n")[-2] + "\n"
    late = cosigned(SEALED, *W1, time=2**63)
    for note in (moved, late):
        with pytest.raises(NoteError):
            checkpoints.verify(note, LOG.verifier, [witness(*W1)])
        assert checkpoints.verify(note, LOG.verifier).checkpoint.size == 20_852_163


def test_witnesses_do_not_stand_in_for_the_log() -> None:
    text, _, _ = SEALED.rpartition("\n\n")
    unsigned = cosigned(f"{text}\n\n", *W1, time=1)
    with pytest.raises(CheckpointError, match="not signed by the log"):
        checkpoints.verify(unsigned, LOG.verifier, [witness(*W1)])


def test_a_log_cannot_be_its_own_witness_nor_one_witness_two() -> None:
    for witnesses in ([witness("w", LOG.seed)], [witness("a", W1[1]), witness("b", W1[1])]):
        with pytest.raises(CheckpointError, match="given twice"):
            checkpoints.verify(SEALED, LOG.verifier, witnesses)
    with pytest.raises(CheckpointError, match="type 01"):
        checkpoints.verify(SEALED, LOG.verifier, [SigningKey("w", W1[1]).verifier])
    with pytest.raises(CheckpointError, match="type 01"):
        checkpoints.verify(SEALED, witness(*W1))
