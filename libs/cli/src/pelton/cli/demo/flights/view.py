"""The demo on a terminal."""

import time
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pelton.cli.demo.flights.story import Story
from pelton.cli.demo.flights.stream import Progress

FEED = 14
STAGES = {"production": "bold green", "staging": "yellow", "archived": "dim", "rejected": "red"}


def render(progress: Progress, story: Story, first_ms: int, last_ms: int) -> RenderableType:
    """The whole view."""
    return Group(_stream(progress, first_ms, last_ms), _models(progress, story), _feed(story))


def _stream(progress: Progress, first_ms: int, last_ms: int) -> Panel:
    done = max(0, progress.published_until_ms - first_ms)
    spent = max(0.001, time.monotonic() - progress.started)
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        "event time", ProgressBar(total=last_ms - first_ms, completed=done, width=50), _day(progress.published_until_ms)
    )
    grid.add_row("published", f"{progress.published:,} events", f"{progress.published / spent:,.0f} a second")
    grid.add_row(
        "predicted",
        f"{progress.predicted:,} flights up to {_day(progress.predicted_until_ms)}",
        f"{progress.requests:,} requests, {progress.failed_requests} failed",
    )
    grid.add_row("waiting for", progress.waiting_for or "-", f"{spent:.0f} s")
    return Panel(grid, title="flights of 2013 through Kafka", title_align="left")


def _models(progress: Progress, story: Story) -> Panel:
    versions = Text("  ").join(
        Text(f"v{version} {stage}", style=STAGES.get(stage, "")) for version, stage in sorted(story.versions.items())
    )
    grid = Table.grid(padding=(0, 2))
    grid.add_row("versions", versions)
    grid.add_row("traffic", story.traffic)
    grid.add_row("training", story.training or "-")
    grid.add_row("windows", _windows(progress))
    alerts = ", ".join(f"{kind} since {day}" for kind, day in story.alerts.items())
    grid.add_row("alerts", Text(alerts or "none", style="yellow" if alerts else "green"))
    return Panel(grid, title="flight-delay", title_align="left")


def _windows(progress: Progress) -> str:
    last = progress.last_window
    if not last:
        return "none closed yet"
    share = f", {last['share']:.0%} of the inputs drifted" if last["share"] is not None else ""
    end = f"{datetime.fromisoformat(last['end']):%d %b}"
    return f"{len(progress.windows)} closed; up to {end} version {last['version']} had {last['rows']:,} rows{share}"


def _feed(story: Story) -> Panel:
    return Panel(
        "\n".join(story.lines[-FEED:]) or "nothing decided yet", title="what the services decided", title_align="left"
    )


def _day(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%d %b}" if milliseconds else "-"
