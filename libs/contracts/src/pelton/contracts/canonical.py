"""One byte string for one value: what digests, signatures and replays are computed over."""

import hashlib
import json

from pydantic import BaseModel


def canonical_json(value: object) -> bytes:
    """UTF-8 JSON with sorted keys, no white space and the shortest round-trip floats.

    Raises:
        ValueError: a NaN or an infinity, which JSON cannot say.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256(data: bytes) -> str:
    """The digest of bytes, as every fact writes it: `sha256:` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest(value: object) -> str:
    """The digest of a value's canonical JSON."""
    return sha256(canonical_json(value))
