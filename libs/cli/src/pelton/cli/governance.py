"""`pelton model promote | approvals | comment | history | policy | alias | variants | deprecate`: people's words."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from pelton.cli.rows import console, every_row, show
from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError

app = typer.Typer()
policy = typer.Typer(no_args_is_help=True, help="What a version needs to enter a stage.")
alias = typer.Typer(no_args_is_help=True, help="Names for versions.")
variants = typer.Typer(no_args_is_help=True, help="A/B tests between versions.")
app.add_typer(policy, name="policy")
app.add_typer(alias, name="alias")
app.add_typer(variants, name="variants")

Json = Annotated[bool, typer.Option("--json", help="For a script.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays on record.")]
Content = Annotated[Path, typer.Argument(help="A JSON file.", exists=True, dir_okay=False)]
Version = Annotated[int | None, typer.Option("--version", help="One version; the whole model when left out.")]


class Stage(StrEnum):
    """Where a version can be sent."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"


class Earned(StrEnum):
    """A stage that a version must earn."""

    STAGING = "staging"
    PRODUCTION = "production"


@app.command()
def promote(
    name: str,
    version: int,
    reason: Reason,
    to: Annotated[Stage, typer.Option(help="The stage.")] = Stage.PRODUCTION,
    archive_existing: Annotated[bool, typer.Option("--archive-existing", help="Make room in the stage.")] = False,
    as_json: Json = False,
) -> None:
    """Move a version to another stage; where persons must agree this requests it, and somebody else must."""
    body = {"to": to.value, "reason": reason, "archive_existing": archive_existing}
    with Client() as client:
        answer = client.post("registry", f"{_path(name, version)}/stage", body)
    if as_json:
        typer.echo(json.dumps(answer))
    elif answer["stage"] == to.value:
        _say(f"{name} version {version} is in {to.value}.")
    else:
        _say(f"{name} version {version} waits for an approval; see `pelton model approvals`.")


@app.command()
def approvals(as_json: Json = False) -> None:
    """What waits for a decision, with what was said about it."""
    with Client() as client:
        found = every_row(client, "registry", "/v1/approvals")
    if as_json:
        typer.echo(json.dumps(found))
        return
    columns = ("model", "version", "to_stage", "requested_by", "request", "role", "needed", "expires_at", "agreed")
    show([one | {"agreed": _people(one["agreed"])} for one in found], as_json=False, columns=columns)
    for one in found:
        for comment in one["comments"]:
            _say(f"{one['model']} v{one['version']}, {comment['by']}: {comment['text']}")


@app.command()
def comment(name: str, version: int, text: str, as_json: Json = False) -> None:
    """Say something about a request that waits."""
    with Client() as client:
        answer = client.post("registry", f"{_path(name, version)}/comments", {"text": text})
    _done(answer, f"{name} version {version}: it is on record.", as_json=as_json)


@app.command()
def withdraw(name: str, version: int, reason: Reason, as_json: Json = False) -> None:
    """Take one's own request back."""
    with Client() as client:
        answer = client.post("registry", f"{_path(name, version)}/withdraw", {"reason": reason})
    _done(answer, f"{name} version {version}: the request is withdrawn.", as_json=as_json)


@app.command()
def evidence(name: str, version: int, content: Content, as_json: Json = False) -> None:
    """Say what was measured about a version: metrics, comparison, fairness, latency."""
    with Client() as client:
        answer = client.post("registry", f"{_path(name, version)}/evidence", _read(content))
    _done(answer, f"The evidence of {name} version {version} is on record.", as_json=as_json)


@app.command()
def history(
    name: str,
    version: Version = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """Who did what to a model, when and why; of one that was deleted too."""
    with Client() as client:
        found = client.get("registry", f"{_path(name, version)}/history", limit=limit)["history"]
    show(found, as_json=as_json, columns=("time", "version", "what", "actor", "reason"))


@app.command()
def usage(
    name: str,
    version: Version = None,
    days: Annotated[int, typer.Option(min=1, help="How far back.")] = 30,
    as_json: Json = False,
) -> None:
    """Who uses a model, by version and caller."""
    with Client() as client:
        found = client.get("registry", f"{_path(name)}/usage", version=version, days=days)
    show(found, as_json=as_json)


@app.command()
def deprecate(
    name: str,
    reason: Reason,
    version: Version = None,
    sunset: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day, in UTC.")] = None,
    successor: Annotated[int | None, typer.Option(help="The version to go to.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="It stays after all.")] = False,
    as_json: Json = False,
) -> None:
    """Say that a model, or a version of it, is to be left; it goes on serving, and its users are told."""
    path = f"{_path(name, version)}/deprecation"
    subject = name if version is None else f"{name} version {version}"
    with Client() as client:
        if undo:
            client.send("registry", "DELETE", path, params={"reason": reason})
            _done({"deprecation": None}, f"{subject} is deprecated no more.", as_json=as_json)
            return
        until = None if sunset is None else sunset.replace(tzinfo=UTC).isoformat()
        body = {"reason": reason, "sunset": until, "successor": successor}
        answer = client.send("registry", "PUT", path, json=body).json()
    _done(answer, f"{subject} is deprecated; `pelton model usage {name}` says who still uses it.", as_json=as_json)


@policy.command("show")
def show_policies(name: str, as_json: Json = False) -> None:
    """The policies of a model's stages."""
    with Client() as client:
        found = client.get("registry", f"{_path(name)}/policies")
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found:
        _say(f"{one['stage']}, set by {one['set_by']}: {one['reason']}")
        console.print_json(data=one["policy"])


@policy.command("set")
def set_policy(name: str, stage: Earned, content: Content, reason: Reason, as_json: Json = False) -> None:
    """Say what versions need to enter a stage: `gates` and `approvals`. Requests that wait for it become void."""
    body = {"policy": _read(content), "reason": reason}
    with Client() as client:
        answer = client.send("registry", "PUT", f"{_path(name)}/policies/{stage.value}", json=body).json()
    _done(answer, f"The policy of {name} for {stage.value} holds from now on.", as_json=as_json)


@policy.command("remove")
def remove_policy(name: str, stage: Earned, reason: Reason, as_json: Json = False) -> None:
    """Let the model's definition decide again, or nobody."""
    with Client() as client:
        client.send("registry", "DELETE", f"{_path(name)}/policies/{stage.value}", params={"reason": reason})
    _done({"policy": None}, f"{name} has no policy for {stage.value} any more.", as_json=as_json)


@alias.command("set")
def set_alias(name: str, alias: str, version: int, as_json: Json = False) -> None:
    """Let an alias name a version, and no longer the one that it named before."""
    with Client() as client:
        answer = client.send("registry", "PUT", _alias_path(name, alias), json={"version": version}).json()
    _done(answer, f"{name}@{alias} is version {version}.", as_json=as_json)


@alias.command("remove")
def remove_alias(name: str, alias: str, as_json: Json = False) -> None:
    """Let an alias name nothing."""
    with Client() as client:
        answer = client.send("registry", "DELETE", _alias_path(name, alias)).json()
    _done(answer, f"{name}@{alias} is no more.", as_json=as_json)


@variants.command("show")
def show_variants(name: str, as_json: Json = False) -> None:
    """The A/B test of a model."""
    with Client() as client:
        found = client.get("registry", f"{_path(name)}/variants")
    if as_json:
        typer.echo(json.dumps(found))
        return
    show(found["variants"], as_json=False)
    _say(f"by {found['key']}, salt {found['salt']}: {found['reason']}")


@variants.command("set")
def set_variants(
    name: str,
    arm: Annotated[list[str], typer.Argument(help="name=version:weight, two or more; weights add up to one.")],
    key: Annotated[str, typer.Option(help="The field whose values are shared out.")],
    reason: Reason,
    salt: Annotated[str, typer.Option(help="Another salt shares the keys out anew.")] = "1",
    as_json: Json = False,
) -> None:
    """Let several versions answer, each for a share of the keys."""
    body = {"variants": [_arm(one) for one in arm], "key": key, "salt": salt, "reason": reason}
    with Client() as client:
        answer = client.send("registry", "PUT", f"{_path(name)}/variants", json=body).json()
    _done(answer, f"{len(arm)} variants of {name} answer from now on.", as_json=as_json)


@variants.command("end")
def end_variants(name: str, reason: Reason, as_json: Json = False) -> None:
    """Let the champion answer alone again."""
    with Client() as client:
        client.send("registry", "DELETE", f"{_path(name)}/variants", params={"reason": reason})
    _done({"variants": None}, f"The champion of {name} answers alone.", as_json=as_json)


def _path(name: str, version: int | None = None) -> str:
    path = f"/v1/models/{quote(name, safe='')}"
    return path if version is None else f"{path}/versions/{version}"


def _alias_path(name: str, alias: str) -> str:
    return f"{_path(name)}/aliases/{quote(alias, safe='')}"


def _arm(text: str) -> dict[str, Any]:
    """A variant as it is written: `control=3:0.9`."""
    name, _, rest = text.partition("=")
    version, _, weight = rest.partition(":")
    try:
        return {"name": name, "version": int(version), "weight": float(weight)}
    except ValueError:
        raise PeltonError(f"{text!r} is no variant; write name=version:weight, such as control=3:0.9") from None


def _read(path: Path) -> Any:  # noqa: ANN401 - whatever the file says
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise PeltonError(f"{path} is not JSON: {error}") from error


def _people(agreed: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(one["by"] for one in agreed) or "-"


def _done(answer: object, words: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        _say(words)


def _say(words: str) -> None:
    console.print(words, highlight=False, markup=False)
