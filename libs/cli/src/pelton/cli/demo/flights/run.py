"""Running the demo: the world, the watcher and the terminal side by side; then the audit and the figures."""

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext, suppress

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pelton.cli.demo.flights.data import Flights
from pelton.cli.demo.flights.report import Report, make
from pelton.cli.demo.flights.story import Story, follow
from pelton.cli.demo.flights.stream import DAY_MS, MODEL, Progress, World
from pelton.cli.demo.flights.view import render
from pelton.contracts.monitor import DataDriftDetected
from pelton.contracts.registry import ModelPromoted
from pelton.sdk.client import Client

REFRESH_SECONDS = 0.25
MODEL_FROM_DAYS = 59
SETTLE_SECONDS = 60.0
CHAIN_COLUMNS = 120


class RunError(Exception):
    """The run could not be carried to its end."""


async def run_loop(client: Client, flights: Flights, console: Console, began: float, *, live: bool) -> Report:
    """Let the stream pass through the platform, and report.

    Raises:
        RunError: a service refused what it should take.
    """
    progress, story = Progress(started=time.monotonic()), Story()
    first_ms = int(flights.departures["t"].item(0))
    model_from = first_ms // DAY_MS * DAY_MS + MODEL_FROM_DAYS * DAY_MS
    world = World(client.address, flights, model_from, progress)
    watcher = asyncio.create_task(follow(client.address.kafka, story.take))
    screen = Live(console=console, auto_refresh=False) if live and console.is_terminal else nullcontext()
    with screen:
        painter = asyncio.create_task(_paint(screen, console, progress, story, first_ms, world.end_ms, quiet=not live))
        try:
            running = asyncio.create_task(world.run())
            await asyncio.wait({running, watcher, painter}, return_when=asyncio.FIRST_COMPLETED)
            await running if running.done() else _raise_of(watcher, painter)
            await world.settle(SETTLE_SECONDS)
        except* RuntimeError as errors:
            raise RunError(str(errors.exceptions[0])) from errors
        finally:
            running.cancel()
            painter.cancel()
            await asyncio.gather(painter, running, return_exceptions=True)
            await world.close()
    report = await make(client, flights, progress, story, time.monotonic() - began)
    watcher.cancel()
    with suppress(asyncio.CancelledError):
        await watcher
    _audit(report, story)
    report.seconds = round(time.monotonic() - began, 1)
    return report


def _raise_of(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        if task.done():
            task.result()


async def _paint(
    screen: object, console: Console, progress: Progress, story: Story, first_ms: int, last_ms: int, *, quiet: bool
) -> None:
    """Refresh the view; without a terminal, print what is new."""
    told = 0
    while True:
        if isinstance(screen, Live):
            screen.update(render(progress, story, first_ms, last_ms), refresh=True)
        elif not quiet or console.stderr:
            new = story.lines[told:]
            told += len(new)
            for line in new:
                console.print(line, highlight=False)
        await asyncio.sleep(REFRESH_SECONDS)


def _audit(report: Report, story: Story) -> None:
    """Let the auditor's own commands judge the run."""
    drifts, promotions = story.of(DataDriftDetected), story.of(ModelPromoted)
    report.audit["verify"] = _command("audit", "verify", "--json")
    if promotions:
        report.audit["why"] = _command("audit", "why", f"{MODEL}@production", "--json")
    if drifts:
        report.audit["replay"] = _command("audit", "replay", drifts[-1].id, "--json")
    for name in ("verify", "why", "replay"):
        if report.audit.get(name, {}).get("exit_code") != 0:
            report.failures.append(f"audit {name} failed")


def _command(*arguments: str) -> dict[str, object]:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "pelton.cli", *arguments], capture_output=True, text=True, check=False
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {"output": done.stdout, "error": done.stderr}
    return {"exit_code": done.returncode, "answer": answer}


def show_report(client: Client, report: Report, console: Console) -> None:
    """Print what came of the run."""
    _show_chain(console)
    figures = Table(box=None, pad_edge=False, show_header=False)
    figures.add_row("events, predictions", f"{report.events:,}, {report.predictions:,} in {report.requests:,} requests")
    for name, count in report.counts.items():
        figures.add_row(name.replace("_", " "), f"{count:,}")
    for name, scores in (("with Pelton", report.with_pelton), ("never retrained", report.never_retrained)):
        if scores is not None:
            figures.add_row(
                name,
                f"accuracy {scores.accuracy:.4f}, Brier {scores.brier:.5f}, log loss {scores.log_loss:.4f} "
                f"on {scores.rows:,} flights",
            )
    for name in ("verify", "replay"):
        judged = report.audit.get(name)
        if judged is not None:
            figures.add_row(f"audit {name}", "[green]passed[/]" if judged["exit_code"] == 0 else "[red]failed[/]")
    figures.add_row("seconds", f"{report.seconds:.1f}")
    console.print(figures)
    for failure in report.failures:
        console.print(f"[red]did not happen as it should: {failure}[/red]")
    address = client.address
    console.print(
        f"Look around: registry {address.url('registry')}/docs, monitor {address.url('monitor')}/docs, "
        f"audit {address.url('audit')}/docs (with the token in {address.home / 'secrets' / 'cli.token'})",
        highlight=False,
        soft_wrap=True,
    )


def _show_chain(console: Console) -> None:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "pelton.cli", "audit", "why", f"{MODEL}@production"],
        env={**os.environ, "COLUMNS": str(max(console.width, CHAIN_COLUMNS))},
        capture_output=True,
        text=True,
        check=False,
    )
    console.print(done.stdout if done.returncode == 0 else done.stderr, markup=False, highlight=False, soft_wrap=True)
