"""Parts that are tiny programs: they start in a few hundredths of a second and do one thing wrong, or none."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pelton.cli.supervisor.part import Part
from pelton.local import Command
from pelton.local.process import leashed

PROGRAM = """
import os, signal, subprocess, sys

folder, name, kind = sys.argv[1:]


def note(what):
    with open(f"{folder}/journal", "a") as journal:
        journal.write(f"{what} {name}\\n")


def stop(*_):
    note("stop")
    sys.exit(0)


if kind == "crash":
    print("ValueError: no such topic\\n  at line 3", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, signal.SIG_IGN if kind == "deaf" else stop)
if kind == "parent":
    # Deaf to what its parent is told and in a group of its own, as a job in the middle of its work may be.
    job = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('at work', flush=True); signal.pause()"
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", job], stdout=subprocess.PIPE, process_group=0)
    child.stdout.readline()
if kind == "chatty":
    print("x" * 3_000_000, flush=True)
print(f"{name} is up", flush=True)
note("start")
with open(f"{folder}/{name}.ready", "w"):
    pass
while True:
    signal.pause()
"""


def fake(
    folder: Path,
    name: str,
    kind: str = "serve",
    *,
    after: tuple[str, ...] = (),
    port: int = 1,
    prepare: Callable[[], None] | None = None,
) -> Part:
    """A part that is ready once its program is, and as long as nobody writes what is wrong into `<name>.wrong`."""
    ready, wrong = folder / f"{name}.ready", folder / f"{name}.wrong"

    def begin() -> None:
        if prepare is not None:
            prepare()
        ready.unlink(missing_ok=True)

    def missing() -> str | None:
        if wrong.exists():
            return wrong.read_text()
        return None if ready.exists() else "does not answer yet"

    def command() -> Command:
        return leashed(
            [sys.executable, "-I", "-S", "-c", PROGRAM, folder, name, kind],
            {**os.environ, "PELTON_HOME": str(folder)},
            stop_signal=signal.SIGTERM,
            orphan_signal=signal.SIGTERM,
        )

    return Part(
        name=name,
        port=port,
        ports=(port,) if port > 1 else (),
        after=after,
        prepare=begin,
        command=command,
        missing=missing,
    )


def journal(folder: Path) -> list[str]:
    """What the parts did, in the order in which they did it."""
    with suppress(FileNotFoundError):
        return (folder / "journal").read_text().splitlines()
    return []
