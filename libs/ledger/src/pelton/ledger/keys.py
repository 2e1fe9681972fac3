"""Ed25519 keys of signed notes, in the text forms that Go's `golang.org/x/mod/sumdb/note` reads and writes too."""

import re
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pelton.ledger.encoding import from_base64, to_base64
from pelton.ledger.errors import SigningKeyError

KEY_BYTES: Final = 32
_PRIVATE: Final = "PRIVATE+KEY+"
_FORBIDDEN: Final = re.compile(r"[\s+\x00-\x1f\ud800-\udfff]")


class Purpose(IntEnum):
    """The signature type of C2SP signed notes: what a key may sign."""

    LOG = 0x01
    """Ed25519 over the note's text."""
    WITNESS = 0x04
    """Timestamped Ed25519 cosignature (C2SP tlog-cosignature)."""


def require_name(name: str) -> None:
    """Check a key's name: not empty, no space of any kind, no plus, no control character, valid Unicode.

    Raises:
        SigningKeyError: it breaks one of these.
    """
    if not name or _FORBIDDEN.search(name):
        raise SigningKeyError(
            f"{name!r} cannot name a key: use a URL without scheme, such as example.com/pelton, without space or plus."
        )


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under the name it signs by."""

    name: str
    public: bytes
    purpose: Purpose = Purpose.LOG

    def __post_init__(self) -> None:
        require_name(self.name)
        if len(self.public) != KEY_BYTES:
            raise SigningKeyError(f"The public key of {self.name} is {len(self.public)} bytes, not {KEY_BYTES}.")

    @property
    def key_id(self) -> bytes:
        """SHA-256(name ‖ 0x0A ‖ purpose ‖ public key), its first 4 bytes: tells keys apart, proves nothing."""
        return sha256(self.name.encode() + b"\n" + bytes([self.purpose]) + self.public).digest()[:4]

    def __str__(self) -> str:
        """The vkey text: `name+key id in hex+base64(purpose ‖ public key)`."""
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes([self.purpose]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a vkey text, surrounding white space aside.

        Raises:
            SigningKeyError: it is none, has another algorithm, or its key id is not that of its key.
        """
        name, key_id, material = _split(text.strip(), "verifier key")
        if material[0] not in set(Purpose):
            raise SigningKeyError(
                f"The key of {name} has type 0x{material[0]:02x}: only 01 and 04 (Ed25519) are known."
            )
        key = cls(name, material[1:], Purpose(material[0]))
        _require_id(key, key_id)
        return key

    def accepts(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature over the message is this key's; one that is not 64 bytes never is."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A log's private key: the 32-byte seed of RFC 8032, and the name it signs by."""

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        require_name(self.name)
        if len(self.seed) != KEY_BYTES:
            raise SigningKeyError(f"The seed of {self.name} is {len(self.seed)} bytes, not {KEY_BYTES}.")

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self._private.public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """The secret text: `PRIVATE+KEY+name+key id in hex+base64(0x01 ‖ seed)`."""
        material = to_base64(bytes([Purpose.LOG]) + self.seed)
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{material}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a secret text, surrounding white space aside. Its errors never quote it.

        Raises:
            SigningKeyError: it is none, has another algorithm, or its key id is not that of its key.
        """
        stripped = text.strip()
        if not stripped.startswith(_PRIVATE):
            raise SigningKeyError(f"A signing key's text starts with {_PRIVATE}; this does not.")
        name, key_id, material = _split(stripped.removeprefix(_PRIVATE), "signing key")
        if material[0] != Purpose.LOG:
            raise SigningKeyError(
                f"The signing key of {name} has type 0x{material[0]:02x}: only 01 (Ed25519) is known."
            )
        key = cls(name, material[1:])
        _require_id(key.verifier, key_id)
        return key

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature, 64 bytes; the same for the same message."""
        return self._private.sign(message)

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def _split(text: str, what: str) -> tuple[str, str, bytes]:
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        material = from_base64(encoded)
    except ValueError:
        material = b""
    if not material:
        raise SigningKeyError(f"This is no {what}: one is written name+8 hexadecimal digits+base64, on one line.")
    return name, key_id, material


def _require_id(key: VerifierKey, key_id: str) -> None:
    if key.key_id.hex() != key_id:
        raise SigningKeyError(
            f"The key of {key.name} has id {key.key_id.hex()}, but its text says {key_id!r}: a part of it was changed."
        )
