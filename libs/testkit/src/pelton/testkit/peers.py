"""Peers, whose programs Pelton is tested and measured beside: their environments, and how their processes are run."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from pelton.local import Command, cache_folder
from pelton.local.process import leashed


class Peer:
    """The environment of one peer, made once from its pinned requirements and kept in the machine's cache.

    It is made by the Python that runs this, and by pip as the caller has set it up.
    """

    def __init__(self, requirements: Path) -> None:
        digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
        self.name = requirements.stem
        self.folder = cache_folder() / "peers" / f"{self.name}-{digest}"
        # What is active here must not get in.
        self.env = {key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "PYTHONPATH"}}
        if not (self.folder / "complete").exists():
            self._make(requirements)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def versions(self) -> dict[str, str]:
        """What is installed, by name."""
        return {one["name"]: one["version"] for one in json.loads(self._run([*self._pip(), "list", "--format=json"]))}

    def _make(self, requirements: Path) -> None:
        sys.stderr.write(f"making the environment of {self.name} in {self.folder} (once)\n")
        shutil.rmtree(self.folder, ignore_errors=True)
        self._run([sys.executable, "-m", "venv", "--without-pip", self.folder])
        self._run([*self._pip(), "install", "--quiet", "--requirement", requirements])
        (self.folder / "complete").touch()

    def _run(self, command: Sequence[str | Path]) -> bytes:
        return subprocess.run(command, env=self.env, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603 - ours

    def _pip(self) -> list[str]:
        return [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(self.python)]


@dataclass(frozen=True)
class Program:
    """A program for `pelton.local.start`; it is ready once all of `ready_urls` answer 200."""

    name: str
    ports: Sequence[int]
    argv: Sequence[str | Path]
    env: Mapping[str, str]
    ready_urls: Sequence[str]

    def prepare(self) -> None:
        """What it needs, its caller has made."""

    def command(self) -> Command:
        """End it by SIGTERM; it does not outlive who started it."""
        return leashed(self.argv, self.env, stop_signal=signal.SIGTERM, orphan_signal=signal.SIGKILL)

    def ready(self) -> bool:
        """Ask all of `ready_urls`."""
        try:
            return all(
                httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK for url in self.ready_urls
            )
        except httpx.HTTPError:
            return False
