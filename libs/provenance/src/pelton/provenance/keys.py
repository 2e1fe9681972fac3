"""The key that signs what versions are, and the keys that are believed: elliptic curve P-256, in PEM files."""

import hashlib
import re
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PUBLIC_SUFFIX: Final = ".pub"
_PEM: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)


class SigningKeyError(Exception):
    """A key that is missing, unfit or not kept safe; the message says what to do."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies; `id` is the SHA-256 of its PEM, which is also the hint in a model signature."""

    id: str
    pem: bytes
    _key: ec.EllipticCurvePublicKey

    @classmethod
    def of(cls, key: ec.EllipticCurvePublicKey) -> Self:
        """The public part of a key."""
        pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return cls(hashlib.sha256(pem).hexdigest(), pem, key)

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the private part of this key signed the data (ECDSA with SHA-256, in DER)."""
        try:
            self._key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key of who signs, and the file that it is kept in."""

    path: Path
    public: PublicKey
    _key: ec.EllipticCurvePrivateKey

    @classmethod
    def load(cls, path: Path) -> Self:
        """The key of a file.

        Raises:
            SigningKeyError: it is missing, is no such key, or others can read it.
        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            pem = path.read_bytes()
        except OSError as error:
            raise SigningKeyError(f"the signing key {path} cannot be read ({error.strerror})") from error
        if mode & 0o077:
            raise SigningKeyError(f"others can read the signing key {path} (mode {mode:o}); run: chmod 600 {path}")
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError) as error:
            raise SigningKeyError(f"the signing key {path} is no private key in PEM without a password") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise SigningKeyError(f"the signing key {path} is not on the elliptic curve P-256; make another")
        return cls(path, PublicKey.of(key.public_key()), key)

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """The key of a file, made at first use so that only its owner can read it; its public part lies beside it.

        Of several processes that make it at once all get the same key: it appears whole, or not at all.

        Raises:
            SigningKeyError: as `load`.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            _appear(
                path,
                made.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                ),
            )
        key = cls.load(path)
        _appear(path.with_suffix(PUBLIC_SUFFIX), key.public.pem)
        return key

    def sign(self, data: bytes) -> bytes:
        """A signature of data (ECDSA with SHA-256, in DER)."""
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))


def load_public_keys(path: Path) -> tuple[PublicKey, ...]:
    """The keys of a file with one PEM after another; a key that is retired stays until nothing it signed is served.

    Raises:
        SigningKeyError: the file is missing, or something in it is not a public key on the curve P-256.
    """
    try:
        found = _PEM.findall(path.read_bytes())
    except OSError as error:
        raise SigningKeyError(
            f"the public key {path} cannot be read ({error.strerror}); the registry makes it when it starts, "
            "and a registry elsewhere gives it at /v1/signing-key"
        ) from error
    keys = []
    for pem in found:
        try:
            key = serialization.load_pem_public_key(pem)
        except ValueError as error:
            raise SigningKeyError(f"{path} holds a public key that cannot be read") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
            raise SigningKeyError(f"{path} holds a public key that is not on the elliptic curve P-256")
        keys.append(PublicKey.of(key))
    if not keys:
        raise SigningKeyError(f"{path} holds no public key in PEM")
    return tuple(keys)


def _appear(path: Path, content: bytes) -> None:
    """Let a file appear whole, with mode 0600, unless it is there."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".key-") as draft:
        draft.write(content)
        draft.flush()
        with suppress(FileExistsError):
            path.hardlink_to(draft.name)
