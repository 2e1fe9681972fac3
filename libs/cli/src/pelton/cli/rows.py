"""Rows of an answer, as a terminal shows them."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from pelton.sdk.client import Client

console = Console()

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_DIGEST = re.compile(r"sha256:([0-9a-f]{12})[0-9a-f]{52}")


def rows_of(answer: Any) -> Sequence[dict[str, Any]]:  # noqa: ANN401 - a page or a plain list
    """The rows of an answer, which is a list or a page of one."""
    if isinstance(answer, list):
        return answer
    return next((value for value in answer.values() if isinstance(value, list)), [answer])


def every_row(client: Client, service: str, path: str) -> Sequence[dict[str, Any]]:
    """The rows of a list that comes in pages, all of them."""
    found: list[dict[str, Any]] = []
    page = None
    while True:
        answer = client.get(service, path, limit=200, page=page)
        found += rows_of(answer)
        page = answer["next_page"]
        if page is None:
            return found


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, columns: Sequence[str] = ()) -> None:
    """Print these columns of rows as a table, or else all that have something to show and do not nest.

    As JSON nothing is left out.
    """
    if as_json:
        typer.echo(json.dumps(rows))
        return
    if not rows:
        console.print("Nothing yet.")
        return
    names = columns or [name for name in rows[0] if _is_shown([row.get(name) for row in rows])]
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(cell(row.get(name)) for name in names))
    console.print(table, highlight=False)


def _is_shown(values: Sequence[object]) -> bool:
    nested = any(isinstance(value, dict | list) for value in values)
    return not nested and any(value not in (None, "") for value in values)


def cell(value: object) -> str:
    """A value in few characters: a time to its second, a digest to its first twelve digits."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.5g}"
        case list():
            return ", ".join(map(str, value)) or "-"
        case str() if _TIME.match(value):
            return value[:19].replace("T", " ")
        case str():
            return _DIGEST.sub(r"\1", value)
        case _:
            return str(value)
