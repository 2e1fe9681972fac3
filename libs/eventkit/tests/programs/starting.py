"""A program that a test starts and kills, and the types of the fixtures for that."""

import signal
import subprocess
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pelton.eventkit.unit import Units
from pelton.testkit import eventually

MakeOwner = Callable[[], Coroutine[Any, Any, str]]
MakeUnits = Callable[[str], Coroutine[Any, Any, Units]]


@dataclass
class Program:
    """A program under test, as its operator sees it."""

    process: subprocess.Popen[bytes]
    output: Path

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def says(self, words: str) -> bool:
        """Whether its output holds these words; fails when it has ended without."""
        found = words in self.output.read_text()
        if not found and self.process.poll() is not None:
            pytest.fail(f"{self.process.args} ended with {self.process.returncode}: {self.output.read_text()}")
        return found

    async def end(self, timeout: float = 30.0) -> int:  # noqa: ASYNC109 - handed on
        """Its exit code, once it has one."""
        await eventually(lambda: self.process.poll() is not None, timeout)
        return int(self.process.returncode)


Start = Callable[..., Program]
