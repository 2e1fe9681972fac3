"""`pelton demo`: the whole loop on real data."""

import asyncio
import os
import shutil
import time
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console

from pelton.cli.demo.flights.data import Damage, Flights, load
from pelton.cli.demo.flights.run import RunError, run_loop, show_report
from pelton.cli.home import AlreadyUpError, Home
from pelton.cli.lifecycle import start_detached, stop
from pelton.sdk.apply import apply, plan
from pelton.sdk.client import Client
from pelton.sdk.project import load_project

app = typer.Typer(no_args_is_help=True, help="The whole loop on real data.")
console = Console()

# An upstream system that turns the sign of every delay round, for nine days in October.
DAMAGE = Damage(datetime(2013, 10, 15, tzinfo=UTC), datetime(2013, 10, 24, tzinfo=UTC))


@app.callback()
def demos() -> None:
    """The whole loop on real data."""


@app.command()
def flights(
    as_json: Annotated[bool, typer.Option("--json", help="Print the facts of the run for a script.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the platform up, to look around.")] = False,
    until: Annotated[str, typer.Option(help="Stop the stream at this day (YYYY-MM-DD).")] = "2014-01-02",
) -> None:
    """Stream the flights of 2013 through a platform of its own: drift, retraining, shadow, canary, promotion, proof.

    The demo has its own home, `demo` under PELTON_HOME, and begins with an empty one.
    """
    home = Home(Home.from_environment().path / "demo")
    if home.is_locked:
        raise AlreadyUpError(f"a demo is up on {home.path}; stop it with `PELTON_HOME={home.path} pelton down`")
    shutil.rmtree(home.path, ignore_errors=True)
    home.prepare()
    os.environ["PELTON_HOME"] = str(home.path)
    note = Console(stderr=True) if as_json else console
    began = time.monotonic()
    note.print("Starting Kafka, PostgreSQL and seven services …")
    start_detached(home)
    note.print(f"Ready after {time.monotonic() - began:.1f} s; reading the flights …")
    try:
        failed = _run(note, _cut(load(DAMAGE), until), began, as_json=as_json)
    finally:
        if keep:
            note.print(f"The platform stays up. Stop it with: PELTON_HOME={home.path} pelton down", highlight=False)
        else:
            stop(home)
    if failed:
        raise typer.Exit(1)


def _run(note: Console, stream: Flights, began: float, *, as_json: bool) -> bool:
    project = load_project(Path(str(resources.files("pelton.cli.demo.flights") / "project")))
    with Client() as client:
        apply(client, project, plan(client, project))
        try:
            report = asyncio.run(run_loop(client, stream, note, began, live=not as_json))
        except RunError as error:
            note.print(f"[red]{error}[/red]")
            return True
        show_report(client, report, note)
        if as_json:
            typer.echo(report.to_json())
        return bool(report.failures)


def _cut(stream: Flights, until: str) -> Flights:
    end = round(datetime.fromisoformat(until).replace(tzinfo=UTC).timestamp() * 1000)
    before = pl.col("t") < end
    return Flights(stream.departures.filter(before), stream.landings.filter(before), stream.truth)
