"""Base64 and decimals read strictly, so that one value has one text and nothing signed or proven can be respelt."""

import base64
import binascii

from pelton.ledger.merkle import MAX_SIZE


def to_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """Read exactly what `to_base64` writes.

    Raises:
        ValueError: other characters, wrong padding, or unused bits that are not zero.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError(f"{text!r} is not base64: {error}") from error
    if to_base64(data) != text:
        raise ValueError(f"{text!r} is not the base64 that its bytes have: {to_base64(data)!r} is")
    return data


def from_decimal(text: str) -> int:
    """Read an ASCII decimal in 0..2⁶³-1 without sign or leading zeros.

    Raises:
        ValueError: anything else.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(MAX_SIZE)) or (text[0] == "0" and text != "0"):
        raise ValueError(f"{text!r} is not a decimal number without sign or leading zeros")
    number = int(text)
    if number > MAX_SIZE:
        raise ValueError(f"{text} is larger than {MAX_SIZE}")
    return number
