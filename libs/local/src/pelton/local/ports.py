"""Who listens on a port of this machine, and which are free."""

import contextlib
import random
import socket
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from pelton.local.errors import LocalError, PortInUseError

HOST = "127.0.0.1"
# Below the range from which Linux and macOS take the ports of outgoing connections: a block found free stays free.
_BLOCKS = range(15000, 32000)
_ATTEMPTS = 200
_LONGEST_COMMAND = 200


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that listens on a port."""

    pid: int
    command_line: str


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def holder(port: int) -> Holder | None:
    """The process that listens on the port; None if none does, or the system hides it from this user."""
    with contextlib.suppress(psutil.AccessDenied):
        for connection in psutil.net_connections(kind="tcp"):
            if not connection.laddr or connection.status != psutil.CONN_LISTEN or not connection.pid:
                continue
            if connection.laddr.port == port:
                return Holder(connection.pid, _command_line(connection.pid))
    return None


def require_free(ports: Iterable[int], wanted_by: str) -> None:
    """Check that a server can listen on each of these ports.

    Raises:
        PortInUseError: names the first taken port and the process that has it.
    """
    for port in ports:
        if not is_free(port):
            found = holder(port)
            raise PortInUseError(
                port, wanted_by, found.pid if found else None, found.command_line if found else "unknown"
            )


def free_block(count: int) -> int:
    """The first of `count` consecutive ports that are free now, at a random place so that parallel runs differ.

    Raises:
        LocalError: no such block was found.
    """
    places = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        base = places.randrange(_BLOCKS.start, _BLOCKS.stop - count)
        if all(is_free(port) for port in range(base, base + count)):
            return base
    raise LocalError(
        f"No {count} consecutive free ports between {_BLOCKS.start} and {_BLOCKS.stop}: close some servers."
    )


def _command_line(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        # In one line, and not longer than a reader wants: a script may stand in it whole.
        return textwrap.shorten(" ".join(process.cmdline()) or process.name(), _LONGEST_COMMAND, placeholder=" …")
    except psutil.Error:
        return "unknown"
