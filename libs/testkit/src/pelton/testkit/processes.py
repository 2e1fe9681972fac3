"""Which processes a test has left on the machine."""

import os
from pathlib import Path

import psutil

from pelton.local.session import lives

# Where a process is told its folders, by itself or by who started it.
_TOLD = ("PELTON_HOME", "TMPDIR")


def at_work(home: Path) -> list[str]:
    """Every process that lives and works on a home, this one left out: its number and its command line.

    It has the home, or a folder in it, in its environment or, as Kafka's and PostgreSQL's, in its command line.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or not lives(process):
                continue
            command, environment = process.cmdline(), process.environ()
        except psutil.Error:
            continue
        told = [*command, *(environment.get(name, "") for name in _TOLD)]
        if any(f"{home}/" in f"{word}/" for word in told):
            found.append(f"{process.pid} {' '.join(command)}")
    return found
