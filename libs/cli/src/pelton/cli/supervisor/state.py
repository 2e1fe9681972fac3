"""What the supervisor says of its processes, in a file that others read."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Phase = Literal["waiting", "starting", "ready", "backing off", "stopping", "stopped"]


@dataclass(frozen=True, slots=True)
class PartState:
    """One process. `detail` says why it is not ready; `seconds` is how long it took to be."""

    name: str
    phase: Phase
    pid: int | None
    port: int
    restarts: int
    detail: str
    seconds: float | None


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
