"""The key that signatures are checked with."""

from pathlib import Path

from pelton.ledger.errors import SigningKeyError
from pelton.ledger.keys import VerifierKey
from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError


def trusted_key(client: Client, file: Path | None) -> VerifierKey:
    """The key in a file, by default in PELTON_HOME: never one that the audited service itself hands over.

    Raises:
        PeltonError: there is none, or it is no key.
    """
    path = file or client.address.home / "secrets" / "audit.vkey"
    try:
        return VerifierKey.parse(path.read_text())
    except OSError as error:
        raise PeltonError(
            f"the log's public key {path} cannot be read ({error.strerror}); name it with --vkey. "
            "GET /v1/vkey of the audit service shows one, but asking the audited for it proves nothing."
        ) from error
    except SigningKeyError as error:
        raise PeltonError(f"{path} is no public key of a log: {error}") from error
