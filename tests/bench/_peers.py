"""Peers in environments of their own, made once from `peers/<name>/requirements.txt` and kept in `.cache/peers`."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".cache" / "peers"


class Peer:
    """The environment of one peer. It is made by the Python that runs this, and by pip as the caller has set it up."""

    def __init__(self, name: str) -> None:
        requirements = HERE / "peers" / name / "requirements.txt"
        digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
        self.name = name
        self.folder = CACHE / f"{name}-{digest}"
        # What is active here must not get in.
        self.env = {key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "PYTHONPATH"}}
        if not (self.folder / "complete").exists():
            self._make(requirements)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def versions(self) -> dict[str, str]:
        """What is installed, by name."""
        told = subprocess.run(
            [*self._pip(), "list", "--format", "json"], env=self.env, check=True, capture_output=True, text=True
        )
        return {one["name"]: one["version"] for one in json.loads(told.stdout)}

    def _make(self, requirements: Path) -> None:
        print(f"making the environment of {self.name} in {self.folder} (once)", flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.folder], env=self.env, check=True)
        install = [*self._pip(), "install", "--quiet", "--requirement", str(requirements)]
        subprocess.run(install, env=self.env, check=True)
        (self.folder / "complete").touch()

    def _pip(self) -> list[str]:
        return [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(self.python)]
