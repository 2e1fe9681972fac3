"""`pelton model verify`: whether a version is what was signed, and what is known of how it came about."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from pelton.cli.rows import console
from pelton.contracts.canonical import sha256
from pelton.provenance import InvalidSignatureError, PublicKey, SigningKeyError, load_public_keys
from pelton.provenance.signatures import verify_files
from pelton.provenance.statements import verify_provenance
from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError

app = typer.Typer()

MANIFEST = "file-manifest"


class NotVerifiedError(PeltonError):
    """Something is not what was signed; the message says what."""


@app.command("verify")
def verify(
    name: str,
    version: int,
    public_key: Annotated[
        Path | None, typer.Option(help="PEM of the keys to believe; those of the home's own registry by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """Fetch all that a version is made of, and check it against its signature and the statement of what made it."""
    with Client() as client:
        path = public_key or client.address.home / "secrets" / "signing.pub"
        try:
            keys = load_public_keys(path)
        except SigningKeyError as error:
            raise PeltonError(f"{error}; name another by --public-key") from error
        told = client.get("registry", f"/v1/models/{quote(name, safe='')}/versions/{version}/signature")
        files = _files(client, told)
        predicate = _verified(client, told, files, keys)
    if as_json:
        typer.echo(json.dumps({**told, "files": files, "provenance": predicate}))
        return
    console.print(f"{name} version {version} is what was signed, by the key {told['key_id']}.", highlight=False)
    for file, digest in sorted(files.items()):
        console.print(f"  {file}  {digest}", highlight=False, markup=False)
    for words in _story(predicate):
        console.print(words, highlight=False, markup=False)


def _files(client: Client, told: Mapping[str, Any]) -> dict[str, str]:
    """Every file of the artifact, fetched and checked, by path."""
    content = _fetch(client, told["artifact"], "the artifact")
    if told["format"] != MANIFEST:
        return {f"model.{told['format']}": told["artifact"]}
    files = {one["path"]: one["digest"] for one in json.loads(content)["files"]}
    for path, digest in files.items():
        _fetch(client, digest, path)
    return files


def _verified(
    client: Client, told: Mapping[str, Any], files: Mapping[str, str], keys: tuple[PublicKey, ...]
) -> Mapping[str, Any]:
    try:
        verify_files(_fetch(client, told["signature"], "the signature"), files, keys)
    except InvalidSignatureError as error:
        raise NotVerifiedError(f"the signature does not hold: {error}") from error
    try:
        return verify_provenance(_fetch(client, told["provenance"], "the statement"), told["artifact"], keys)
    except InvalidSignatureError as error:
        raise NotVerifiedError(f"the statement of provenance does not hold: {error}") from error


def _fetch(client: Client, digest: str, what: str) -> bytes:
    content = client.send("registry", "GET", f"/v1/artifacts/{digest}").content
    if sha256(content) != digest:
        raise NotVerifiedError(f"{what} should have the digest {digest}, and has {sha256(content)}")
    return content


def _story(predicate: Mapping[str, Any]) -> list[str]:
    """What a statement says, in lines."""
    build, run = predicate["buildDefinition"], predicate["runDetails"]
    given = {name: value for name, value in build["externalParameters"].items() if value not in (None, {}, "")}
    recorded = f"recorded by {run['byproducts'][0]['annotations']['actor']} at {run['metadata']['finishedOn']}"
    return [
        f"It was made by {run['builder']['id']}, run {run['metadata']['invocationId']}, and {recorded}:",
        *(f"  {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in given.items()),
        *(f"  from {one['name']}  sha256:{one['digest']['sha256']}" for one in build["resolvedDependencies"]),
    ]
