"""Sessions: a program that was started in one of its own, and all that it started, in whichever groups."""

import os
import time
from contextlib import suppress

import psutil

_POLL_SECONDS = 0.005


def lives(process: psutil.Process) -> bool:
    """Whether a process still runs: one that has ended and that nobody has asked for its status does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def members(leader: int) -> list[psutil.Process]:
    """The living processes of the session that a process began, whether or not it lives itself."""
    found = []
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(pid) == leader and lives(process := psutil.Process(pid)):
                found.append(process)
    return found


def end(leader: int, seconds: float = 5.0) -> None:
    """Kill every process of a session, and return when none lives.

    After `seconds` it returns all the same: a process that waits for a device dies only when the device has answered.
    """
    deadline = time.monotonic() + seconds
    while (left := members(leader)) and time.monotonic() < deadline:
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(_POLL_SECONDS)
