"""DSSE envelopes: a payload with its type, and signatures over both."""

import binascii
import json
from collections.abc import Sequence
from typing import Any, Final

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError
from securesystemslib.signer._signature import Signature

from pelton.provenance.keys import PublicKey, SigningKey

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"


class InvalidSignatureError(Exception):
    """What was signed cannot be believed; the message says why."""


def seal(payload: bytes, key: SigningKey) -> bytes:
    """An envelope, as JSON, of an in-toto statement that a key signs."""
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    signature = key.sign(envelope.pae())
    envelope.signatures[key.public.id] = Signature(key.public.id, signature.hex())
    return json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":")).encode()


def open_envelope(envelope: bytes, keys: Sequence[PublicKey]) -> Any:  # noqa: ANN401 - any JSON
    """The statement of an envelope that one of these keys signed.

    Raises:
        InvalidSignatureError: none of them did, or it is no envelope of a statement.
    """
    return statement_of(_read(envelope), keys)


def statement_of(document: object, keys: Sequence[PublicKey]) -> Any:  # noqa: ANN401 - any JSON
    """As `open_envelope`, for an envelope within another document."""
    try:
        envelope = Envelope.from_dict(json.loads(json.dumps(document)))
    except (KeyError, TypeError, ValueError, AttributeError, FormatError, binascii.Error) as error:
        raise InvalidSignatureError("it is no DSSE envelope") from error
    if envelope.payload_type != PAYLOAD_TYPE:
        raise InvalidSignatureError(f"its envelope holds {envelope.payload_type!r} instead of an in-toto statement")
    # A hint of the key is not signed: so each key tries each signature, whatever the hint says.
    signed = [bytes.fromhex(one.signature) for one in envelope.signatures.values()]
    if not any(key.verifies(signature, envelope.pae()) for key in keys for signature in signed):
        raise InvalidSignatureError(
            f"none of its {len(signed)} signatures is by a key that is believed ({', '.join(key.id for key in keys)})"
        )
    return _read(envelope.payload)


def _read(data: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidSignatureError("it is no JSON") from error
