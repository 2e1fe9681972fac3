import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from pelton.cli.supervisor.leftovers import end_leftovers, leftovers
from pelton.cli.supervisor.state import PartState, PlatformState
from pelton.local.session import lives

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


@pytest.fixture
def process() -> Iterator[psutil.Process]:
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", DEAF], stdout=subprocess.PIPE, start_new_session=True
    ) as one:
        assert one.stdout is not None
        one.stdout.readline()
        yield psutil.Process(one.pid)
        one.kill()


def state(pid: int | None, since: float | None) -> PlatformState:
    return PlatformState(1, "/home", 1, (PartState("one", "ready", pid, 1, 0, "", 1.0, since),))


def test_what_still_lives_of_a_state_is_found_and_ended_though_it_is_deaf(process: psutil.Process) -> None:
    last = state(process.pid, process.create_time())
    assert [one.pid for one in leftovers(last)] == [process.pid]

    end_leftovers(last, 0.1)

    assert not lives(process)
    assert leftovers(last) == []


def test_another_process_that_has_got_the_number_is_left_alone(process: psutil.Process) -> None:
    last = state(process.pid, process.create_time() - 60)

    end_leftovers(last, 0.1)

    assert process.is_running()


def test_a_state_without_processes_has_no_leftovers() -> None:
    assert leftovers(state(None, None)) == []
