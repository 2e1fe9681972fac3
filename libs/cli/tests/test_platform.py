"""One real platform: Kafka, PostgreSQL and every service, from `pelton up -d` to `pelton down`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from command import Command

from pelton.cli.home import Home
from pelton.cli.lifecycle import stop
from pelton.cli.supervisor.part import SERVICES
from pelton.cli.supervisor.state import PartState, PlatformState
from pelton.local import ports
from pelton.testkit import at_work, eventually

PARTS = ("kafka", "postgres", *SERVICES)
UP_SECONDS = 170


@dataclass(frozen=True)
class Platform:
    home: Path
    port_base: int
    shown: str

    def part(self, name: str) -> PartState:
        state = PlatformState.read(Home(self.home).state_file)
        return next(part for part in state.parts if part.name == name)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    # A name such as people have and such as configurations stumble over.
    home, port_base = tmp_path_factory.mktemp("up") / "José's [home]", ports.free_block(40)
    done = subprocess.run(
        [sys.executable, "-m", "pelton.cli", "up", "-d"],
        env={**os.environ, "PELTON_HOME": str(home), "PELTON_PORT_BASE": str(port_base), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    yield Platform(home, port_base, done.stdout)
    stop(Home(home))


@pytest.fixture
def on_it(platform: Platform, pelton: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line, on the real platform."""
    monkeypatch.setenv("PELTON_HOME", str(platform.home))
    monkeypatch.setenv("PELTON_PORT_BASE", str(platform.port_base))
    return pelton


@pytest.mark.timeout(UP_SECONDS + 30)
def test_up_returns_when_all_is_ready_and_shows_it(platform: Platform) -> None:
    lines = [line.split() for line in platform.shown.splitlines()]

    assert [line[:2] for line in lines if line[0] in PARTS] == [[name, "ready"] for name in PARTS]


def test_every_part_is_a_process_of_its_own(on_it: Command) -> None:
    facts: dict[str, Any] = json.loads(on_it("status", "--json").out)

    assert facts["ready"] is True
    assert [part["name"] for part in facts["parts"]] == list(PARTS)
    assert len({part["pid"] for part in facts["parts"]}) == len(PARTS)
    for part in facts["parts"]:
        assert psutil.Process(part["pid"]).ppid() == facts["supervisor_pid"]
        assert not ports.is_free(part["port"])


def test_services_started_only_when_kafka_and_postgresql_were_ready(platform: Platform) -> None:
    foundations = [platform.part(name) for name in ("kafka", "postgres")]
    # The system counts the start of a process in hundredths of a second.
    ready = max((part.since or 0) + (part.seconds or 0) for part in foundations) - 0.1

    assert all((platform.part(name).since or 0) >= ready for name in SERVICES)


def test_doctor_finds_nothing_wrong(on_it: Command) -> None:
    answer = on_it("doctor")

    assert (answer.code, answer.err) == (0, "")
    assert all(f"ok  {name} is ready" in answer.out for name in PARTS)


def test_each_part_has_a_log_with_its_name_on_every_line(platform: Platform) -> None:
    for name in PARTS:
        lines = (Home(platform.home).logs / f"{name}.log").read_text().splitlines()
        assert lines
        assert all(line.startswith(f"{name} | ") for line in lines)


@pytest.mark.parametrize("name", ["postgres", "monitor"])
async def test_a_killed_part_is_back_and_ready(name: str, platform: Platform) -> None:
    killed = platform.part(name).pid
    assert killed is not None

    os.kill(killed, signal.SIGKILL)

    await eventually(lambda: platform.part(name).phase == "ready" and platform.part(name).pid != killed, 60)
    assert platform.part(name).restarts == 1


async def test_down_leaves_nothing(platform: Platform, on_it: Command) -> None:
    assert len(at_work(platform.home)) > len(PARTS)

    answer = on_it("down")

    assert (answer.code, answer.out) == (0, f"The platform on {platform.home} is down.\n")
    assert at_work(platform.home) == []
    assert on_it("status").code == 1
