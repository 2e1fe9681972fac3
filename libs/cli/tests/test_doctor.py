import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from command import Command

from pelton.cli.home import Home
from pelton.cli.supervisor.state import PartState, PlatformState
from pelton.local import PrepareError, postgres


def test_a_machine_that_is_fine_is_told_so(pelton: Command) -> None:
    answer = pelton("doctor")

    assert answer.code == 0
    assert {line[:4] for line in answer.out.splitlines()} == {"ok  ", "    "}
    assert "Start one with `pelton up`." in answer.out


def test_a_taken_port_is_told_with_who_wants_it_and_who_has_it(pelton: Command, port_base: int) -> None:
    with socket.create_server(("127.0.0.1", port_base + 4)):
        answer = pelton("doctor")

    assert answer.code == 1
    assert f"bad port {port_base + 4}, wanted by monitor, is in use by process {os.getpid()} (" in answer.out
    assert "set PELTON_PORT_BASE to a free range" in answer.out


def test_a_home_that_cannot_be_used_is_told_and_the_rest_is_looked_at(
    pelton: Command, home: Path, port_base: int
) -> None:
    home.touch()

    answer = pelton("doctor")

    assert answer.code == 1
    assert f"PELTON_HOME {home} cannot be written" in answer.out
    assert f"ok  ports from {port_base}: free" in answer.out


def test_a_full_disk_is_told(pelton: Command, mounted: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELTON_HOME", str(mounted("size=4m")))

    answer = pelton("doctor")

    assert answer.code == 1
    assert "has 4 MiB left on its disk" in answer.out


def test_a_token_that_others_can_read_is_told(pelton: Command, home: Path) -> None:
    one = Home(home)
    one.prepare()
    one.ensure_secrets()
    one.token_file.chmod(0o644)

    answer = pelton("doctor")

    assert answer.code == 1
    assert f"chmod 600 {one.token_file}" in answer.out


def test_a_server_that_cannot_run_here_is_told(pelton: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PrepareError("PostgreSQL refuses to run as root, and this system has no account.")

    monkeypatch.setattr(postgres, "require_runnable", refuse)

    answer = pelton("doctor")

    assert answer.code == 1
    assert "bad PostgreSQL cannot run here\n    PostgreSQL refuses to run as root" in answer.out


def test_a_part_that_is_not_ready_is_told_with_the_reason_and_its_log(pelton: Command, home: Path) -> None:
    one = Home(home)
    one.prepare()
    _said(one, PartState("monitor", "backing off", None, 1, 3, "ended with code 1 (ValueError: [a])", None))

    with one.locked():
        answer = pelton("doctor")

    assert answer.code == 1
    assert f"ok  a supervisor is up as process {os.getpid()}" in answer.out
    assert "bad monitor is backing off, restarted 3 times" in answer.out
    assert "Because: ended with code 1 (ValueError: [a]). See `pelton logs monitor`" in answer.out


def test_a_supervisor_that_has_said_nothing_yet_is_told(pelton: Command, home: Path) -> None:
    one = Home(home)
    one.prepare()

    with one.locked():
        answer = pelton("doctor")

    assert answer.code == 1
    assert "it has not started anything yet" in answer.out


def test_what_a_killed_supervisor_left_is_told(pelton: Command, home: Path) -> None:
    one = Home(home)
    one.prepare()
    waiting = [sys.executable, "-c", "input()"]
    # as each part does, it leads a session of its own
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, start_new_session=True) as part:
        since = psutil.Process(part.pid).create_time()
        _said(one, PartState("monitor", "ready", part.pid, 1, 0, "", 1.0, since))

        answer = pelton("doctor")

        part.kill()
    assert answer.code == 1
    assert f"was killed, and left processes: {part.pid}" in answer.out


def _said(home: Home, *parts: PartState) -> None:
    PlatformState(os.getpid(), str(home.path), 1, parts).write(home.state_file)
