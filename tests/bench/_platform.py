"""A whole platform of its own for a benchmark: a home, a block of ports, and the command line that works on them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pelton.local import ports

PORTS = 40


class Platform:
    """The `pelton` command on one home."""

    def __init__(self, home: Path, port_base: int | None = None) -> None:
        self.home = home
        self._port_base = port_base or ports.free_block(PORTS)

    def at(self, home: Path) -> "Platform":
        """The same ports on another home."""
        return Platform(home, self._port_base)

    def pelton(self, *arguments: str, check: bool = True) -> str:
        """What a command prints; what it complains of goes to the terminal.

        Raises:
            subprocess.CalledProcessError: it failed, and `check` was asked for.
        """
        environment = {**os.environ, "PELTON_HOME": str(self.home), "PELTON_PORT_BASE": str(self._port_base)}
        command = [sys.executable, "-m", "pelton.cli", *arguments]
        return subprocess.run(command, env=environment, check=check, stdout=subprocess.PIPE, text=True).stdout

    def status(self) -> dict[str, Any]:
        """`pelton status --json`."""
        found: dict[str, Any] = json.loads(self.pelton("status", "--json"))
        return found

    def down(self) -> None:
        """Stop it; nothing to stop is fine."""
        self.pelton("down")
