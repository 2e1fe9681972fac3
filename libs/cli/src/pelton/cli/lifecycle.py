"""`pelton up | down | status | logs | doctor`: the platform on this machine."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import psutil
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pelton.cli.doctor import examine
from pelton.cli.home import Home, HomeError, port_base
from pelton.cli.supervisor.leftovers import end_leftovers, leftovers
from pelton.cli.supervisor.part import Layout
from pelton.cli.supervisor.state import PartState, PlatformState
from pelton.cli.supervisor.supervisor import AGAIN, Supervisor
from pelton.local.session import lives

app = typer.Typer()
console = Console()

# What runs in the background after `pelton up -d`.
SUPERVISE = (sys.executable, "-m", "pelton.cli", "up")
UP_SECONDS = 180.0
DOWN_SECONDS = 90.0
# A part that ended this often without ever being ready will not be ready: whoever waits is told.
HOPELESS_RESTARTS = 3
# What a state takes on the disk, generously.
STATE_BYTES = 64 * 1024
COLOURS = {
    "ready": "green",
    "starting": "yellow",
    "waiting": "dim",
    "not ready": "red",
    "backing off": "red",
    "stopping": "yellow",
}


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when all is ready; stop by `pelton down`.")
    ] = False,
) -> None:
    """Start Kafka, PostgreSQL and every service, and keep them alive."""
    home = Home.from_environment()
    base = port_base()
    home.prepare()
    if detach:
        console.print(table(start_detached(home)))
        typer.echo("See `pelton status` and `pelton logs`; stop it with `pelton down`.")
        return
    with home.locked():
        if (last := PlatformState.find(home.state_file)) is not None:
            end_leftovers(last)
        home.state_file.unlink(missing_ok=True)
        home.ensure_secrets()
        asyncio.run(_supervise(home, base))


async def _supervise(home: Home, base: int) -> None:
    live = Live(console=console, auto_refresh=False, transient=False) if console.is_terminal else nullcontext()
    seen: dict[str, str] = {}

    def changed(state: PlatformState) -> None:
        state.write(home.state_file)
        if isinstance(live, Live):
            live.update(Group(table(state), "Ctrl-C stops all of it."), refresh=True)
            return
        for part in state.parts:
            line = f"{part.phase}: {part.detail}" if part.detail else part.phase
            if seen.get(part.name) != line:
                seen[part.name] = line
                typer.echo(f"{part.name} {line}")

    parts = Layout(home.path, base).parts()
    supervisor = Supervisor(home.path, base, parts, logs=home.logs, changed=changed)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.stop)
    with live:
        await supervisor.run()


def start_detached(home: Home) -> PlatformState:
    """Start a supervisor in the background and wait until everything is ready.

    Whatever ends the waiting ends the supervisor too: an interrupt, SIGTERM, or a part that never is ready.

    Raises:
        HomeError: a platform is up already, or this one did not come up; the message says why.
    """
    base = port_base()
    if home.is_locked:
        raise home.already_up()
    output = home.logs / "supervisor.log"
    output.write_bytes(b"")
    with output.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - this very command
            SUPERVISE,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PELTON_HOME": str(home.path), "PELTON_PORT_BASE": str(base)},
        )
    try:
        with _interrupted_by(signal.SIGTERM):
            return _await_ready(home, process, output)
    except BaseException:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(DOWN_SECONDS)
        raise


def _await_ready(home: Home, process: subprocess.Popen[bytes], output: Path) -> PlatformState:
    deadline = time.monotonic() + UP_SECONDS
    while True:
        if (code := process.poll()) is not None:
            raise HomeError(_reason(output) or f"the supervisor ended with code {code}; see {output}")
        if (state := state_of(home, process.pid)) is not None:
            if state.ready:
                return state
            for part in state.parts:
                if part.restarts >= HOPELESS_RESTARTS and part.seconds is None:
                    raise HomeError(_hopeless(home, part))
        if time.monotonic() > deadline:
            late = [part for part in state.parts if part.phase != "ready"] if state is not None else []
            why = "; ".join(f"{part.name}: {part.detail or part.phase}" for part in late) or "no part was started"
            raise HomeError(f"not everything was ready after {UP_SECONDS:.0f} s ({why}). See {home.logs}.")
        time.sleep(0.05)


def _reason(output: Path) -> str:
    """The error that a supervisor ended with, in its own words."""
    _, found, words = output.read_text(errors="replace").rpartition("error: ")
    return words.strip() if found else ""


def _hopeless(home: Home, part: PartState) -> str:
    why = part.detail.partition(AGAIN)[0] or part.phase
    return (
        f"{part.name} was started {part.restarts} times and is not ready: {why}. "
        f"See `pelton logs {part.name}` ({home.logs / part.name}.log)."
    )


@contextmanager
def _interrupted_by(number: signal.Signals) -> Iterator[None]:
    """Let a signal do what Ctrl-C does, so that what it interrupts can clean up."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)


@app.command()
def down() -> None:
    """Stop everything that `pelton up` started."""
    home = Home.from_environment()
    if stop(home):
        typer.echo(f"The platform on {home.path} is down.")
    else:
        typer.echo(f"No platform was up on {home.path}.")


def stop(home: Home) -> bool:
    """Stop the supervisor of a home, and wait until all of it is gone; says whether there was something to stop.

    What a supervisor left that was killed is ended too.

    Raises:
        HomeError: it did not stop in time.
    """
    pid = home.supervisor
    if pid is None:
        last = PlatformState.find(home.state_file)
        if last is None or not leftovers(last):
            return False
        end_leftovers(last)
        return True
    try:
        supervisor = psutil.Process(pid)
        supervisor.terminate()
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        raise HomeError(f"the supervisor (process {pid}) is another user's, who has to stop it") from None
    deadline = time.monotonic() + DOWN_SECONDS
    # It lets the home go a moment before it ends itself.
    while lives(supervisor):
        if time.monotonic() > deadline:
            raise HomeError(
                f"the supervisor (process {pid}) did not stop in {DOWN_SECONDS:.0f} s. "
                f"End it with `kill -9 {pid}`, then run `pelton down` again for what it leaves."
            )
        time.sleep(0.05)
    return True


def state_of(home: Home, supervisor: int | None) -> PlatformState | None:
    """What this supervisor says of a home; None where it has said nothing yet, or there is none."""
    state = PlatformState.find(home.state_file)
    # Until it has ended what one before it left, the file says what that one said last.
    return state if state is not None and state.pid == supervisor else None


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """What runs, since when, and what is not ready. Exits with 1 unless everything is ready."""
    home = Home.from_environment()
    pid = home.supervisor
    state = state_of(home, pid)
    if as_json:
        typer.echo(json.dumps(_facts(home, state)))
    elif pid is None:
        typer.echo(f"No platform is up on {home.path}. Start one with `pelton up`.")
    elif state is None:
        typer.echo(f"The platform on {home.path} has only just begun to start (process {pid}).")
    else:
        console.print(table(state, now=True))
        if shutil.disk_usage(home.path).free < STATE_BYTES:
            typer.echo(f"The disk of {home.path} is full: this is how things were when it filled. Free some space.")
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
            "since": part.since,
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
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
) -> None:
    """The log of a process."""
    home = Home.from_environment()
    known = sorted(file.stem for file in home.logs.glob("*.log")) if _is_folder(home.logs) else []
    if not known:
        raise HomeError(f"there are no logs in {home.logs}: no platform was ever up there. Start one with `pelton up`.")
    if service not in known:
        raise HomeError(f"there is no log of {service!r} in {home.logs}; there are: {', '.join(known)}")
    path = home.logs / f"{service}.log"
    file = path.open(errors="replace")
    try:
        for line in deque(file, maxlen=lines):
            typer.echo(line, nl=False)
        while follow:
            if line := file.readline():
                typer.echo(line, nl=False)
                continue
            time.sleep(0.2)
            # A full log is put aside, and its lines go on in a new file.
            if path.exists() and path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                file.close()
                file = path.open(errors="replace")
    finally:
        file.close()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # A path too long to be one.
        return False


@app.command()
def doctor() -> None:
    """Look for what keeps the platform from working, and say what to do about it. Exits with 1 if something does."""
    findings = examine(Home.from_environment(), port_base())
    for finding in findings:
        typer.secho("ok  " if finding.fine else "bad ", fg="green" if finding.fine else "red", nl=False)
        typer.echo(finding.what)
        if finding.mend:
            typer.echo(f"    {finding.mend}")
    if not all(finding.fine for finding in findings):
        raise typer.Exit(1)


def table(state: PlatformState, *, now: bool = False) -> Group:
    """The parts of a platform as a terminal shows them; below, why any of them is not ready.

    With `now` also what changes by the second, which a table that stays on the screen leaves out.
    """
    columns = Table(box=None, pad_edge=False)
    right = ("port", "pid", "up for", "ready after", "restarts", "memory")
    moving = ("up for", "memory") if now else ()
    for name in ("part", "state", "port", "pid", "ready after", "restarts", *moving):
        columns.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    for part in state.parts:
        columns.add_row(
            part.name,
            Text(part.phase, COLOURS.get(part.phase, "white")),
            str(part.port),
            str(part.pid or "-"),
            f"{part.seconds:.1f} s" if part.seconds is not None else "",
            str(part.restarts or ""),
            *(_moving(part) if now else ()),
        )
    reasons = (Text(f"{part.name}: {part.detail}") for part in state.parts if part.detail)
    return Group(Text(f"Pelton on {state.home}", "italic"), columns, *reasons)


def _moving(part: PartState) -> tuple[str, str]:
    size = _memory(part.pid)
    return _span(time.time() - part.since) if part.since is not None else "", f"{size // 2**20} MiB" if size else ""


def _span(seconds: float) -> str:
    """A length of time in the unit that fits it."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


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
