"""`pelton up | down | status | logs | doctor`: the platform on this machine."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import nullcontext
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from pelton.cli.doctor import examine
from pelton.cli.home import Home, HomeError
from pelton.cli.supervisor.part import Layout
from pelton.cli.supervisor.state import PlatformState
from pelton.cli.supervisor.supervisor import Supervisor

app = typer.Typer()
console = Console()

UP_SECONDS = 180.0
DOWN_SECONDS = 90.0
COLOURS = {"ready": "green", "starting": "yellow", "waiting": "dim", "backing off": "red", "stopping": "yellow"}


def port_base() -> int:
    """`PELTON_PORT_BASE`, or 8100."""
    return int(os.environ.get("PELTON_PORT_BASE", "8100"))


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when all is ready; stop by `pelton down`.")
    ] = False,
) -> None:
    """Start Kafka, PostgreSQL and every service, and keep them alive."""
    home = Home.from_environment()
    home.prepare()
    if detach:
        start_detached(home)
        console.print(table(PlatformState.read(home.state_file)))
        return
    with home.locked():
        home.ensure_secrets()
        asyncio.run(_supervise(home))


async def _supervise(home: Home) -> None:
    live = Live(console=console, auto_refresh=False, transient=False) if console.is_terminal else nullcontext()
    seen: dict[str, str] = {}

    def changed(state: PlatformState) -> None:
        state.write(home.state_file)
        if isinstance(live, Live):
            live.update(table(state), refresh=True)
            return
        for part in state.parts:
            line = f"{part.phase} {part.detail}".strip()
            if seen.get(part.name) != line:
                seen[part.name] = line
                console.print(f"{part.name}: {line}", highlight=False)

    parts = Layout(home.path, port_base()).parts()
    supervisor = Supervisor(home.path, port_base(), parts, logs=home.logs, changed=changed)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.stop)
    with live:
        await supervisor.run()


def start_detached(home: Home) -> PlatformState:
    """Start a supervisor in the background and wait until everything is ready.

    Raises:
        HomeError: a platform is up already, or this one did not come up; the message says why.
    """
    with home.locked():
        home.ensure_secrets()
        home.state_file.unlink(missing_ok=True)
    output = home.logs / "supervisor.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pelton.cli", "up"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PELTON_HOME": str(home.path), "PELTON_PORT_BASE": str(port_base())},
        )
    deadline = time.monotonic() + UP_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise HomeError(f"the platform did not come up:\n{output.read_text().strip()}")
        state = _state(home)
        if state is not None and state.ready:
            return state
        time.sleep(0.05)
    process.terminate()
    raise HomeError(f"not everything was ready after {UP_SECONDS:.0f} s; see `pelton logs` and {output}")


@app.command()
def down() -> None:
    """Stop everything that `pelton up` started."""
    home = Home.from_environment()
    stop(home)
    console.print("The platform is down.")


def stop(home: Home) -> None:
    """Stop the supervisor of a home, and wait until all of it is gone; nothing to stop is fine.

    Raises:
        HomeError: it did not stop in time.
    """
    state = _state(home)
    if state is None or not home.is_locked:
        return
    try:
        os.kill(state.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + DOWN_SECONDS
    while home.is_locked:
        if time.monotonic() > deadline:
            raise HomeError(f"the supervisor (process {state.pid}) did not stop in {DOWN_SECONDS:.0f} s")
        time.sleep(0.05)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """What runs, since when, and what is not ready. Exits with 1 unless everything is ready."""
    home = Home.from_environment()
    state = _state(home) if home.is_locked else None
    if as_json:
        typer.echo(json.dumps(_facts(home, state)))
    elif state is None:
        console.print(f"No platform is up on {home.path}. Start one with `pelton up`.", highlight=False)
    else:
        console.print(table(state, memory=True))
    if state is None or not state.ready:
        raise typer.Exit(1)


def _facts(home: Home, state: PlatformState | None) -> dict[str, object]:
    parts = [
        {
            "name": part.name,
            "phase": part.phase,
            "pid": part.pid,
            "port": part.port,
            "restarts": part.restarts,
            "detail": part.detail,
            "seconds_to_ready": part.seconds,
            "memory_bytes": _memory(part.pid),
        }
        for part in (state.parts if state else ())
    ]
    return {
        "home": str(home.path),
        "up": state is not None,
        "ready": bool(state and state.ready),
        "supervisor_pid": state.pid if state else None,
        "parts": parts,
    }


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="A service, kafka or postgres; all of them when left out.")] = "all",
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
) -> None:
    """The log of a process."""
    home = Home.from_environment()
    path = home.logs / f"{service}.log"
    known = sorted(file.stem for file in home.logs.glob("*.log")) if home.logs.is_dir() else []
    if service not in known:
        raise HomeError(f"there is no log of {service!r} in {home.logs}; there are: {', '.join(known) or 'none yet'}")
    with path.open(errors="replace") as file:
        for line in deque(file, maxlen=lines):
            typer.echo(line, nl=False)
        while follow:
            line = file.readline()
            if line:
                typer.echo(line, nl=False)
            else:
                time.sleep(0.2)


@app.command()
def doctor() -> None:
    """Look for what keeps the platform from working, and say what to do about it. Exits with 1 if something does."""
    findings = examine(Home.from_environment(), port_base())
    for finding in findings:
        mark = "[green]ok[/green]  " if finding.fine else "[red]bad[/red] "
        console.print(f"{mark}{finding.what}", highlight=False)
        if finding.mend:
            console.print(f"     {finding.mend}", highlight=False, soft_wrap=True)
    if not all(finding.fine for finding in findings):
        raise typer.Exit(1)


def table(state: PlatformState, *, memory: bool = False) -> Table:
    """The parts of a platform as a terminal shows them."""
    columns = Table(title=f"Pelton on {state.home}", title_justify="left", box=None, pad_edge=False)
    for name in ("part", "state", "port", "pid", "ready after", "restarts", *(("memory",) if memory else ()), ""):
        columns.add_column(name, justify="right" if name in ("port", "pid", "ready after", "memory") else "left")
    for part in state.parts:
        colour = COLOURS.get(part.phase, "white")
        size = _memory(part.pid) if memory else None
        columns.add_row(
            part.name,
            f"[{colour}]{part.phase}[/{colour}]",
            str(part.port),
            str(part.pid or "-"),
            f"{part.seconds:.1f} s" if part.seconds is not None else "",
            str(part.restarts or ""),
            *((f"{size // 2**20} MiB" if size else "",) if memory else ()),
            part.detail,
        )
    return columns


def _memory(pid: int | None) -> int | None:
    """Proportional set size of a process and its children, so that shared pages count once; None if it is gone."""
    if pid is None:
        return None
    try:
        root = psutil.Process(pid)
        members = [root, *root.children(recursive=True)]
        return sum(int(getattr(info := one.memory_full_info(), "pss", info.rss)) for one in members)
    except psutil.Error:
        return None


def _state(home: Home) -> PlatformState | None:
    try:
        return PlatformState.read(home.state_file)
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, KeyError, TypeError):
        return None
