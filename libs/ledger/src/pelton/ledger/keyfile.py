"""Signing keys in files that their owner alone can read."""

import os
import secrets
import stat
from pathlib import Path

from pelton.ledger.errors import SigningKeyError
from pelton.ledger.keys import KEY_BYTES, SigningKey

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def generate(path: Path, name: str) -> SigningKey:
    """Make a key and write it, mode 0600, to a file that must not exist yet. It is on disk when this returns.

    Raises:
        SigningKeyError: the file exists (a log's key is never overwritten), or the name cannot name a key.
        OSError: the folder is missing or cannot be written.
    """
    key = SigningKey(name, secrets.token_bytes(KEY_BYTES))
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(key.text + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces; and whoever finds the file finds a whole key in it.
        os.link(draft, path)
    except FileExistsError as error:
        raise SigningKeyError(f"{path} exists: load that key, or move it away if the log is to start anew.") from error
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return key


def load(path: Path) -> SigningKey:
    """Read a key that no one but the file's owner can read.

    Raises:
        SigningKeyError: others can read or write it, it is no regular file, or not a key.
        OSError: it is missing or cannot be read.
    """
    with path.open(encoding="utf-8") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise SigningKeyError(f"{path} is not a regular file.")
        if mode & _OTHERS:
            raise SigningKeyError(
                f"{path} can be used by others (mode {stat.S_IMODE(mode):04o}): if no one has read it, "
                f"run `chmod 600 {path}`; otherwise make a new key."
            )
        try:
            return SigningKey.parse(file.read())
        except (SigningKeyError, UnicodeDecodeError) as error:
            raise SigningKeyError(f"{path} holds no signing key: {error}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
