"""Signatures and provenance statements of models: made by whoever registers, verified by whoever serves."""

from pelton.provenance.envelopes import InvalidSignatureError
from pelton.provenance.keys import PublicKey, SigningKey, SigningKeyError, load_public_keys

__all__ = ["InvalidSignatureError", "PublicKey", "SigningKey", "SigningKeyError", "load_public_keys"]
