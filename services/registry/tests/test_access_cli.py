"""The command line, on a registry that answers over HTTP."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from registry_door import KEY, Door
from typer.testing import CliRunner, Result

from pelton.cli.main import app
from pelton.eventkit.identity import InvalidTokenError, Role, TokenVerifier, load_or_create_key, mint
from pelton.local import ports
from pelton.testkit import eventually

Command = Callable[..., Awaitable[Result]]


@pytest.fixture
async def pelton(door: Door, tmp_path: Path) -> AsyncIterator[Command]:
    """The command of an administrator, `ann`."""
    port_base = ports.free_block(2)
    config = uvicorn.Config(door.app, port=port_base + 1, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    environment = {
        "PELTON_HOME": str(tmp_path),
        "PELTON_PORT_BASE": str(port_base),
        "PELTON_TOKEN": mint(KEY, "ann", Role.ADMIN, datetime.now(UTC), timedelta(hours=1)),
        "COLUMNS": "200",
    }

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, list(words), env=environment)

    yield run
    server.should_exit = True
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def done(pelton: Command, *words: str) -> str:
    result = await pelton(*words)
    assert result.exit_code == 0, result.output
    return result.output


async def test_teams_are_set_shown_and_removed(pelton: Command, door: Door) -> None:
    await done(pelton, "team", "set", "fraud", "--member", "vera=approver", "--member", "bob=viewer", "--model", "f-*")
    shown = await done(pelton, "team", "list")
    assert "bob (viewer), vera (approver)" in shown
    (listed,) = json.loads(await done(pelton, "team", "list", "--json"))
    assert listed["details"]["models"] == ["f-*"]
    await done(pelton, "team", "remove", "fraud")
    assert (await door.get("/teams"))["teams"] == []
    assert (await pelton("team", "set", "fraud", "--member", "vera")).exit_code == 2


async def test_a_restriction_is_set_explained_and_lifted(pelton: Command, door: Door) -> None:
    words = ["--model", "*", "--tag", "env=prod", "--tag", "pii", "--alias", "champion", "--user", "bob"]
    await done(pelton, "access", "restrict", "guard", "--action", "delete", *words, "--reason", "it is in use")
    (restriction,) = (await door.get("/restrictions"))["restrictions"]
    assert restriction["details"]["when"] == {"tags": {"env": "prod", "pii": None}, "aliases": ["champion"]}
    assert "env=prod, pii, @champion" in await done(pelton, "access", "list")
    question = ["access", "check", "delete", "--model", "late", "--user", "vera", "--role", "approver"]
    assert (await done(pelton, *question)).startswith("yes: ")
    await done(pelton, "access", "restrict", "guard", "--action", "delete", "--model", "*", "--reason", "it is in use")
    refused = await pelton(*question)
    assert refused.exit_code == 1
    assert "no: model late is restricted (guard): it is in use (restriction:guard)" in refused.output
    assert json.loads((await pelton(*question, "--json")).output)["rules"] == ["restriction:guard"]
    await done(pelton, "access", "lift", "guard", "--reason", "no longer")
    assert (await door.facts())[-1]["data"] == {"restriction": "guard", "reason": "no longer"}


async def test_a_token_lets_its_owner_in_with_their_role_until_it_expires(pelton: Command, tmp_path: Path) -> None:
    key = load_or_create_key(tmp_path / "secrets" / "token.key")
    token = (await done(pelton, "token", "vera", "--role", "contributor", "--days", "2")).strip()
    now = datetime.now(UTC)
    actor = TokenVerifier(key).verify(token, now.timestamp())
    assert (actor.name, actor.role) == ("vera", Role.CONTRIBUTOR)
    with pytest.raises(InvalidTokenError, match="expired"):
        TokenVerifier(key).verify(token, (now + timedelta(days=2, minutes=1)).timestamp())
    for words in (["--days", "0"], ["--role", "king"]):
        assert (await pelton("token", "vera", *words)).exit_code == 2
    refused = await pelton("token", "service:registry")
    assert "choose another" in str(refused.exception)


async def test_a_home_without_a_key_mints_nothing(pelton: Command) -> None:
    refused = await pelton("token", "vera")
    assert refused.exit_code == 1
    assert "cannot be read" in str(refused.exception)
