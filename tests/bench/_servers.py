"""The processes that benchmarks start and watch; each ends with the benchmark, however that ends."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from pelton import local
from pelton.cli.home import Home
from pelton.cli.supervisor.part import Layout, Part
from pelton.local import Command, Running, ports

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


@dataclass(frozen=True)
class Started:
    """Parts of a platform of its own, as `pelton up` runs them."""

    home: Home
    layout: Layout
    running: Mapping[str, Running]

    @property
    def token(self) -> str:
        """What lets a client in."""
        return self.home.token_file.read_text()


def start_parts(folder: Path, names: Sequence[str], stack: AsyncExitStack) -> Started:
    """Start these parts, in this order; they stop with the stack."""
    home = Home(folder)
    home.prepare()
    home.ensure_secrets()
    layout = Layout(home.path, ports.free_block(40))
    parts = {part.name: PlatformPart(part) for part in layout.parts()}
    running = {}
    for name in names:
        running[name] = local.start(parts[name], home.logs / f"{name}.log")
        stack.callback(running[name].stop)
    return Started(home, layout, running)


def cpu_seconds(pids: Sequence[int]) -> float:
    """The processor time that these processes and their children have taken so far."""
    roots = [psutil.Process(pid) for pid in pids]
    members = [member for root in roots for member in (root, *root.children(recursive=True))]
    return sum(times.user + times.system for times in (member.cpu_times() for member in members))
