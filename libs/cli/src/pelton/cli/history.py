"""`pelton features history`: features of rows as they were at each row's own time."""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from pelton.cli.rows import console
from pelton.sdk.client import Client
from pelton.sdk.datasets import Known, historical_features
from pelton.sdk.errors import PeltonError

app = typer.Typer()


@app.command()
def history(
    rows: Annotated[Path, typer.Argument(help="Parquet or CSV with the keys and the column event_time.")],
    features: Annotated[list[str], typer.Option("--feature", "-f", help="view:feature, as often as wanted.")] = [],  # noqa: B006 - Typer copies it
    service: Annotated[str | None, typer.Option("--service", help="A feature service instead.")] = None,
    known: Annotated[
        Known, typer.Option(help="Of all events before a row's moment, or of those that had arrived.")
    ] = "event_time",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Parquet or CSV to write; else JSON lines.")] = None,
) -> None:
    """Show the features of rows as they were at each row's own event time."""
    if bool(features) == (service is not None):
        raise PeltonError("name features with --feature, or a feature service with --service, and not both")
    with Client() as client:
        found = historical_features(client, _read(rows), service or features, known=known)
    if out is None:
        typer.echo(found.write_ndjson(), nl=False)
        return
    if out.suffix == ".csv":
        found.write_csv(out)
    else:
        found.write_parquet(out)
    console.print(f"{found.height:,} rows with their features are in {out}.", highlight=False)


def _read(path: Path) -> pl.DataFrame:
    try:
        if path.suffix != ".csv":
            return pl.read_parquet(path)
        frame = pl.read_csv(path)
        if frame.schema.get("event_time") == pl.String:
            moments = pl.col("event_time").str.to_datetime(time_unit="ms", time_zone="UTC")
            return frame.with_columns(moments)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise PeltonError(
            f"{path} cannot be read as {'CSV' if path.suffix == '.csv' else 'Parquet'}: {error}"
        ) from error
    return frame
