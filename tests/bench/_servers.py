"""The processes that benchmarks start and watch; each ends with the benchmark, however that ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from pelton.cli.supervisor.part import Part
from pelton.local import Command

PEERS: Final = Path(__file__).parent.parent / "peers"
"""What each peer's environment holds, one file of requirements a peer."""


@dataclass(frozen=True)
class PlatformPart:
    """A part of the platform as `pelton up` runs it, for `pelton.local.start`."""

    part: Part

    @property
    def name(self) -> str:
        return self.part.name

    @property
    def ports(self) -> Sequence[int]:
        return self.part.ports

    def prepare(self) -> None:
        self.part.prepare()

    def command(self) -> Command:
        return self.part.command()

    def ready(self) -> bool:
        return self.part.missing() is None


def cpu_seconds(pids: Sequence[int]) -> float:
    """The processor time that these processes and their children have taken so far."""
    roots = [psutil.Process(pid) for pid in pids]
    members = [member for root in roots for member in (root, *root.children(recursive=True))]
    return sum(times.user + times.system for times in (member.cpu_times() for member in members))
