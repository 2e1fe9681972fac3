"""`pelton features list | search | show | deprecate | keep | remove`: the catalogue of features."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from pelton.cli.rows import cell, console, show
from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError

app = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="For a script.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays on record.")]
Kind = Annotated[str | None, typer.Option(help="Where several things have the name: which of them, such as entity.")]

PLACES: Final[Mapping[str, str]] = {
    "feature view": "feature-views",
    "transformation": "transformations",
    "feature service": "feature-services",
    "source": "sources",
    "entity": "entities",
}
_COLUMNS: Final = ("kind", "name", "features", "owner", "models", "last_event", "description")
_STATISTICS: Final = ("feature", "missing", "distinct", "minimum", "mean", "maximum", "dataset")


@app.command("list")
def list_features(as_json: Json = False) -> None:
    """Every feature view and transformation: its features, its owner, the models that use it, and its newest event."""
    with Client() as client:
        found = [one for kind in ("feature view", "transformation") for one in _catalogue(client, kind=kind)]
    _show(found, as_json=as_json)


@app.command("search")
def search_features(
    words: Annotated[list[str] | None, typer.Argument(help="What to look for: all of these words.")] = None,
    tag: Annotated[str | None, typer.Option(help="A tag's name, or name=value.")] = None,
    owner: Annotated[str | None, typer.Option(help="Whose it is.")] = None,
    kind: Annotated[str | None, typer.Option(help="Of one kind alone, such as transformation.")] = None,
    as_json: Json = False,
) -> None:
    """What all the words are in: names, features, owners, tags, descriptions and fields."""
    with Client() as client:
        found = _catalogue(client, q=" ".join(words or ()) or None, tag=tag, owner=owner, kind=kind)
    _show(found, as_json=as_json)


@app.command("show")
def show_feature(name: str, kind: Kind = None, as_json: Json = False) -> None:
    """One thing: what it is made of and what of it, who uses it and who to ask, and what its features looked like."""
    with Client() as client:
        found = client.get("feature", f"/v1/catalogue/{_path(client, name, kind)}")
    if as_json:
        typer.echo(json.dumps(found))
        return
    console.print(f"{found['kind']} {name}", style="bold", highlight=False, markup=False)
    for label, value in _described(found):
        console.print(f"  {label:<12} {value}", highlight=False, markup=False, soft_wrap=True)
    statistics = [{"feature": feature} | told for feature, told in found["statistics"].items()]
    if statistics:
        show(statistics, as_json=False, columns=_STATISTICS)


@app.command("deprecate")
def deprecate_view(
    name: str,
    reason: Reason,
    sunset: Annotated[datetime | None, typer.Option(help="By when it is to be left, in UTC.")] = None,
    successor: Annotated[str | None, typer.Option(help="The feature view to go over to.")] = None,
) -> None:
    """Say that a feature view is to be left: its readers are told with each answer."""
    moment = None if sunset is None else sunset.replace(tzinfo=UTC).isoformat()
    with Client() as client:
        body = {"reason": reason, "sunset": moment, "successor": successor}
        client.send("feature", "PUT", f"/v1/feature-views/{quote(name, safe='')}/deprecation", json=body)
        found = client.get("feature", f"/v1/catalogue/feature-views/{quote(name, safe='')}")
    console.print(f"{name} is deprecated. It is used by: {_users(found)}.", highlight=False, markup=False)


@app.command("keep")
def keep_view(name: str, reason: Reason) -> None:
    """Say that a deprecated feature view stays after all."""
    with Client() as client:
        path = f"/v1/feature-views/{quote(name, safe='')}/deprecation"
        client.send("feature", "DELETE", path, params={"reason": reason})
    console.print(f"{name} is not deprecated.", highlight=False, markup=False)


@app.command("remove")
def remove_definition(
    name: str,
    reason: Reason,
    kind: Kind = None,
    version: Annotated[str | None, typer.Option(help="The digest of one version; all of them when left out.")] = None,
) -> None:
    """Remove what nothing uses; what something does is refused, with who it is."""
    params = {"reason": reason} | ({} if version is None else {"version": version})
    with Client() as client:
        client.send("feature", "DELETE", f"/v1/{_path(client, name, kind)}", params=params)
    console.print(f"{name} is removed.", highlight=False, markup=False)


def _catalogue(client: Client, **asked: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("feature", "/v1/catalogue", limit=500, **asked)
    return found


def _path(client: Client, name: str, kind: str | None) -> str:
    """Where one thing of this name is.

    Raises:
        PeltonError: nothing, or more than one thing, has it.
    """
    kinds = [one["kind"] for one in _catalogue(client, q=name, kind=kind) if one["name"] == name]
    if not kinds:
        raise PeltonError(f"nothing in the catalogue has the name {name!r}; `pelton features search` looks for words")
    if len(kinds) > 1:
        raise PeltonError(f"{name!r} is the name of a {' and of a '.join(kinds)}; say which with --kind")
    return f"{PLACES[kinds[0]]}/{quote(name, safe='')}"


def _show(found: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show(found, as_json=True)
        return
    rows = [
        one
        | {
            "models": sorted({used["model"] for used in (*one["models"], *one["model_versions"])}),
            "last_event": (one["freshness"] or {}).get("last_event"),
        }
        for one in found
    ]
    show(rows, as_json=False, columns=_COLUMNS)


def _described(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    freshness, deprecation = found["freshness"], found["deprecation"]
    lines = [
        ("description", found["description"]),
        ("ask", found["ask"] or ""),
        ("tags", ", ".join(f"{name}={value}" for name, value in found["tags"].items())),
        ("features", ", ".join(found["features"])),
        ("fields", ", ".join(found["fields"])),
        ("made of", ", ".join(f"{one['kind']} {one['name']}" for one in found["reads"])),
        ("read by", ", ".join(f"{one['kind']} {one['name']}" for one in found["read_by"])),
        ("used by", _users(found)),
        ("versions", ", ".join(cell(digest) for digest in found["versions"])),
        ("changed", f"{cell(found['changed_at'])} by {found['changed_by']}" if found["changed_by"] else ""),
    ]
    if freshness is not None:
        lines.append(("last event", f"{cell(freshness['last_event'])} of {freshness['source']}"))
    if deprecation is not None:
        until = f", to be left by {cell(deprecation['sunset'])}" if deprecation["sunset"] else ""
        towards = f", for {deprecation['successor']}" if deprecation["successor"] else ""
        lines.append(("deprecated", f"{deprecation['reason']}{until}{towards}"))
    return [(label, value) for label, value in lines if value]


def _users(found: Mapping[str, Any]) -> str:
    versions = [f"{one['model']} v{one['version']} ({one['stage']})" for one in found["model_versions"]]
    return ", ".join([*(one["model"] for one in found["models"]), *versions]) or "no model"
