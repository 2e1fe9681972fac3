"""Starting, watching and ending one local server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from pelton.local import ports, session
from pelton.local.errors import StartError

_POLL_SECONDS = 0.02
_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Account:
    """The user that a server runs as instead of root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """How a server is run: enough for any supervisor to run it itself.

    Attributes:
        argv: program and arguments. It ends with the process that built this command, and runs only as its child.
            Linux binds it to the thread that started it: start it from one that lives as long as it should.
        env: the whole environment.
        stop_signal: what makes it end in order.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    stop_signal: signal.Signals


class Server(Protocol):
    """A server that this machine can run, described by where its data is and which ports it has."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def ports(self) -> Sequence[int]:
        """Every port it listens on, all on 127.0.0.1."""

    def prepare(self) -> None:
        """Bring the data folder into a state to start from; does nothing where it is so already."""

    def command(self) -> Command:
        """How to run it, once prepared."""

    def ready(self) -> bool:
        """Whether it answers its own protocol now."""


def leashed(
    program: Sequence[str | Path],
    env: Mapping[str, str],
    *,
    stop_signal: signal.Signals,
    orphan_signal: signal.Signals,
    account: Account | None = None,
) -> Command:
    """A command that ends with the process that calls this; `orphan_signal` is what it gets then."""
    leash = Path(__file__).with_name("leash.py")
    options = ["--parent", str(os.getpid()), "--signal", str(int(orphan_signal))]
    if account is not None:
        options += ["--uid", str(account.uid), "--gid", str(account.gid)]
    argv = (sys.executable, "-I", "-S", str(leash), *options, "--", *map(str, program))
    return Command(argv, env, stop_signal)


@dataclass(slots=True)
class Running:
    """A server that was started here and has answered."""

    server: Server
    log: Path
    process: subprocess.Popen[bytes]
    command: Command
    seconds_to_ready: float = field(default=0.0)

    @property
    def pid(self) -> int:
        """The server's own process id (the leash has become the server)."""
        return self.process.pid

    def stop(self, timeout: float = 20.0) -> None:
        """End in order; by SIGKILL, with all it started, if that takes longer than `timeout` seconds."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(self.command.stop_signal)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End at once, as a crash would, the server and every process of its session."""
        self.process.kill()
        self.process.wait()
        session.end(self.pid)

    def memory(self) -> int:
        """Resident bytes of the server and its children; pages that they share are counted in each."""
        root = psutil.Process(self.pid)
        return sum(process.memory_info().rss for process in [root, *root.children(recursive=True)])


def start(server: Server, log: Path, timeout: float = 60.0) -> Running:
    """Prepare and run a server, and return once it answers.

    Its output is appended to `log`.

    Raises:
        PortInUseError: another process has one of its ports.
        PrepareError: its data folder could not be set up.
        StartError: it ended, or did not answer within `timeout` seconds; the message has the end of its log.
    """
    ports.require_free(server.ports, server.name)
    server.prepare()
    command = server.command()
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # argv is built here
            command.argv,
            env=dict(command.env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Running(server, log, process, command)
    try:
        _await_ready(running, began + timeout)
    except BaseException:
        running.kill()
        raise
    running.seconds_to_ready = time.monotonic() - began
    return running


def _await_ready(running: Running, deadline: float) -> None:
    name = running.server.name
    while not running.server.ready():
        if (code := running.process.poll()) is not None:
            raise StartError(f"{name} ended with code {code} while starting. {_explain(running.log)}")
        if time.monotonic() > deadline:
            raise StartError(f"{name} did not answer in time. {_explain(running.log)}")
        time.sleep(_POLL_SECONDS)


def _explain(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    return f"The end of {log}:\n" + "\n".join(lines)
