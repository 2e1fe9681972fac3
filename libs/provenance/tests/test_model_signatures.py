import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_signing import signing, verifying

from pelton.contracts.canonical import sha256
from pelton.provenance import InvalidSignatureError, PublicKey, SigningKey, load_public_keys
from pelton.provenance.signatures import sign_files, verify_files

CONTENTS = {"MLmodel": b"flavors: {}", "data/weights": bytes(range(256)), "模型/权重": b"w"}
FILES = {path: sha256(content) for path, content in CONTENTS.items()}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.load_or_create(tmp_path_factory.mktemp("secrets") / "signing.key")


@pytest.fixture(scope="module")
def keys(key: SigningKey) -> tuple[PublicKey, ...]:
    return (key.public,)


@pytest.fixture(scope="module")
def signature(key: SigningKey) -> bytes:
    return sign_files("late", FILES, key)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, content in CONTENTS.items():
        (tmp_path / "model" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / path).write_bytes(content)
    return tmp_path / "model"


def test_signed_files_are_verified(signature: bytes, keys: tuple[PublicKey, ...]) -> None:
    verify_files(signature, FILES, keys)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (FILES | {"MLmodel": sha256(b"other")}, r"of 'MLmodel' with the content sha256:.+, which has sha256:"),
        (FILES | {"code.py": sha256(b"")}, "not of the file 'code.py'"),
        ({path: digest for path, digest in FILES.items() if path != "MLmodel"}, "of a file 'MLmodel', which is not"),
        ({}, "which is not there"),
    ],
)
def test_other_files_are_refused_by_name(
    signature: bytes, keys: tuple[PublicKey, ...], files: Mapping[str, str], said: str
) -> None:
    with pytest.raises(InvalidSignatureError, match=said):
        verify_files(signature, files, keys)


def test_another_key_is_not_believed_until_it_is_among_the_keys(
    signature: bytes, keys: tuple[PublicKey, ...], tmp_path: Path
) -> None:
    other = SigningKey.load_or_create(tmp_path / "signing.key").public
    with pytest.raises(InvalidSignatureError, match=other.id):
        verify_files(signature, FILES, (other,))
    verify_files(signature, FILES, (other, *keys))
    with pytest.raises(InvalidSignatureError):
        verify_files(signature, FILES, ())


def test_model_signing_itself_verifies_what_was_signed_without_the_files(
    signature: bytes, key: SigningKey, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.sig"
    path.write_bytes(signature)
    config = verifying.Config().use_elliptic_key_verifier(public_key=key.path.with_suffix(".pub"))
    config.verify(folder, path)
    (folder / "MLmodel").write_bytes(b"changed")
    with pytest.raises(ValueError, match="MLmodel"):
        config.verify(folder, path)


def test_what_model_signing_signed_from_the_files_is_verified_without_them(
    key: SigningKey, keys: tuple[PublicKey, ...], folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.sig"
    signing.Config().use_elliptic_key_signer(private_key=key.path).sign(folder, path)
    verify_files(path.read_bytes(), FILES, keys)


def rewritten(signature: bytes, **changes: object) -> bytes:
    """The same bundle around another statement, still with the old signature."""
    bundle = json.loads(signature)
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"])) | changes
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    return json.dumps(bundle).encode()


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"mediaType": "application/json"}',
        b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}',
        b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": []}',
        b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": {"payload": "!"}}',
    ],
)
def test_what_is_no_signature_is_refused(broken: bytes, keys: tuple[PublicKey, ...]) -> None:
    with pytest.raises(InvalidSignatureError):
        verify_files(broken, FILES, keys)


def test_a_statement_that_was_rewritten_is_refused(signature: bytes, keys: tuple[PublicKey, ...]) -> None:
    with pytest.raises(InvalidSignatureError, match="none of its 1 signatures"):
        verify_files(rewritten(signature, subject=[]), FILES, keys)


def test_a_signature_over_another_kind_of_payload_is_refused(signature: bytes, keys: tuple[PublicKey, ...]) -> None:
    bundle = json.loads(signature)
    bundle["dsseEnvelope"]["payloadType"] = "text/plain"
    with pytest.raises(InvalidSignatureError, match="instead of an in-toto statement"):
        verify_files(json.dumps(bundle).encode(), FILES, keys)


@given(st.data())
def test_no_bit_can_be_changed_so_that_other_files_pass(data: st.DataObject) -> None:
    signature, public = _fixed()
    changed = bytearray(signature)
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(InvalidSignatureError):
        verify_files(bytes(changed), FILES | {"MLmodel": sha256(b"other")}, (public,))


_KEPT: list[tuple[bytes, PublicKey]] = []


def _fixed() -> tuple[bytes, PublicKey]:
    return _KEPT[0]


@pytest.fixture(autouse=True)
def _keep(signature: bytes, key: SigningKey) -> None:
    _KEPT[:] = [(signature, key.public)]


def test_several_public_keys_lie_in_one_file(tmp_path: Path) -> None:
    made = [SigningKey.load_or_create(tmp_path / f"{name}.key").public for name in "ab"]
    (tmp_path / "both.pub").write_bytes(b"# retired in June\n" + made[0].pem + made[1].pem)
    assert [one.id for one in load_public_keys(tmp_path / "both.pub")] == [one.id for one in made]
