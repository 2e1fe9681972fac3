"""`pelton artifact allow | revoke | allowed`: an administrator's word for content that could run code."""

import json
from typing import Annotated
from urllib.parse import quote

import typer

from pelton.cli.rows import console, every_row
from pelton.sdk.client import Client

app = typer.Typer()
artifact = typer.Typer(no_args_is_help=True, help="What could run code, and who answers for it.")
app.add_typer(artifact, name="artifact")

Digest = Annotated[str, typer.Argument(help="Of a file, or of all that a version is made of: sha256:…")]
Json = Annotated[bool, typer.Option("--json", help="For a script.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays on record.")]


@artifact.command()
def allow(digest: Digest, reason: Reason, as_json: Json = False) -> None:
    """Answer for a content that could run code: gates let it pass from here on."""
    _decide("allow", digest, reason)
    _done({"digest": digest, "allowed": True}, f"{digest} passes from here on, wherever it is.", as_json=as_json)


@artifact.command()
def revoke(digest: Digest, reason: Reason, as_json: Json = False) -> None:
    """Answer for it no longer: it passes no gate; a version that has passed stays where it is."""
    _decide("revoke", digest, reason)
    _done({"digest": digest, "allowed": False}, f"{digest} passes no gate any more.", as_json=as_json)


@artifact.command()
def allowed(as_json: Json = False) -> None:
    """What administrators answer for now."""
    with Client() as client:
        found = every_row(client, "registry", "/v1/allowances")
    lines = [f"{one['digest']}  by {one['actor']} on {one['time'][:10]}: {one['reason']}" for one in found]
    _done(found, "\n".join(lines) or "Nothing yet.", as_json=as_json)


def _decide(word: str, digest: str, reason: str) -> None:
    with Client() as client:
        client.post("registry", f"/v1/artifacts/{quote(digest, safe='')}/{word}", {"reason": reason})


def _done(answer: object, words: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        console.print(words, highlight=False, markup=False, soft_wrap=True)
