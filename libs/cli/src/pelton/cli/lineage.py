"""`pelton lineage | diff`: what a version was made of and what was made of it, and what two things differ in."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.tree import Tree

from pelton.cli.rows import cell, console
from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError

app = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="For a script.")]
Key = tuple[str, str]

MARKS = {"added": "[green]+[/green]", "removed": "[red]-[/red]", "changed": "[yellow]~[/yellow]"}


@app.command()
def lineage(
    thing: Annotated[str, typer.Argument(help="model@version, run:<id>, dataset:sha256:…, <kind>:<id>")],
    down: Annotated[bool, typer.Option("--down", help="What was made of it, instead of what it was made of.")] = False,
    depth: Annotated[int, typer.Option(help="How many steps far.", min=1, max=50)] = 6,
    openlineage: Annotated[
        Path | None, typer.Option("--openlineage", help="Write OpenLineage run events to this file, one a line.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a thing was made of, or what was made of it."""
    kind, id_ = named(thing)
    path = f"/v1/lineage/{kind}/{quote(id_, safe='')}"
    asked: dict[str, Any] = {"direction": "down" if down else "up", "depth": depth}
    with Client() as client:
        if openlineage is not None:
            answer = client.send("registry", "GET", f"{path}/openlineage", params=asked)
            openlineage.write_bytes(answer.content)
            console.print(f"{len(answer.content.splitlines())} events are in {openlineage}.", highlight=False)
            return
        found = client.get("registry", path, **asked)
    if as_json:
        typer.echo(json.dumps(found))
        return
    console.print(tree(found, down=down), highlight=False)
    if found["truncated"]:
        console.print("There is more than is shown: ask with a smaller --depth, or from a nearer thing.")


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="model@version, run:<id>, dataset:sha256:…, or a digest")],
    b: Annotated[str, typer.Argument(help="what it is compared with")],
    as_json: Json = False,
) -> None:
    """Show what changed from one thing to another: parameters, data, features, code, dependencies, metrics."""
    with Client() as client:
        found = client.get("registry", "/v1/diff", a=a, b=b)
    if as_json:
        typer.echo(json.dumps(found))
        return
    lines = list(differences(found))
    for line in lines or [f"{escape(a)} and {escape(b)} do not differ."]:
        console.print(line, highlight=False, soft_wrap=True)


def named(thing: str) -> Key:
    """The kind and id of what somebody named."""
    kind, colon, id_ = thing.partition(":")
    if "@" in kind or not colon:
        model, at, number = thing.rpartition("@")
        if not at or not model or not number.isdigit():
            raise PeltonError(f"{thing!r} names nothing: write model@version, run:<id>, or <kind>:<id>")
        return "version", thing
    return kind, id_


def tree(found: Mapping[str, Any], *, down: bool) -> Tree:
    """The graph as a tree from its first node. What was shown before is named again, and not unfolded again."""
    nodes = {_key(node["key"]): node["attributes"] for node in found["nodes"]}
    here, there = ("parent", "child") if down else ("child", "parent")
    edges: dict[Key, list[tuple[str, Key]]] = defaultdict(list)
    for edge in found["edges"]:
        edges[_key(edge[here])].append((edge["role"], _key(edge[there])))
    start = next(iter(nodes))
    root = Tree(_label(start, nodes[start]))
    shown = {start}
    waiting = [(root, start)]
    while waiting:
        branch, key = waiting.pop(0)
        for role, other in sorted(edges[key]):
            words = role.replace("_", " ")
            leaf = branch.add(f"[dim]{words}[/dim] {_label(other, nodes.get(other, {}))}")
            if other not in shown:
                shown.add(other)
                waiting.append((leaf, other))
            elif edges[other]:
                leaf.label = f"{leaf.label} [dim](above)[/dim]"
    return root


def differences(found: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a comparison, by section, with the code's diff at the end."""
    for section, changes in found["sections"].items():
        if changes:
            yield f"[bold]{section}[/bold]"
            yield from map(_line, changes)
    if found["code_note"]:
        yield f"The code is not compared file by file: {escape(found['code_note'])}"
    for file in found["code"]:
        yield f"{MARKS[file['kind']]} {escape(file['path'])}"
        yield escape(file["diff"]) if file["diff"] is not None else "  no text, or too long to compare by lines"


def _line(change: Mapping[str, Any]) -> str:
    path = escape(".".join(map(str, change["path"])))
    before, after = (escape(_short(change[side])) for side in ("before", "after"))
    told = {"added": after, "removed": before, "changed": f"{before} → {after}"}[change["kind"]]
    return f"  {MARKS[change['kind']]} {path}  {told}{_delta(change['before'], change['after'])}"


def _delta(before: object, after: object) -> str:
    """By how much a number changed."""
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in (before, after)):
        return ""
    return f"  [dim]({after - before:+.5g})[/dim]"  # type: ignore[operator]


def _short(value: object) -> str:
    return cell(json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value)


def _key(told: Mapping[str, str]) -> Key:
    return told["kind"], told["id"]


def _label(key: Key, told: Mapping[str, Any]) -> str:
    kind, id_ = key
    return f"{kind} [bold]{escape(cell(id_))}[/bold]{_words(kind, told)}"


def _words(kind: str, told: Mapping[str, Any]) -> str:
    """What is worth knowing of a node in few words."""
    names: Sequence[str] = {
        "dataset": ("name", "rows"),
        "source": ("name",),
        "view": ("name",),
        "transformation": ("name",),
        "definition": ("model",),
        "notebook": ("name",),
        "rules": ("stage",),
        "environment": ("python", "platform"),
        "decision": ("kind", "detail"),
        "predictions": ("mode", "since", "until"),
        "run": ("name", "finished_at"),
    }.get(kind, ())
    words = [f"{name} {cell(told[name])}" for name in names if told.get(name) is not None]
    return f"  [dim]{escape(', '.join(words))}[/dim]" if words else ""
