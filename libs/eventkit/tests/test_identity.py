"""Who acts: only a token that this platform's key signed, and that has not expired, lets somebody in."""

import base64
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from pelton.eventkit.identity import (
    KEY_BYTES,
    REMEMBERED_TOKENS,
    Actor,
    InvalidTokenError,
    KeyFileError,
    Role,
    TokenVerifier,
    load_key,
    load_or_create_key,
    mint,
)

KEY = b"k" * KEY_BYTES
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def signed(claims: dict[str, object], algorithm: str = "HS256") -> str:
    return jwt.encode({"alg": algorithm}, claims, OctKey.import_key(KEY), algorithms=[algorithm])


def part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


@given(st.text(min_size=1, max_size=50).filter(lambda text: text.isprintable()), st.sampled_from(Role))
def test_a_minted_token_names_its_actor(name: str, role: Role) -> None:
    token = mint(KEY, name, role, NOW, HOUR)
    assert TokenVerifier(KEY).verify(token, NOW.timestamp()) == Actor(name, role)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("needed", Role)
def test_each_role_may_what_those_before_it_may(role: Role, needed: Role) -> None:
    order = ["viewer", "contributor", "approver", "admin"]
    assert Actor("a", role).may(needed) == (order.index(role.name.lower()) >= order.index(needed.name.lower()))


def test_a_token_expires_also_when_it_was_verified_before() -> None:
    verifier = TokenVerifier(KEY)
    token = mint(KEY, "ada", Role.VIEWER, NOW, HOUR)
    end = (NOW + HOUR).timestamp()
    verifier.verify(token, end - 1)
    for each in (verifier, TokenVerifier(KEY)):
        with pytest.raises(InvalidTokenError, match="expired"):
            each.verify(token, end)


def test_another_platforms_token_has_a_bad_signature() -> None:
    token = mint(b"x" * KEY_BYTES, "ada", Role.ADMIN, NOW, HOUR)
    with pytest.raises(InvalidTokenError, match="bad signature"):
        TokenVerifier(KEY).verify(token, NOW.timestamp())


def test_a_role_that_was_changed_after_signing_is_refused() -> None:
    head, _, signature = mint(KEY, "ada", Role.VIEWER, NOW, HOUR).split(".")
    forged = part({"sub": "ada", "role": "admin", "exp": 2**40})
    with pytest.raises(InvalidTokenError, match="bad signature"):
        TokenVerifier(KEY).verify(f"{head}.{forged}.{signature}", NOW.timestamp())


def test_the_algorithm_is_ours_and_never_the_tokens() -> None:
    claims: dict[str, object] = {"sub": "ada", "role": "admin", "exp": 2**40}
    unsigned = f"{part({'alg': 'none'})}.{part(claims)}."
    for token in (unsigned, signed(claims, "HS384")):
        with pytest.raises(InvalidTokenError, match="malformed"):
            TokenVerifier(KEY).verify(token, NOW.timestamp())


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"role": "root"}, "role"),
        ({"role": 4}, "role"),
        ({"exp": None}, "exp"),
        ({"exp": "never"}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"exp": True}, "exp"),
    ],
)
def test_a_signed_token_without_a_valid_claim_says_which(change: dict[str, object], claim: str) -> None:
    token = signed({"sub": "ada", "role": "admin", "exp": 2**40} | change)
    with pytest.raises(InvalidTokenError, match=f"`{claim}`"):
        TokenVerifier(KEY).verify(token, NOW.timestamp())


@given(st.one_of(st.text(), st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True)))
def test_any_text_is_refused_in_the_same_way(token: str) -> None:
    with pytest.raises(InvalidTokenError):
        TokenVerifier(KEY).verify(token, 0)


def test_a_header_of_nothing_but_brackets_is_only_malformed() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 2900).decode().rstrip("=")
    for token in (f"{deep}.e30.x", f"{deep * 10}.e30.x"):
        with pytest.raises(InvalidTokenError, match="malformed"):
            TokenVerifier(KEY).verify(token, 0)


def test_what_is_remembered_is_bounded() -> None:
    verifier = TokenVerifier(KEY)
    for number in range(REMEMBERED_TOKENS + 10):
        verifier.verify(mint(KEY, f"actor-{number}", Role.VIEWER, NOW, HOUR), NOW.timestamp())
    assert 0 < len(verifier._known) <= REMEMBERED_TOKENS


def test_the_key_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "token.key"
    key = load_or_create_key(path)
    assert len(key) == KEY_BYTES
    assert load_or_create_key(path) == load_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_who_makes_the_key_at_once_gets_the_same(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "token.key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(load_or_create_key, [path] * 32))
    assert len(keys) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token.key"
    load_or_create_key(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_or_create_key(path)


def test_a_missing_or_short_key_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "token.key"
    with pytest.raises(KeyFileError, match="pelton up"):
        load_key(path)
    path.touch(0o600)
    with pytest.raises(KeyFileError, match="delete it"):
        load_or_create_key(path)
