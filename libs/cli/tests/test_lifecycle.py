import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from command import Command
from fake_parts import journal

from pelton.cli import lifecycle
from pelton.cli.home import Home
from pelton.cli.lifecycle import stop
from pelton.cli.supervisor.state import PartState, PlatformState
from pelton.testkit import at_work, eventually

FAKE_PLATFORM = Path(__file__).with_name("fake_platform.py")
Up = Callable[..., "Platform"]


class Platform:
    """A `pelton up` of fake parts, in a process of its own."""

    def __init__(self, home: Path, port_base: int, services: str, *options: str) -> None:
        self.home = home
        environment = {**os.environ, "PELTON_HOME": str(home), "PELTON_PORT_BASE": str(port_base)}
        self.process = subprocess.Popen(
            [sys.executable, FAKE_PLATFORM, "up", *options],
            env={**environment, "FAKE_SERVICES": services},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def state(self) -> PlatformState | None:
        """What it says of itself; None before it does."""
        return lifecycle.state_of(Home(self.home), Home(self.home).supervisor)

    def part(self, name: str) -> PartState:
        assert self.state is not None
        return next(part for part in self.state.parts if part.name == name)

    async def ready(self) -> None:
        await eventually(lambda: self.state is not None and self.state.ready)

    def ended(self) -> tuple[int, str, str]:
        """Its exit code and what it printed."""
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@pytest.fixture
def up(home: Path, port_base: int) -> Iterator[Up]:
    started: list[Platform] = []

    def start(
        *options: str, home: Path = home, port_base: int = port_base, services: str = "one:serve,two:serve"
    ) -> Platform:
        started.append(Platform(home, port_base, services, *options))
        return started[-1]

    yield start
    for platform in started:
        with suppress(ProcessLookupError):
            platform.process.kill()
        platform.process.communicate()
        stop(Home(platform.home))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_all_in_order_and_leaves_no_orphan(number: signal.Signals, up: Up, home: Path) -> None:
    platform = up()
    await platform.ready()
    assert len(at_work(home)) == 4

    platform.process.send_signal(number)

    code, out, err = platform.ended()
    assert (code, err) == (0, "")
    assert at_work(home) == []
    assert journal(home)[-1] == "stop base"
    assert "base ready\n" in out
    assert "one waiting: waits for base\n" in out
    assert out.endswith("base stopped\n")


async def test_down_returns_once_all_is_gone(up: Up, home: Path, pelton: Command) -> None:
    platform = up()
    await platform.ready()

    answer = pelton("down")

    assert (answer.code, answer.out) == (0, f"The platform on {home} is down.\n")
    assert at_work(home) == []
    assert platform.ended()[0] == 0


def test_down_with_nothing_up_is_fine_and_says_so(pelton: Command, home: Path) -> None:
    answer = pelton("down")

    assert (answer.code, answer.out) == (0, f"No platform was up on {home}.\n")


async def test_a_second_up_is_refused_and_harms_nothing(up: Up, pelton: Command) -> None:
    platform = up()
    await platform.ready()
    before = platform.state

    for arguments in (["up"], ["up", "--detach"]):
        assert f"is up on {platform.home} already (process {platform.process.pid})" in pelton(*arguments).error

    assert platform.state == before


async def test_after_a_killed_supervisor_nothing_is_left_and_up_works(up: Up, home: Path, pelton: Command) -> None:
    platform = up()
    await platform.ready()

    platform.process.kill()
    platform.ended()
    assert pelton("status").code == 1
    again = up()
    await again.ready()

    assert len(at_work(home)) == 4
    again.process.terminate()
    assert again.ended()[0] == 0
    assert at_work(home) == []


async def test_down_ends_what_a_killed_supervisor_left(
    up: Up, home: Path, pelton: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "end_leftovers", lambda state: _end_leftovers(state, 0.2))
    platform = up(services="one:deaf")
    await platform.ready()
    platform.process.kill()
    platform.ended()

    assert pelton("down").out == f"The platform on {home} is down.\n"

    assert at_work(home) == []


_end_leftovers = lifecycle.end_leftovers


async def test_two_platforms_live_side_by_side(up: Up, home: Path, port_base: int, tmp_path: Path) -> None:
    first, second = up(), up(home=tmp_path / "other", port_base=port_base + 10)
    await first.ready()
    await second.ready()

    first.process.terminate()

    assert first.ended()[0] == 0
    assert at_work(home) == []
    assert second.state is not None
    assert second.state.ready
    assert len(at_work(tmp_path / "other")) == 4


@pytest.mark.parametrize("options", [[], ["--detach"]])
def test_a_taken_port_is_told_with_who_has_it_before_anything_starts(
    options: list[str], up: Up, home: Path, port_base: int
) -> None:
    with socket.create_server(("127.0.0.1", port_base + 1)):
        code, _, err = up(*options).ended()

    assert code == 1
    assert err.startswith(f"error: Port {port_base + 1}, wanted by one, is in use by process {os.getpid()} (")
    assert err.count("\n") == 1
    assert journal(home) == []


def test_up_in_the_background_returns_when_all_is_ready(up: Up, home: Path, pelton: Command) -> None:
    code, out, err = up("--detach").ended()

    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()[2:5]] == [[name, "ready"] for name in ("base", "one", "two")]
    assert out.endswith("See `pelton status` and `pelton logs`; stop it with `pelton down`.\n")
    assert pelton("status").code == 0
    assert pelton("down").code == 0
    assert journal(home)[-1] == "stop base"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_who_gives_up_waiting_leaves_nothing_in_the_background(
    number: signal.Signals, up: Up, home: Path
) -> None:
    home.mkdir()
    (home / "base.wrong").write_text("recovers its log")
    platform = up("--detach")
    await eventually(lambda: platform.state is not None and platform.part("base").detail == "recovers its log")

    platform.process.send_signal(number)

    assert platform.ended()[0] == 128 + number
    assert at_work(home) == []


def test_a_part_that_cannot_be_ready_is_told_before_the_time_is_up(up: Up, home: Path) -> None:
    code, _, err = up("--detach", services="one:serve,two:crash").ended()

    assert code == 1
    assert err == (
        "error: two was started 3 times and is not ready: ended with code 3 (ValueError: no such topic). "
        f"See `pelton logs two` ({home / 'logs' / 'two.log'}).\n"
    )
    assert at_work(home) == []


async def test_a_disk_that_fills_costs_nothing_but_what_could_not_be_written(
    up: Up, mounted: Callable[..., Path], pelton: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = mounted("size=2m") / "home"
    monkeypatch.setenv("PELTON_HOME", str(home))
    platform = up(home=home)
    await platform.ready()
    killed = platform.part("one").pid
    assert killed is not None
    with (home / "fill").open("wb", buffering=0) as rest, suppress(OSError):
        while True:
            rest.write(b"x" * 4096)

    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: f"The disk of {home} is full" in pelton("status").out)
    assert platform.process.poll() is None
    (home / "fill").unlink()
    await eventually(lambda: platform.part("one").phase == "ready" and platform.part("one").pid != killed)

    platform.process.terminate()
    assert platform.ended()[0] == 0
    assert at_work(home) == []


async def test_status_tells_a_script_and_a_reader_what_runs(up: Up, home: Path, pelton: Command) -> None:
    platform = up()
    await platform.ready()

    facts = json.loads(pelton("status", "--json").out)
    shown = pelton("status")

    assert (facts["up"], facts["ready"], facts["supervisor_pid"]) == (True, True, platform.process.pid)
    assert [(part["name"], part["phase"], part["restarts"]) for part in facts["parts"]] == [
        (name, "ready", 0) for name in ("base", "one", "two")
    ]
    assert all(part["memory_bytes"] > 0 and part["since"] <= time.time() for part in facts["parts"])
    assert shown.code == 0
    assert f"Pelton on {home}" in shown.out
    assert all(str(part["pid"]) in shown.out for part in facts["parts"])


async def test_status_fails_and_says_why_while_a_part_is_not_ready(up: Up, pelton: Command) -> None:
    platform = up(services="one:serve,two:crash")
    await eventually(lambda: platform.state is not None and platform.part("two").restarts >= 1)

    # For an instant after each start nobody has asked the part yet why it is not ready.
    await eventually(lambda: "two: " in pelton("status").out)
    assert pelton("status").code == 1
    assert json.loads(pelton("status", "--json").out)["ready"] is False


def test_status_with_nothing_up_fails_and_says_what_to_do(pelton: Command, home: Path) -> None:
    shown, facts = pelton("status"), pelton("status", "--json")

    assert (shown.code, facts.code) == (1, 1)
    assert shown.out == f"No platform is up on {home}. Start one with `pelton up`.\n"
    assert json.loads(facts.out) == {
        "home": str(home),
        "up": False,
        "ready": False,
        "supervisor_pid": None,
        "parts": [],
    }


def test_logs_shows_the_last_lines_of_one_process(pelton: Command, home: Path) -> None:
    logs = Home(home).logs
    logs.mkdir(parents=True)
    (logs / "kafka.log").write_text("".join(f"kafka | line {number}\n" for number in range(100)))
    (logs / "monitor.log").write_text("")

    assert pelton("logs", "kafka", "-n", "2").out == "kafka | line 98\nkafka | line 99\n"
    assert pelton("logs", "kafka").out.count("\n") == 50
    assert pelton("logs", "nosuch").error == (
        f"error: there is no log of 'nosuch' in {logs}; there are: kafka, monitor\n"
    )
    assert "../home" in pelton("logs", "../home").error


def test_logs_of_a_home_where_nothing_was_ever_up_says_so(pelton: Command, home: Path) -> None:
    assert f"there are no logs in {home / 'logs'}" in pelton("logs", "kafka").error


def test_logs_follows_a_log_that_is_put_aside(home: Path) -> None:
    log = Home(home).logs / "kafka.log"
    log.parent.mkdir(parents=True)
    log.write_text("kafka | one\n")
    with subprocess.Popen(
        [sys.executable, FAKE_PLATFORM, "logs", "kafka", "--follow"],
        env={**os.environ, "PELTON_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    ) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "kafka | one\n"
        log.rename(log.with_suffix(".log.1"))
        log.write_text("kafka | two\n")

        assert follower.stdout.readline() == "kafka | two\n"
        follower.kill()


@pytest.mark.parametrize("command", [["up"], ["up", "-d"], ["doctor"]])
def test_a_port_base_that_is_no_number_is_one_line(
    command: list[str], pelton: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PELTON_PORT_BASE", "[red]abc")

    assert "PELTON_PORT_BASE is '[red]abc', and must be a whole number" in pelton(*command).error


@pytest.mark.parametrize("command", ["up", "down", "status", "logs"])
@pytest.mark.parametrize("where", ["file", "file/home", "n" * 300, "/".join(["n" * 200] * 30)])
def test_a_home_that_cannot_be_is_no_traceback(
    command: str, where: str, tmp_path: Path, pelton: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PELTON_HOME", str(tmp_path / where))

    answer = pelton(command)

    if command == "up":
        assert "PELTON_HOME" in answer.error
    else:
        assert answer.code == (0 if command == "down" else 1)
