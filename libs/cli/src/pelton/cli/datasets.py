"""`pelton datasets list | show | diff | pull`: immutable tables of rows with their features."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from pelton.cli.rows import cell, console, show
from pelton.sdk.client import Client
from pelton.sdk.datasets import Dataset
from pelton.sdk.errors import PeltonError

app = typer.Typer()
datasets = typer.Typer(no_args_is_help=True, help="Immutable tables of rows with their features.")
app.add_typer(datasets, name="datasets")

Json = Annotated[bool, typer.Option("--json", help="For a script.")]
Digest = Annotated[str, typer.Argument(help="The dataset's digest, or enough of it to know which: sha256:ab12…")]
_SHORTEST: Final = 6
_FIGURES: Final = ("type", "missing", "distinct", "mean", "deviation", "minimum", "maximum")


@datasets.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, max=500)] = 50, as_json: Json = False) -> None:
    """Show the newest datasets."""
    with Client() as client:
        found = client.get("feature", "/v1/datasets", limit=limit)
    rows = found if as_json else [one | {"for": one.get("name") or one["model"]} for one in found]
    show(rows, as_json=as_json, columns=("dataset", "for", "rows", "known", "as_of", "made_at"))


@datasets.command("show")
def show_(digest: Digest, as_json: Json = False) -> None:
    """Show where a dataset came from, and its statistics by column."""
    with Client() as client:
        found = Dataset(client, _whole(client, digest)).details
    if as_json:
        typer.echo(json.dumps(found))
        return
    for line in _described(found):
        console.print(line, highlight=False, soft_wrap=True)
    if found["statistics"]:
        columns = found["statistics"]["columns"]
        # In the order of the file: the statistics are by name.
        show(
            [{"column": name, **columns[name]} for name in found["columns"]],
            as_json=False,
            columns=("column", *_FIGURES),
        )


@datasets.command()
def diff(before: Digest, after: Digest, as_json: Json = False) -> None:
    """Show what two datasets differ in: rows, columns, what they were made of, statistics."""
    with Client() as client:
        digests = [_whole(client, one) for one in (before, after)]
        found = client.get("feature", f"/v1/datasets/{digests[0]}/diff/{digests[1]}")
    if as_json:
        typer.echo(json.dumps(found))
        return
    for line in _differences(found):
        console.print(line, highlight=False, soft_wrap=True)


@datasets.command()
def pull(
    digest: Digest,
    out: Annotated[Path | None, typer.Argument(help="Where to, by default <digest>.parquet here.")] = None,
) -> None:
    """Download a dataset as Parquet, checked against its digest."""
    with Client() as client:
        found = Dataset(client, _whole(client, digest))
        target = out or Path(f"{found.digest[7:19]}.parquet")
        shutil.copyfile(found.path, target)
    console.print(f"{found.digest} is in {target}.", highlight=False, soft_wrap=True)


def _whole(client: Client, digest: str) -> str:
    """A dataset's digest from the beginning of it."""
    begun = digest if digest.startswith("sha256:") else f"sha256:{digest}"
    if len(begun) == len("sha256:") + 64:
        return begun
    if len(begun) < len("sha256:") + _SHORTEST:
        raise PeltonError(f"{digest!r} is too short: give {_SHORTEST} digits of the digest, or more")
    listed = client.get("feature", "/v1/datasets", limit=500)
    found = {one["dataset"] for one in listed if one["dataset"].startswith(begun)}
    if len(found) != 1:
        what = "no dataset" if not found else f"{len(found)} datasets"
        raise PeltonError(f"{what} of the newest 500 begin with {begun}: see `pelton datasets list`")
    return str(found.pop())


def _described(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"[bold]{escape(found.get('name') or found['model'])}[/bold]  {found['dataset']}"
    yield f"{found['rows']:,} rows from {cell(found['span']['start'])} to {cell(found['span']['end'])}"
    how = {"arrival": "as serving knew them", "event_time": "of all events before each row"}
    yield f"features {how[found.get('known', 'event_time')]}; made {cell(found['made_at'])}"
    for offset in found["offsets"]:
        yield f"  read {offset['topic']}/{offset['partition']} up to offset {offset['end']:,}"
    for kind in ("views", "transformations", "sources"):
        for name, digest in found.get(kind, {}).items():
            yield f"  {kind[:-1]} {escape(name)} {cell(digest)}"
    for source, until in found.get("dropped", {}).items():
        yield f"[yellow]events of {escape(source)} up to {cell(until)} had been dropped by its retention[/yellow]"


def _differences(found: Mapping[str, Any]) -> Iterator[str]:
    if found["same"]:
        yield "The content is the same to the byte."
    before, after = found["rows"]["before"], found["rows"]["after"]
    yield f"rows {before:,} → {after:,} ({after - before:+,})"
    for kind, mark in (("added", "[green]+[/green]"), ("removed", "[red]-[/red]")):
        for name in found["columns"][kind]:
            yield f"{mark} column {escape(name)}"
    for name, pair in found["recipe"].items():
        yield f"[yellow]~[/yellow] {name}  {escape(_short(pair['before']))} → {escape(_short(pair['after']))}"
    for column, figures in found["statistics"].items():
        for figure, pair in figures.items():
            yield f"[yellow]~[/yellow] {escape(column)}.{figure}  {_short(pair['before'])} → {_short(pair['after'])}"


def _short(value: object) -> str:
    return cell(json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value)
