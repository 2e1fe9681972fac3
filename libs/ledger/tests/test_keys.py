from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.ledger import keyfile
from pelton.ledger.errors import SigningKeyError
from pelton.ledger.keys import Purpose, SigningKey, VerifierKey

# The example keys in the documentation of Go's golang.org/x/mod/sumdb/note.
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"

NAMES = st.text(st.characters(min_codepoint=33, exclude_categories=["Zs", "Zl", "Zp", "Cc", "Cs"]), min_size=1).map(
    lambda name: name.replace("+", "-")
)
SEEDS = st.binary(min_size=32, max_size=32)


def test_keys_of_gos_note_package_are_read_and_written() -> None:
    assert SigningKey.parse(GO_SIGNER).text == GO_SIGNER
    assert str(SigningKey.parse(GO_SIGNER).verifier) == GO_VERIFIER
    assert str(VerifierKey.parse(GO_VERIFIER + "\n")) == GO_VERIFIER


@given(NAMES, SEEDS, st.sampled_from(Purpose))
def test_keys_come_back_from_their_texts(name: str, seed: bytes, purpose: Purpose) -> None:
    key = SigningKey(name, seed)
    assert SigningKey.parse(key.text) == key
    verifier = VerifierKey(name, key.verifier.public, purpose)
    assert VerifierKey.parse(str(verifier)) == verifier


@given(st.integers(0, len(GO_VERIFIER) - 1), st.characters())
def test_a_verifier_key_with_any_character_changed_is_refused(at: int, character: str) -> None:
    changed = GO_VERIFIER[:at] + character + GO_VERIFIER[at + 1 :]
    if changed.strip() != GO_VERIFIER:
        with pytest.raises(SigningKeyError):
            VerifierKey.parse(changed)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\u2028b", "a\tb", "a\x01b", "\ud800"])
def test_a_name_that_would_break_a_note_is_refused(name: str) -> None:
    with pytest.raises(SigningKeyError, match="cannot name a key"):
        SigningKey(name, bytes(32))


def test_the_secret_shows_neither_in_the_representation_nor_in_errors() -> None:
    key = SigningKey.parse(GO_SIGNER)
    assert "AYEK" not in repr(key)
    assert repr(key.seed) not in repr(key)
    with pytest.raises(SigningKeyError) as refused:
        SigningKey.parse(GO_SIGNER.replace("c74f20a3", "c74f20a4"))
    assert "AYEK" not in str(refused.value)


def test_a_generated_key_is_its_owners_alone_and_loads_again(tmp_path: Path) -> None:
    key = keyfile.generate(tmp_path / "audit.key", "example.com/log")
    assert (tmp_path / "audit.key").stat().st_mode & 0o777 == 0o600
    assert keyfile.load(tmp_path / "audit.key") == key
    assert [path.name for path in tmp_path.iterdir()] == ["audit.key"]
    assert keyfile.generate(tmp_path / "other.key", "example.com/log") != key


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    key = keyfile.generate(tmp_path / "audit.key", "example.com/log")
    with pytest.raises(SigningKeyError, match="exists"):
        keyfile.generate(tmp_path / "audit.key", "example.com/log")
    assert keyfile.load(tmp_path / "audit.key") == key
    assert [path.name for path in tmp_path.iterdir()] == ["audit.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    keyfile.generate(tmp_path / "audit.key", "example.com/log")
    (tmp_path / "audit.key").chmod(mode)
    with pytest.raises(SigningKeyError, match=f"mode 0{mode:o}.*chmod 600"):
        keyfile.load(tmp_path / "audit.key")


@pytest.mark.parametrize("content", [b"", b"PRIVATE+KEY+x", b"\xff\xfe", GO_VERIFIER.encode()])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "audit.key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(SigningKeyError, match=r"audit\.key holds no signing key"):
        keyfile.load(path)
