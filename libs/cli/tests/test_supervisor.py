import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from fake_parts import fake, journal

from pelton.cli.supervisor import supervisor as supervision
from pelton.cli.supervisor.part import Part
from pelton.cli.supervisor.state import PartState, PlatformState
from pelton.cli.supervisor.supervisor import Supervisor
from pelton.local import PortInUseError, PrepareError
from pelton.local.session import lives
from pelton.testkit import at_work, eventually


class Platform:
    """A supervisor at work in this process, and all that it said."""

    def __init__(self, folder: Path, parts: tuple[Part, ...]) -> None:
        self.folder = folder
        self.said: list[PlatformState] = []
        self.mute = False
        self.supervisor = Supervisor(folder, 1, parts, logs=folder, changed=self._hear)
        self.running: asyncio.Task[None] | None = None

    def part(self, name: str) -> PartState:
        return next(part for part in self.supervisor.state.parts if part.name == name)

    def details(self, name: str) -> list[str]:
        """Every reason that was given for this part, once each time that it changed."""
        details: list[str] = []
        for state in self.said:
            detail = next(part.detail for part in state.parts if part.name == name)
            if detail and detail not in details[-1:]:
                details.append(detail)
        return details

    async def ready(self) -> None:
        await eventually(lambda: self.supervisor.state.ready)

    async def stop(self) -> None:
        assert self.running is not None
        self.supervisor.stop()
        await self.running

    def kill(self, name: str) -> int:
        pid = self.part(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    def _hear(self, state: PlatformState) -> None:
        if self.mute:
            raise OSError("nobody can be told")
        self.said.append(state)


@asynccontextmanager
async def supervised(folder: Path, *parts: Part) -> AsyncIterator[Platform]:
    platform = Platform(folder, parts)
    platform.running = asyncio.create_task(platform.supervisor.run())
    try:
        yield platform
    finally:
        if not platform.running.done():
            await platform.stop()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(supervision, "STEADY_POLL_SECONDS", 0.02)
    monkeypatch.setattr(supervision, "FIRST_BACK_OFF", 0.1)
    monkeypatch.setattr(supervision, "LONGEST_BACK_OFF", 0.4)


async def test_a_part_starts_only_once_what_it_stands_on_is_ready(tmp_path: Path) -> None:
    (tmp_path / "base.wrong").write_text("recovers its log")

    async with supervised(tmp_path, fake(tmp_path, "top", after=("base",)), fake(tmp_path, "base")) as platform:
        await eventually(lambda: platform.part("base").detail == "recovers its log")
        assert platform.part("top").phase == "waiting"
        assert platform.part("top").detail == "waits for base"
        assert platform.part("top").pid is None
        (tmp_path / "base.wrong").unlink()
        await platform.ready()

    assert journal(tmp_path)[:2] == ["start base", "start top"]


async def test_the_stop_goes_the_other_way_and_leaves_nothing(tmp_path: Path) -> None:
    async with supervised(tmp_path, fake(tmp_path, "base"), fake(tmp_path, "top", after=("base",))) as platform:
        await platform.ready()
        assert len(at_work(tmp_path)) == 2

    assert journal(tmp_path)[2:] == ["stop top", "stop base"]
    assert at_work(tmp_path) == []
    assert {part.phase for part in platform.said[-1].parts} == {"stopped"}


async def test_a_killed_part_comes_back_and_the_others_stay(tmp_path: Path) -> None:
    async with supervised(tmp_path, fake(tmp_path, "one"), fake(tmp_path, "two")) as platform:
        await platform.ready()
        other = platform.part("two")
        killed = platform.kill("one")
        await eventually(lambda: platform.part("one").restarts == 1 and platform.part("one").phase == "ready")

        assert platform.part("one").pid != killed
        assert platform.part("two") == other
    assert "was killed by SIGKILL; starts again in 0.1 s" in platform.details("one")


async def test_a_part_that_keeps_crashing_waits_longer_each_time_and_says_why(tmp_path: Path) -> None:
    async with supervised(tmp_path, fake(tmp_path, "one", "crash"), fake(tmp_path, "two")) as platform:
        await eventually(lambda: platform.part("one").restarts == 4)
        assert platform.part("two").phase == "ready"

    said = [detail for detail in platform.details("one") if detail != "does not answer yet"]
    assert said == [
        f"ended with code 3 (ValueError: no such topic); starts again in {pause} s" for pause in (0.1, 0.2, 0.4, 0.4)
    ]


async def test_after_a_steady_life_the_pause_is_short_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "STEADY_SECONDS", 0.0)

    async with supervised(tmp_path, fake(tmp_path, "one", "crash")) as platform:
        await eventually(lambda: platform.part("one").restarts == 3)

    assert all("again in 0.1 s" in detail for detail in platform.details("one") if "ended" in detail)


async def test_a_part_that_loses_its_foundation_with_itself_waits_for_it_again(tmp_path: Path) -> None:
    async with supervised(tmp_path, fake(tmp_path, "base"), fake(tmp_path, "top", after=("base",))) as platform:
        await platform.ready()
        (tmp_path / "base.wrong").write_text("recovers its log")
        platform.kill("base")
        platform.kill("top")
        await eventually(lambda: platform.part("top").detail == "waits for base")
        (tmp_path / "base.wrong").unlink()
        await platform.ready()

    assert journal(tmp_path)[:4] == ["start base", "start top", "start base", "start top"]


async def test_a_part_that_does_not_hear_the_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "STOP_SECONDS", 0.1)

    async with supervised(tmp_path, fake(tmp_path, "one", "deaf")) as platform:
        await platform.ready()

    assert at_work(tmp_path) == []


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_what_a_part_had_started_ends_with_it(end: str, tmp_path: Path) -> None:
    async with supervised(tmp_path, fake(tmp_path, "one", "parent")) as platform:
        await platform.ready()
        leader = platform.part("one").pid
        assert leader is not None
        (child,) = psutil.Process(leader).children()
        if end == "kill":
            platform.kill("one")
            await eventually(lambda: platform.part("one").restarts == 1)
        else:
            await platform.stop()
        assert not lives(child)


async def test_a_part_that_is_ready_no_more_is_told_and_not_restarted(tmp_path: Path) -> None:
    async with supervised(tmp_path, fake(tmp_path, "one")) as platform:
        await platform.ready()
        before = platform.part("one")
        (tmp_path / "one.wrong").write_text("PostgreSQL does not answer")
        await eventually(lambda: platform.part("one").phase == "not ready")
        assert platform.part("one").detail == "PostgreSQL does not answer"
        (tmp_path / "one.wrong").unlink()
        await platform.ready()

        assert platform.part("one") == before


async def test_a_first_preparation_that_fails_stops_all_and_says_why(tmp_path: Path) -> None:
    def fail() -> None:
        raise PrepareError("the folder cannot be written")

    async with supervised(tmp_path, fake(tmp_path, "one"), fake(tmp_path, "two", prepare=fail)) as platform:
        assert platform.running is not None
        with pytest.raises(PrepareError, match="the folder cannot be written"):
            await platform.running

    assert at_work(tmp_path) == []


async def test_a_later_preparation_that_fails_is_tried_again(tmp_path: Path) -> None:
    full = False

    def prepare() -> None:
        if full:
            raise OSError(28, "No space left on device")

    async with supervised(tmp_path, fake(tmp_path, "one", prepare=prepare)) as platform:
        await platform.ready()
        full = True
        platform.kill("one")
        await eventually(lambda: platform.part("one").restarts == 2)
        assert "No space left on device; starts again" in platform.part("one").detail
        full = False
        await platform.ready()


async def test_a_preparation_that_hangs_does_not_hold_up_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "PREPARE_SECONDS", 0.1)
    begun, over = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        over.wait()

    async with supervised(tmp_path, fake(tmp_path, "one", prepare=hang)) as platform:
        await eventually(begun.is_set)
        await platform.stop()
        assert not over.is_set()
    over.set()


async def test_news_that_cannot_be_told_cost_nothing_and_are_told_later(tmp_path: Path) -> None:
    async with supervised(tmp_path, fake(tmp_path, "one")) as platform:
        await platform.ready()
        platform.mute = True
        platform.kill("one")
        await eventually(lambda: platform.part("one").restarts == 1 and platform.part("one").phase == "ready")
        assert platform.said[-1].parts[0].restarts == 0
        platform.mute = False
        await eventually(lambda: platform.said[-1] == platform.supervisor.state)
        platform.mute = True

    assert at_work(tmp_path) == []


async def test_a_taken_port_is_found_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with supervised(tmp_path, fake(tmp_path, "one"), fake(tmp_path, "two", port=port)) as platform:
            assert platform.running is not None
            with pytest.raises(
                PortInUseError, match=rf"Port {port}, wanted by two, is in use by process {os.getpid()}"
            ):
                await platform.running

    assert journal(tmp_path) == []


async def test_all_that_a_part_prints_is_in_its_log_and_in_that_of_all(tmp_path: Path) -> None:
    async with supervised(tmp_path, fake(tmp_path, "one", "chatty"), fake(tmp_path, "two")) as platform:
        await platform.ready()

    lines = (tmp_path / "one.log").read_text().splitlines()
    # A line without an end in sight is cut, and nothing of it is lost.
    assert sum(line.count("x") for line in lines) == 3_000_000
    assert lines[-1] == "one | one is up"
    together = (tmp_path / "all.log").read_text().splitlines()
    assert {"one | one is up", "two | two is up"} <= set(together)
