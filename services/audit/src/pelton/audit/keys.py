"""The log's own key, made at the first start."""

from contextlib import suppress
from pathlib import Path

from pelton.ledger import keyfile
from pelton.ledger.errors import SigningKeyError
from pelton.ledger.keys import SigningKey


def load_or_generate(key_file: Path, vkey_file: Path, origin: str) -> SigningKey:
    """The key that signs checkpoints; beside it the public key, for whoever verifies.

    Raises:
        SigningKeyError: others can read the key, or it signs for another log.
        OSError: the folder cannot be written.
    """
    key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not key_file.exists():
        with suppress(SigningKeyError):  # another replica was a moment faster; its key is the log's
            keyfile.generate(key_file, origin)
    key = keyfile.load(key_file)
    if key.name != origin:
        raise SigningKeyError(f"{key_file} signs for {key.name}, and this log is {origin}: set PELTON_ORIGIN back.")
    if not vkey_file.exists():
        vkey_file.write_text(f"{key.verifier}\n")
    return key
