"""Processes of a supervisor that was killed: nobody supervises them, and they hold the ports and the data."""

from contextlib import suppress

import psutil

from pelton.cli.supervisor.state import PartState, PlatformState
from pelton.local import session

END_SECONDS = 20.0
# The system counts the age of a process in hundredths of a second from its own start.
_SAME_SECONDS = 1.0


def leftovers(state: PlatformState) -> list[psutil.Process]:
    """The processes of this state that still live, with all that they started."""
    return [process for part in state.parts for process in _processes(part)]


def end_leftovers(state: PlatformState, seconds: float = END_SECONDS) -> None:
    """Return when nothing of this state lives any more; what has not ended after `seconds` is killed.

    On Linux the processes have been told to end already, by the death of their parent. The signal is for elsewhere.
    """
    # Each part leads a session of its own.
    leaders = {part.pid for part in state.parts}
    left = leftovers(state)
    for process in left:
        if process.pid in leaders:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
    psutil.wait_procs(left, seconds)
    for part in state.parts:
        if part.pid is not None and _processes(part):
            session.end(part.pid)


def _processes(part: PartState) -> list[psutil.Process]:
    if part.pid is None or part.since is None:
        return []
    try:
        another = abs(psutil.Process(part.pid).create_time() - part.since) >= _SAME_SECONDS
    except psutil.NoSuchProcess:
        # The system gives nobody the number as long as a process of the session has it as the session's.
        another = False
    return [] if another else session.members(part.pid)
