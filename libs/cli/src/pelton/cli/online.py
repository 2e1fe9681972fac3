"""`pelton features get`: features as they are served, of one entity or of a file of rows."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
import typer

from pelton.cli.rows import console, show
from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError
from pelton.sdk.online import EVENT_TIME, FeatureValues, online_features

app = typer.Typer()

_FORMATS: Final = ".parquet, .csv or .arrow"


@app.command("get")
def get_features(
    refs: Annotated[list[str], typer.Argument(help="view:feature, one or more; or one feature service.")],
    entity: Annotated[list[str] | None, typer.Option("--entity", help="name=value; once for each key.")] = None,
    given: Annotated[
        list[str] | None, typer.Option("--input", help="name=value, in JSON, of what a transformation reads.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="As of this time (RFC 3339); now when left out.")] = None,
    rows: Annotated[Path | None, typer.Option(help=f"A file of entities instead: {_FORMATS}.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where the rows go with their features.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """Online features of one entity; with --rows of many, each at its event_time if the file has that column."""
    features: Sequence[str] | str = refs[0] if len(refs) == 1 and ":" not in refs[0] else refs
    if rows is not None:
        if output is None or entity or given or at:
            raise PeltonError(f"--rows goes with --output, and its columns say the rest ({EVENT_TIME} the moments)")
        _of_file(features, rows, output)
        return
    values: dict[str, list[Any]] = {name: [value] for name, value in map(_named, entity or ())}
    values |= {name: [_json(name, value)] for name, value in map(_named, given or ())}
    if not values:
        raise PeltonError("say which entity: --entity name=value, or --rows with a file of many")
    with Client() as client:
        found = online_features(client, features, values, at=[_moment(at)] if at is not None else None)
    show([_row(name, told) for name, told in found.items()], as_json=as_json)


def _of_file(features: Sequence[str] | str, rows: Path, output: Path) -> None:
    frame = _read(rows)
    with Client() as client:
        found = online_features(client, features, frame)
    _write(found, output)
    console.print(f"{found.height} rows with their features are in {output}.", highlight=False, markup=False)


def _row(name: str, told: FeatureValues) -> dict[str, Any]:
    return {"feature": name, "value": told.values[0], "status": told.statuses[0], "time": told.times[0].isoformat()}


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise PeltonError(f"{text!r} is no name=value")
    return name, value


def _json(name: str, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise PeltonError(f"--input {name}: {text!r} is no JSON; a text is in double quotes") from error


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise PeltonError(f"--at: {text!r} is no time, such as 2013-03-01T12:00:00Z") from error


def _read(path: Path) -> pl.DataFrame:
    try:
        match path.suffix:
            case ".parquet":
                return pl.read_parquet(path)
            case ".csv":
                return pl.read_csv(path, try_parse_dates=True)
            case ".arrow":
                return pl.read_ipc_stream(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise PeltonError(f"{path} cannot be read: {error}") from error
    raise PeltonError(f"{path} has no form that is known here: {_FORMATS}")


def _write(frame: pl.DataFrame, path: Path) -> None:
    try:
        match path.suffix:
            case ".parquet":
                frame.write_parquet(path)
            case ".csv":
                frame.write_csv(path)
            case ".arrow":
                frame.write_ipc_stream(path)
            case _:
                raise PeltonError(f"{path} has no form that is known here: {_FORMATS}")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise PeltonError(f"{path} cannot be written: {error}") from error
