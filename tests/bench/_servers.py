"""The processes that benchmarks start and watch; each ends with the benchmark, however that ends."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from pelton.cli.supervisor.part import Part
from pelton.local import Command
from pelton.local.process import leashed


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
class Program:
    """A peer's program, for `pelton.local.start`; it is ready once all of `ready_urls` answer 200."""

    name: str
    ports: Sequence[int]
    argv: Sequence[str | Path]
    env: Mapping[str, str]
    ready_urls: Sequence[str]

    def prepare(self) -> None:
        """What it needs, its benchmark has made."""

    def command(self) -> Command:
        return leashed(self.argv, self.env, stop_signal=signal.SIGTERM, orphan_signal=signal.SIGKILL)

    def ready(self) -> bool:
        try:
            return all(
                httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK for url in self.ready_urls
            )
        except httpx.HTTPError:
            return False


def cpu_seconds(pids: Sequence[int]) -> float:
    """The processor time that these processes and their children have taken so far."""
    roots = [psutil.Process(pid) for pid in pids]
    members = [member for root in roots for member in (root, *root.children(recursive=True))]
    return sum(times.user + times.system for times in (member.cpu_times() for member in members))
