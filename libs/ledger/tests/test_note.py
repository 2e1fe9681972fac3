import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.ledger import note as notes
from pelton.ledger.errors import NoteError
from pelton.ledger.keys import SigningKey, VerifierKey

# The example of the documentation of Go's golang.org/x/mod/sumdb/note.
GO_KEY = SigningKey.parse("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
GO_NOTE = f"{GO_TEXT}\n{GO_LINE}"

OTHER = SigningKey("example.com/other", bytes(32))


def line_of(note: str) -> str:
    return note.rpartition("\n\n")[2]


def test_the_note_that_go_signed_is_made_and_verified_here() -> None:
    assert notes.sign(GO_TEXT, GO_KEY) == GO_NOTE
    assert notes.split(GO_NOTE).text == GO_TEXT
    assert notes.verify(notes.split(GO_NOTE), [GO_KEY.verifier]) == (notes.Endorsement(GO_KEY.verifier, None),)


@given(st.integers(0, 8 * len(GO_NOTE.encode()) - 1))
def test_a_note_with_any_bit_flipped_is_refused(bit: int) -> None:
    data = bytearray(GO_NOTE.encode())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((NoteError, UnicodeDecodeError)):
        notes.verify(notes.split(data.decode()), [GO_KEY.verifier])


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]) | st.just("\n"), max_size=30))
def test_any_text_comes_back_from_its_signed_note(text: str) -> None:
    note = notes.split(notes.sign(text + "\n", OTHER))
    assert note.text == text + "\n"
    notes.verify(note, [OTHER.verifier])


def test_signatures_of_unknown_keys_are_ignored() -> None:
    both = GO_NOTE + line_of(notes.sign(GO_TEXT, OTHER))
    assert [one.key for one in notes.verify(notes.split(both), [OTHER.verifier])] == [OTHER.verifier]
    with pytest.raises(NoteError, match="none of the keys to trust"):
        notes.verify(notes.split(GO_NOTE), [OTHER.verifier])


def test_a_known_name_under_another_key_id_is_an_unknown_key() -> None:
    namesake = SigningKey(GO_KEY.name, bytes(32))
    both = GO_NOTE + line_of(notes.sign("something else\n", namesake))
    assert [one.key for one in notes.verify(notes.split(both), [GO_KEY.verifier])] == [GO_KEY.verifier]


@pytest.mark.parametrize("forged_first", [True, False])
def test_a_bad_signature_of_a_known_key_refuses_the_note_beside_a_good_one(forged_first: bool) -> None:  # noqa: FBT001
    forged = line_of(notes.sign("another text\n", OTHER))
    good = line_of(notes.sign(GO_TEXT, GO_KEY))
    note = GO_TEXT + "\n" + (forged + good if forged_first else good + forged)
    assert notes.verify(notes.split(note), [GO_KEY.verifier])
    with pytest.raises(NoteError, match=r"example\.com/other"):
        notes.verify(notes.split(note), [GO_KEY.verifier, OTHER.verifier])


def test_a_second_bad_signature_of_the_same_key_refuses_the_note() -> None:
    note = GO_NOTE + line_of(notes.sign("another text\n", GO_KEY))
    with pytest.raises(NoteError, match="changed, or forged"):
        notes.verify(notes.split(note), [GO_KEY.verifier])


def test_a_signature_of_the_wrong_length_refuses_the_note() -> None:
    for blob in (b"x", bytes(63), bytes(65)):
        line = f"— {GO_KEY.name} {base64.b64encode(GO_KEY.verifier.key_id + blob).decode()}\n"
        with pytest.raises(NoteError, match="changed, or forged"):
            notes.verify(notes.split(f"{GO_TEXT}\n{line}"), [GO_KEY.verifier])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        GO_TEXT,
        GO_TEXT + "\n",
        GO_TEXT + GO_LINE,
        GO_NOTE[:-1],
        GO_NOTE + "\n",
        GO_NOTE + "unsigned\n",
        GO_NOTE.replace("\n", "\r\n"),
        GO_NOTE.replace("—", "-"),
        GO_NOTE.replace("— ", "—"),
        GO_NOTE.replace("— PeterNeumann", "—  PeterNeumann"),
        GO_NOTE.replace("Neumann", "+Neumann"),
        GO_NOTE.replace("Neumann", "\u00a0Neumann"),
        GO_NOTE.replace("AM=", "AN="),
        GO_NOTE.replace("AM=", "AM"),
        GO_NOTE.replace("AM=", "AM=="),
        GO_NOTE.replace("AM=", "AM= "),
        GO_NOTE.replace("x08go", "-08go"),
        GO_NOTE.replace("think", "th\tink"),
        GO_NOTE.replace("think", "th\x00ink"),
        GO_NOTE.replace("think", "th\ud800ink"),
        f"{GO_TEXT}\n— PeterNeumann x08goA==\n",
        GO_NOTE + GO_LINE * notes.MAX_SIGNATURES,
        "x" * notes.MAX_NOTE_CHARACTERS + GO_NOTE,
    ],
)
def test_what_is_no_signed_note_is_refused(note: str) -> None:
    with pytest.raises(NoteError):
        notes.split(note)


def test_what_cannot_be_a_notes_text_is_not_signed() -> None:
    for text in ("", "no newline", "tab\t\n", "\ud800\n"):
        with pytest.raises(NoteError):
            notes.sign(text, OTHER)


def test_sixteen_signatures_are_accepted() -> None:
    signers = [SigningKey(f"example.com/{n}", bytes([n]) * 32) for n in range(16)]
    note = f"{GO_TEXT}\n" + "".join(line_of(notes.sign(GO_TEXT, signer)) for signer in signers)
    keys: list[VerifierKey] = [signer.verifier for signer in signers]
    assert [one.key for one in notes.verify(notes.split(note), keys)] == keys
