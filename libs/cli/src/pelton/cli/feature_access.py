"""`pelton features grant | revoke | open | grants`: who may read and write feature views and sources."""

import json
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from pelton.cli.home import HomeError
from pelton.cli.rows import console, show
from pelton.sdk.client import Client

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="A feature view; with --source a source.")]
Source = Annotated[bool, typer.Option("--source", help="The name is a source's.")]
Team = Annotated[str | None, typer.Option("--team", help="A team of the registry.")]
Person = Annotated[str | None, typer.Option("--person", help="A person, by the name in the token.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays on record.")]


@app.command("grant")
def grant(
    name: Name,
    *,
    source: Source = False,
    team: Team = None,
    person: Person = None,
    read: Annotated[bool, typer.Option("--read/--no-read", help="To read it.")] = True,
    write: Annotated[bool, typer.Option("--write", help="To write it.")] = False,
    sensitive: Annotated[bool, typer.Option("--sensitive", help="To see what is sensitive in it.")] = False,
) -> None:
    """Let a team or a person read or write a view or a source; whoever was granted nothing may not any more."""
    actions = [action for action, wanted in (("read", read), ("write", write)) if wanted]
    place, grantee = _place(name, source=source), _grantee(team, person)
    with Client() as client:
        client.send("feature", "PUT", f"{place}/{grantee}", json={"actions": actions, "sensitive": sensitive})
    console.print(f"{team or person} may {' and '.join(actions)} {name}.", highlight=False, markup=False)


@app.command("revoke")
def revoke(name: Name, reason: Reason, *, source: Source = False, team: Team = None, person: Person = None) -> None:
    """Take a grant away. The view or the source stays closed to whoever has none, also when it was the last."""
    place, grantee = _place(name, source=source), _grantee(team, person)
    with Client() as client:
        client.send("feature", "DELETE", f"{place}/{grantee}", params={"reason": reason})
    console.print(f"{team or person} has no grant on {name} any more.", highlight=False, markup=False)


@app.command("open")
def open_to_all(name: Name, reason: Reason, *, source: Source = False) -> None:
    """Open a view or a source to all again, and forget its grants."""
    with Client() as client:
        client.send("feature", "DELETE", _place(name, source=source), params={"reason": reason})
    console.print(f"{name} is open to all.", highlight=False, markup=False)


@app.command("grants")
def grants(*, as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False) -> None:
    """Every view and source that is not open to all, with its grants."""
    with Client() as client:
        closed = client.get("feature", "/v1/access")
    if as_json:
        typer.echo(json.dumps(closed))
        return
    show([row for one in closed for row in _rows(one)], as_json=False)


def _rows(closed: Mapping[str, Any]) -> list[dict[str, str]]:
    thing = {"kind": closed["kind"], "name": closed["name"]}
    if not closed["grants"]:
        return [thing | {"granted": "nobody", "to": "", "by": ""}]
    return [
        thing
        | {
            "granted": f"{one['to']} {one['grantee']}",
            "to": ", ".join([*one["actions"], *(["sensitive"] if one["sensitive"] else [])]),
            "by": one["granted_by"],
        }
        for one in closed["grants"]
    ]


def _place(name: str, *, source: bool) -> str:
    return f"/v1/access/{'sources' if source else 'feature-views'}/{quote(name, safe='')}"


def _grantee(team: str | None, person: str | None) -> str:
    if (team is None) == (person is None):
        raise HomeError("name either a --team or a --person")
    return f"teams/{quote(team, safe='')}" if team is not None else f"people/{quote(person or '', safe='')}"
