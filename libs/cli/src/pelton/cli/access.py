"""`pelton team | access | token`: who may do what, and why."""

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import typer

from pelton.cli.home import Home, HomeError
from pelton.cli.rows import console, rows_of, show
from pelton.eventkit.identity import KeyFileError, Role, load_key, mint
from pelton.sdk.client import Client

app = typer.Typer()
team = typer.Typer(no_args_is_help=True, help="Teams: roles on some models.")
access = typer.Typer(no_args_is_help=True, help="Restrictions, and why somebody may or may not.")
app.add_typer(team, name="team")
app.add_typer(access, name="access")

LONGEST_DAYS = 3650

Json = Annotated[bool, typer.Option("--json", help="For a script.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays on record.")]
Models = Annotated[list[str] | None, typer.Option("--model", help="A glob over names of models; once for each.")]


class RoleName(StrEnum):
    """A role, in the order of what they may."""

    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    APPROVER = "approver"
    ADMIN = "admin"


class Action(StrEnum):
    """What somebody may want to do with a model or an experiment."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    TAG = "tag"
    SET_ALIAS = "set_alias"
    SET_STAGE = "set_stage"
    REQUEST = "request"
    APPROVE = "approve"


@team.command("list")
def list_teams(as_json: Json = False) -> None:
    """Every team, with its members and its models."""
    with Client() as client:
        teams = rows_of(client.get("registry", "/v1/teams", limit=200))
    if as_json:
        typer.echo(json.dumps(teams))
        return
    show([_shown(one, {"members": _pairs, "models": _words}) for one in teams], as_json=False)


@team.command("set")
def set_team(
    name: str,
    member: Annotated[list[str] | None, typer.Option("--member", help="name=role; once for each.")] = None,
    model: Models = None,
) -> None:
    """Form a team, or make it what is said here: members with a role on these models."""
    members = dict(_pair(one, "--member") for one in member or ())
    with Client() as client:
        path = f"/v1/teams/{quote(name, safe='')}"
        client.send("registry", "PUT", path, json={"members": members, "models": model or []})
    console.print(f"The team {name} has {len(members)} members.", highlight=False)


@team.command("remove")
def remove_team(name: str) -> None:
    """Dissolve a team."""
    with Client() as client:
        client.send("registry", "DELETE", f"/v1/teams/{quote(name, safe='')}")
    console.print(f"The team {name} is dissolved.", highlight=False)


@access.command("list")
def list_restrictions(as_json: Json = False) -> None:
    """Every restriction."""
    with Client() as client:
        restrictions = rows_of(client.get("registry", "/v1/restrictions", limit=200))
    if as_json:
        typer.echo(json.dumps(restrictions))
        return
    listed = dict.fromkeys(("models", "experiments", "actions", "users", "teams"), _words) | {"when": _when}
    show([_shown(one, listed) for one in restrictions], as_json=False)


@access.command()
def restrict(
    name: str,
    action: Annotated[list[Action], typer.Option("--action", help="What is restricted; once for each.")],
    reason: Reason,
    model: Models = None,
    experiment: Annotated[list[str] | None, typer.Option("--experiment", help="A glob over experiments.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Only where this tag is: key=value, or key.")] = None,
    alias: Annotated[list[str] | None, typer.Option("--alias", help="Only for versions with one of these.")] = None,
    user: Annotated[list[str] | None, typer.Option("--user", help="Who may all the same; once for each.")] = None,
    team: Annotated[list[str] | None, typer.Option("--team", help="A team whose members may all the same.")] = None,
) -> None:
    """Keep some actions for some people; administrators may always."""
    body = {
        "models": model or [],
        "experiments": experiment or [],
        "actions": [one.value for one in action],
        "when": {"tags": dict(_condition(one) for one in tag or ()), "aliases": alias or []},
        "users": user or [],
        "teams": team or [],
        "reason": reason,
    }
    with Client() as client:
        client.send("registry", "PUT", f"/v1/restrictions/{quote(name, safe='')}", json=body)
    console.print(f"The restriction {name} holds from now on.", highlight=False)


@access.command()
def lift(name: str, reason: Reason) -> None:
    """Take a restriction away."""
    with Client() as client:
        client.send("registry", "DELETE", f"/v1/restrictions/{quote(name, safe='')}", params={"reason": reason})
    console.print(f"The restriction {name} is lifted.", highlight=False)


@access.command()
def check(
    action: Action,
    model: Annotated[str | None, typer.Option(help="The model.")] = None,
    version: Annotated[int | None, typer.Option(help="One version of it.")] = None,
    alias: Annotated[str | None, typer.Option(help="The version that has this alias, or is to get it.")] = None,
    experiment: Annotated[str | None, typer.Option(help="The experiment, where it is not about a model.")] = None,
    user: Annotated[str | None, typer.Option(help="Whoever is asked about; you, when left out.")] = None,
    role: Annotated[RoleName | None, typer.Option(help="The role of their token; yours, when left out.")] = None,
    as_json: Json = False,
) -> None:
    """Whether somebody may do something, and the rules that say so; the command fails where they may not."""
    with Client() as client:
        answer = client.get(
            "registry",
            "/v1/access/check",
            action=action.value,
            model=model,
            version=version,
            alias=alias,
            experiment=experiment,
            user=user,
            role=role and role.value,
        )
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        word = "[green]yes[/green]" if answer["allowed"] else "[red]no[/red]"
        console.print(f"{word}: {answer['because']} ({', '.join(answer['rules'])})", highlight=False)
    if not answer["allowed"]:
        raise typer.Exit(1)


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="Whose token; it is who they are in every fact.")],
    role: Annotated[RoleName, typer.Option(help="What they may, everywhere.")] = RoleName.VIEWER,
    days: Annotated[int, typer.Option(min=1, max=LONGEST_DAYS, help="How long it lets them in.")] = 90,
) -> None:
    """Mint a token for a colleague or a program and print it; only who can read the home's key can."""
    try:
        key = load_key(Home.from_environment().key_file)
    except KeyFileError as error:
        raise HomeError(str(error)) from error
    if not name.strip() or name.startswith("service:"):
        raise HomeError("a token needs a name, and `service:` is how the platform's own begin: choose another")
    typer.echo(mint(key, name, Role[role.name], datetime.now(UTC), timedelta(days=days)))


def _pair(text: str, option: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise typer.BadParameter(f"{text!r} is not name=role", param_hint=option)
    return name, value


def _condition(text: str) -> tuple[str, str | None]:
    key, sign, value = text.partition("=")
    return key, value if sign else None


def _shown(row: dict[str, Any], listed: dict[str, Any]) -> dict[str, Any]:
    details: dict[str, Any] = row.pop("details")
    return details | {name: write(details[name]) for name, write in listed.items()} | row


def _words(words: list[str]) -> str:
    return ", ".join(words) or "-"


def _when(condition: dict[str, Any]) -> str:
    tags = [key if value is None else f"{key}={value}" for key, value in sorted(condition["tags"].items())]
    return _words([*tags, *(f"@{alias}" for alias in condition["aliases"])])


def _pairs(pairs: dict[str, str]) -> str:
    return ", ".join(f"{name} ({role})" for name, role in sorted(pairs.items())) or "-"
