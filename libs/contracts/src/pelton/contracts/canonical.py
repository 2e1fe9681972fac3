"""One byte string for one value: what digests, signatures and replays are computed over."""

import hashlib
import json
import math
from typing import Any

from pydantic import BaseModel


def canonical_json(value: object) -> bytes:
    """UTF-8 JSON with sorted keys, no white space and the shortest round-trip floats.

    Raises:
        ValueError: a NaN or an infinity, which JSON cannot say.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def json_object(value: dict[str, Any]) -> dict[str, Any]:
    """The value, if JSON can say it.

    Raises:
        ValueError: it cannot; the message names the place.
    """
    _check_json(value, "")
    return value


def _check_json(value: object, path: str) -> None:
    match value:
        case None | bool() | int():
            pass
        case str():
            _check_text(value, path)
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{path or 'it'} is {value}, which JSON cannot say")
        case list() | tuple():
            for place, one in enumerate(value):
                _check_json(one, f"{path}[{place}]")
        case dict():
            foreign = [name for name in value if not isinstance(name, str)]
            if foreign:
                raise ValueError(f"{path or 'it'} has the key {foreign[0]!r}, which is no text: put it in quotes")
            for name, one in value.items():
                _check_text(name, path or "it")
                _check_json(one, f"{path}.{name}" if path else name)
        case _:
            raise ValueError(f"{path} is a {type(value).__name__}, which JSON cannot say: write it as a text")


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{path} has half of a surrogate pair, which is no character") from None


def sha256(data: bytes) -> str:
    """The digest of bytes, as every fact writes it: `sha256:` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest(value: object) -> str:
    """The digest of a value's canonical JSON."""
    return sha256(canonical_json(value))
