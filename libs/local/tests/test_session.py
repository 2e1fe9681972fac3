import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from pelton.local import session

# A program with two that it started: one in its group, one in a group of its own. None hears SIGTERM.
FAMILY = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 1:
    for group in (None, 0):
        child = [sys.executable, "-I", "-S", "-c", os.environ["FAMILY"], "child"]
        subprocess.Popen(child, stdout=subprocess.PIPE, process_group=group).stdout.readline()
print("up", flush=True)
signal.pause()
"""


@pytest.fixture
def leader() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-I", "-S", "-c", FAMILY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, env={"FAMILY": FAMILY}) as one:
        assert one.stdout is not None
        one.stdout.readline()
        yield one
        session.end(one.pid)


def test_a_session_has_all_that_its_leader_started_in_whichever_group(leader: subprocess.Popen[bytes]) -> None:
    family = {leader.pid, *(child.pid for child in psutil.Process(leader.pid).children())}

    assert len(family) == 3
    assert {one.pid for one in session.members(leader.pid)} == family


def test_nothing_of_a_session_lives_once_it_was_ended(leader: subprocess.Popen[bytes]) -> None:
    family = session.members(leader.pid)

    session.end(leader.pid)

    assert not any(session.lives(one) for one in family)


def test_what_a_leader_left_is_ended_without_it(leader: subprocess.Popen[bytes]) -> None:
    family = session.members(leader.pid)
    leader.kill()
    leader.wait()
    assert len(session.members(leader.pid)) == 2

    session.end(leader.pid)

    assert not any(session.lives(one) for one in family)


def test_a_process_that_nobody_has_asked_for_its_status_lives_no_more() -> None:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", ""], stdout=subprocess.PIPE) as one:
        process = psutil.Process(one.pid)
        assert one.stdout is not None
        one.stdout.read()
        while process.status() != psutil.STATUS_ZOMBIE:
            pass
        assert process.is_running()

        assert not session.lives(process)
