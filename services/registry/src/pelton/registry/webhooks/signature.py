"""Signatures of what is sent, in the Standard Webhooks format and in MLflow's. Pure.

Both are HMAC-SHA256 over `id.timestamp.body`, and differ in the key: a secret `whsec_…` is the key in base64, one of
MLflow's is the key as it stands.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

PREFIX: Final = "whsec_"
KEY_BYTES: Final = 32
SHORTEST_KEY: Final = 24


class WeakSecretError(ValueError):
    """A secret that cannot be used; the message says how one looks."""


def secret_of(key: bytes) -> str:
    """A key as the secret that a receiver is given."""
    return PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """The key of a secret.

    Raises:
        WeakSecretError: it is not `whsec_` and at least 24 bytes in base64.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or len(key) < SHORTEST_KEY:
        raise WeakSecretError(f"a secret is {PREFIX} and at least {SHORTEST_KEY} random bytes in base64")
    return key


def standard_headers(secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The headers of Standard Webhooks: one signature for each secret, so that a receiver may know either."""
    signatures = [_sign(key_of(secret), message_id, timestamp, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def mlflow_headers(secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The headers that receivers of MLflow's webhooks verify by the newest secret; without one, none is a signature."""
    headers = {"X-MLflow-Delivery-Id": message_id, "X-MLflow-Timestamp": str(timestamp)}
    newest = next(iter(secrets), None)
    if newest is not None:
        headers["X-MLflow-Signature"] = _sign(newest.encode(), message_id, timestamp, body)
    return headers


def _sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    digest = hmac.new(key, b".".join((message_id.encode(), str(timestamp).encode(), body)), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
