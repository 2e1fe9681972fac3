"""What can keep a local platform from working, looked at one by one."""

import platform
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from pelton.cli.home import MIN_FREE_BYTES, Home, HomeError
from pelton.cli.supervisor.leftovers import leftovers
from pelton.cli.supervisor.part import Layout
from pelton.cli.supervisor.state import PlatformState
from pelton.local import LocalError, cache_folder, jars, ports, postgres

MIN_MEMORY = 3 * 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `mend` says what to do when it is not fine."""

    what: str
    fine: bool
    mend: str = ""


def examine(home: Home, port_base: int) -> list[Finding]:
    """Look at the machine, the home, the ports and, when a platform is up, at its parts."""
    return [*_machine(home), *_home(home), *_secrets(home), *_servers(), *_ports(home, port_base), *_parts(home)]


def _machine(home: Home) -> Iterator[Finding]:
    yield Finding(
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}",
        sys.version_info >= (3, 11),
        "" if sys.version_info >= (3, 11) else "Pelton needs Python 3.11 or later.",
    )
    memory = psutil.virtual_memory()
    enough = memory.available >= MIN_MEMORY or home.is_locked
    yield Finding(
        f"memory: {memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB available",
        enough,
        "" if enough else "The platform takes about 2 GiB; close something, or expect the system to end a process.",
    )


def _home(home: Home) -> Iterator[Finding]:
    try:
        home.prepare()
    except HomeError as error:
        yield Finding("PELTON_HOME", fine=False, mend=str(error))
        return
    free = shutil.disk_usage(home.path).free
    yield Finding(f"PELTON_HOME {home.path}: writable, {free / 2**30:.1f} GiB free", free >= MIN_FREE_BYTES)


def _secrets(home: Home) -> Iterator[Finding]:
    for path in (home.key_file, home.token_file):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        fine = not mode & 0o077
        yield Finding(f"{path.name} has mode {mode:o}", fine, "" if fine else f"Others can read it: chmod 600 {path}")


def _servers() -> Iterator[Finding]:
    pinned, cache = jars.read_lock(), cache_folder()
    absent = len(jars.missing(pinned, cache))
    yield Finding(
        f"Kafka: {len(pinned) - absent} of {len(pinned)} jars in {cache}",
        fine=True,
        mend="The first start fetches the others." if absent else "",
    )
    try:
        postgres.require_runnable()
    except LocalError as error:
        yield Finding("PostgreSQL cannot run here", fine=False, mend=str(error))
    else:
        yield Finding("PostgreSQL: installed", fine=True)


def _ports(home: Home, port_base: int) -> Iterator[Finding]:
    wanted = {number: part.name for part in Layout(home.path, port_base).parts() for number in part.ports}
    if home.is_locked:
        yield Finding(f"ports from {port_base}: in use by the platform that is up", fine=True)
        return
    taken = [number for number in wanted if not ports.is_free(number)]
    for number in taken:
        holder = ports.holder(number)
        who = f"process {holder.pid} ({holder.command_line})" if holder else "a process of another user"
        yield Finding(
            f"port {number}, wanted by {wanted[number]}, is in use by {who}",
            fine=False,
            mend="Stop that process, or set PELTON_PORT_BASE to a free range.",
        )
    if not taken:
        yield Finding(f"ports from {port_base}: free", fine=True)


def _parts(home: Home) -> Iterator[Finding]:
    pid = home.supervisor
    state = PlatformState.find(home.state_file)
    if pid is None:
        yield from _nothing_up(state)
        return
    yield Finding(f"a supervisor is up as process {pid}", fine=True)
    if state is None:
        yield Finding("it has not started anything yet", fine=False, mend="Look again in a second.")
        return
    for part in state.parts:
        fine = part.phase == "ready"
        why = f"Because: {part.detail}. " if part.detail else ""
        mend = f"{why}See `pelton logs {part.name}` ({home.logs / part.name}.log)."
        times = f", restarted {part.restarts} times" if part.restarts else ""
        yield Finding(f"{part.name} is {part.phase}{times}", fine, "" if fine else mend)


def _nothing_up(last: PlatformState | None) -> Iterator[Finding]:
    if last is not None and (left := leftovers(last)):
        numbers = ", ".join(str(process.pid) for process in left)
        yield Finding(
            f"the supervisor of the last platform here was killed, and left processes: {numbers}",
            fine=False,
            mend="They are about to end. `pelton down` waits for it, and `pelton up` does before it starts its own.",
        )
        return
    yield Finding("no platform is up here", fine=True, mend="Start one with `pelton up`.")
