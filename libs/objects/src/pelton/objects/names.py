"""Digests as names: what is a digest, where its object lies in a store, and whether bytes are what it names."""

import hashlib
import re
from typing import Final

from pelton.contracts.values import Digest

_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")


class ObjectNotFoundError(LookupError):
    """Nothing has this digest in the store."""


class CorruptObjectError(Exception):
    """What the store gave is not what was put."""


class InvalidDigestError(ValueError):
    """Not a digest: `sha256:` and 64 hexadecimal digits."""


def path_of(digest: Digest) -> str:
    """Where the object of a digest lies, from the root of its area.

    Raises:
        InvalidDigestError: not a digest.
    """
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise InvalidDigestError(f"{digest[:100]!r} is no digest; one is `sha256:` and 64 hexadecimal digits")
    return f"sha256/{match[1][:2]}/{match[1][2:]}"


def check(digest: Digest, data: bytes) -> None:
    """Let bytes pass that have this digest.

    Raises:
        CorruptObjectError: they have another.
    """
    compare(digest, hashlib.sha256(data).hexdigest())


def compare(digest: Digest, found: str) -> None:
    """Let a digest pass that was computed, in hexadecimal, from bytes that came under this name.

    Raises:
        CorruptObjectError: it is another.
    """
    if digest != f"sha256:{found}":
        raise CorruptObjectError(
            f"the object {digest} was changed in the store: its bytes now have the digest sha256:{found}; "
            "restore it from a backup, or make it again and put it"
        )
