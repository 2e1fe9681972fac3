from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from pelton.provenance import SigningKey, SigningKeyError, load_public_keys


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "signing.key"
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: SigningKey.load_or_create(path).public.id, range(8)))
    assert len(set(made)) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.id for one in load_public_keys(path.with_suffix(".pub"))] == made[:1]
    assert {one.name for one in path.parent.iterdir()} == {"signing.key", "signing.pub"}


def test_what_a_key_signed_its_public_part_verifies_and_no_other(tmp_path: Path) -> None:
    key, other = (SigningKey.load_or_create(tmp_path / f"{name}.key") for name in "ab")
    signature = key.sign(b"data")
    assert key.public.verifies(signature, b"data")
    assert not key.public.verifies(signature, b"other")
    assert not key.public.verifies(b"", b"data")
    assert not other.public.verifies(signature, b"data")


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = SigningKey.load_or_create(tmp_path / "signing.key").path
    path.chmod(0o640)
    with pytest.raises(SigningKeyError, match="run: chmod 600"):
        SigningKey.load(path)


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n", "no private key in PEM"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "P-256"),
    ],
)
def test_what_is_no_key_for_this_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "signing.key"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(SigningKeyError, match=said):
        SigningKey.load_or_create(path)
    assert not path.with_suffix(".pub").exists()


def test_a_public_key_that_is_missing_or_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.pub"
    with pytest.raises(SigningKeyError, match="/v1/signing-key"):
        load_public_keys(path)
    for content, said in [
        (b"ssh-rsa", "no public key"),
        (b"-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n", "cannot be read"),
    ]:
        path.write_bytes(content)
        with pytest.raises(SigningKeyError, match=said):
            load_public_keys(path)
