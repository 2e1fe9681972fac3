"""Who acts: tokens, roles and the key that signs them."""

import secrets
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from pathlib import Path

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import OctKey

ALGORITHM = "HS256"
KEY_BYTES = 32
REMEMBERED_TOKENS = 1024


class Role(IntEnum):
    """What an actor may do; each may all that those before it may."""

    VIEWER = 1
    CONTRIBUTOR = 2
    APPROVER = 3
    ADMIN = 4


class InvalidTokenError(Exception):
    """A token that lets nobody in; the message says why."""


class KeyFileError(Exception):
    """A key file that is missing or not kept safe; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, or a service, and how they proved who they are."""

    name: str
    role: Role
    method: str = "token"

    def may(self, role: Role) -> bool:
        """Whether the actor has at least this role."""
        return self.role >= role


def mint(key: bytes, name: str, role: Role, now: datetime, lifetime: timedelta) -> str:
    """A signed token for an actor (JWT, HS256)."""
    claims = {
        "sub": name,
        "role": role.name.lower(),
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
    }
    return jwt.encode({"alg": ALGORITHM}, claims, OctKey.import_key(key))


class TokenVerifier:
    """Verifies tokens; one that was verified before costs a look-up, and its expiry is still honoured."""

    def __init__(self, key: bytes) -> None:
        self._key = OctKey.import_key(key)
        self._known: dict[str, tuple[Actor, float]] = {}

    def verify(self, token: str, now: float) -> Actor:
        """The actor of a token; `now` is in seconds since 1970.

        Raises:
            InvalidTokenError: malformed, signed by another key, or expired.
        """
        known = self._known.get(token)
        if known is None:
            known = self._decode(token)
            if len(self._known) >= REMEMBERED_TOKENS:
                self._known.clear()
            self._known[token] = known
        actor, expires = known
        if now >= expires:
            raise InvalidTokenError("the token has expired; ask for a new one")
        return actor

    def _decode(self, token: str) -> tuple[Actor, float]:
        try:
            claims = jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims
        except BadSignatureError as error:
            raise InvalidTokenError(
                "the token has a bad signature: another platform's key signed it, or it was changed; "
                "use the token of this platform's PELTON_HOME"
            ) from error
        except (JoseError, ValueError) as error:
            raise InvalidTokenError(f"the token is malformed: it is no JWT signed with {ALGORITHM}") from error
        name, role, expires = claims.get("sub"), claims.get("role"), claims.get("exp")
        known = {each.name.lower(): each for each in Role}
        if not (isinstance(name, str) and name):
            raise InvalidTokenError("the token is malformed: its claim `sub` names nobody")
        if not isinstance(role, str) or role not in known:
            raise InvalidTokenError(f"the token is malformed: its claim `role` is none of {', '.join(known)}")
        if type(expires) is not int:
            raise InvalidTokenError("the token is malformed: its claim `exp` is not in whole seconds since 1970")
        return Actor(name, known[role]), expires


def load_key(path: Path) -> bytes:
    """The signing key.

    Raises:
        KeyFileError: it is missing, too short, or others can read it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        key = path.read_bytes()
    except OSError as error:
        raise KeyFileError(
            f"the signing key {path} cannot be read ({error.strerror}); `pelton up` makes one, "
            "or set PELTON_HOME to the folder that has it"
        ) from error
    if mode & 0o077:
        raise KeyFileError(f"others can read the signing key {path} (mode {mode:o}); run: chmod 600 {path}")
    if len(key) < KEY_BYTES:
        raise KeyFileError(
            f"the signing key {path} has {len(key)} bytes, and needs {KEY_BYTES}; delete it for a new one"
        )
    return key


def load_or_create_key(path: Path) -> bytes:
    """The signing key, made at first use with a mode that only its owner can read.

    Of several processes that make it at once all get the same key: it appears whole, or not at all.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".key-") as draft:  # made with mode 0600
            draft.write(secrets.token_bytes(KEY_BYTES))
            draft.flush()
            with suppress(FileExistsError):
                path.hardlink_to(draft.name)
    return load_key(path)
