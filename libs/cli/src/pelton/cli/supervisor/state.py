"""What the supervisor says of its processes, in a file that others read."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Phase = Literal["waiting", "starting", "ready", "not ready", "backing off", "stopping", "stopped"]


@dataclass(frozen=True, slots=True)
class PartState:
    """One process.

    Attributes:
        pid: its number, None while there is no process.
        since: when that process began, in seconds since 1970; with the number it tells the process from any later one.
        restarts: how often it ended and was started again.
        detail: why it is not ready.
        seconds: how long its process took to be ready, None as long as it has not been.
    """

    name: str
    phase: Phase
    pid: int | None
    port: int
    restarts: int
    detail: str
    seconds: float | None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class PlatformState:
    """The supervisor and all its processes."""

    pid: int
    home: str
    port_base: int
    parts: tuple[PartState, ...]

    @property
    def ready(self) -> bool:
        """Whether every part is."""
        return all(part.phase == "ready" for part in self.parts)

    def write(self, path: Path) -> None:
        """Replace the file in one step, so that no reader sees half of it."""
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self), indent=1))
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> "PlatformState":
        """Read the file.

        Raises:
            FileNotFoundError: no supervisor ever ran here.
        """
        raw = json.loads(path.read_text())
        return cls(raw["pid"], raw["home"], raw["port_base"], tuple(PartState(**part) for part in raw["parts"]))

    @classmethod
    def find(cls, path: Path) -> "PlatformState | None":
        """Read the file; None where there is none, or what is there is not a state."""
        try:
            return cls.read(path)
        except (OSError, ValueError, KeyError, TypeError):
            return None
