"""The demo from an empty home to its report."""

import asyncio
import os
import shutil
import time
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

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

console = Console()

# An upstream system that turns the sign of every delay round, for nine days in October.
DAMAGE = Damage(datetime(2013, 10, 15, tzinfo=UTC), datetime(2013, 10, 24, tzinfo=UTC))


def play(*, as_json: bool, keep: bool, until: str) -> bool:
    """Start a platform, let the stream pass, and report; says whether any part did not happen.

    Raises:
        AlreadyUpError: a demo is up.
        typer.BadParameter: `until` is no day.
    """
    end_ms = _day(until)
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
        return _run(note, _cut(load(DAMAGE), end_ms), began, as_json=as_json)
    finally:
        if keep:
            note.print(f"The platform stays up. Stop it with: PELTON_HOME={home.path} pelton down", highlight=False)
        else:
            stop(home)


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


def _day(text: str) -> int:
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day; write one such as 2013-06-30", param_hint="--until") from None
    return round(day.replace(tzinfo=UTC).timestamp() * 1000)


def _cut(stream: Flights, end_ms: int) -> Flights:
    before = pl.col("t") < end_ms
    return Flights(stream.departures.filter(before), stream.landings.filter(before), stream.truth)
