"""Processes of a supervisor that was killed: nobody supervises them, and they hold the ports and the data."""

import os
import signal
from contextlib import suppress

import psutil

from pelton.cli.supervisor.state import PartState, PlatformState

END_SECONDS = 20.0
# The system counts the age of a process in hundredths of a second from its own start.
_SAME_SECONDS = 1.0


def leftovers(state: PlatformState) -> list[psutil.Process]:
    """The processes of this state that still live."""
    return [process for part in state.parts if (process := _process(part)) is not None]


def end_leftovers(state: PlatformState, seconds: float = END_SECONDS) -> None:
    """Return when nothing of this state lives any more; what has not ended after `seconds` is killed.

    On Linux the processes have been told to end already, by the death of their parent. The signal is for elsewhere.
    """
    left = leftovers(state)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(left, seconds)
    for process in alive:
        # Each part leads a group of its own, with all that it started.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    psutil.wait_procs(alive)


def _process(part: PartState) -> psutil.Process | None:
    if part.pid is None or part.since is None:
        return None
    try:
        process = psutil.Process(part.pid)
        same = abs(process.create_time() - part.since) < _SAME_SECONDS and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None
