# noqa: INP001  # a script, run before anything is installed
"""Make the project's environment, `.venv`, from nothing but a Python with venv; do nothing where it is up to date.

Called by every Makefile target that runs something. Only the standard library: nothing is installed yet.

Packages come from the index that pip and uv are told to use: UV_DEFAULT_INDEX, UV_INDEX_URL, PIP_INDEX_URL, or pip's
configuration. The lock file names the index that it was made from and is only usable as it is with that one;
with another, the same versions and hashes are installed from there.
"""

# So that a Python that is too old gets as far as being told so.
from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "pelton.stamp"
LOCK = ROOT / "uv.lock"
UV_REQUIREMENTS = ROOT / "deploy" / "uv.requirements.txt"
OLDEST = (3, 11)


def main() -> None:
    """Bring `.venv` to what the lock file says.

    Raises:
        SystemExit: the Python is too old, or a step failed; the step's own output says why.
    """
    if sys.version_info < OLDEST:
        sys.exit(
            f"Pelton needs Python 3.11 or later; {sys.executable} is {sys.version.split()[0]}. Set PYTHON=python3.11."
        )
    with Path(__file__).open() as own:
        fcntl.flock(own, fcntl.LOCK_EX)  # two targets at once in a new clone: the second waits
        if not (_python_fits() and STAMP.is_file() and STAMP.read_text() == _inputs()):
            _install()


def _install() -> None:
    env = _environment()
    STAMP.unlink(missing_ok=True)
    if not _python_fits():
        _say(f"making .venv with Python {sys.version.split()[0]}")
        _run(
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            env,
            "Debian and Ubuntu need the package python3-venv.",
        )
    if not _works("-m", "pip", "--version"):
        _run([str(PYTHON), "-m", "ensurepip"], env, "This Python was built without ensurepip: use another one.")
    _say("installing uv")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--require-hashes", "-r", str(UV_REQUIREMENTS)], env, "For a mirror set PIP_INDEX_URL.")
    _say("installing the packages of uv.lock")
    if (index := _other_index(env)) is None:
        # Inexact, because uv would take itself and pip for strangers; compiled once here, not at each process's start.
        uv_sync = [*_uv("sync"), "--locked", "--inexact", "--compile-bytecode", "--python", str(PYTHON)]
        _run(uv_sync, env, "For a mirror set UV_DEFAULT_INDEX or PIP_INDEX_URL.")
    else:
        _install_from(index, env)
    STAMP.write_text(_inputs())


def _install_from(index: str, env: dict[str, str]) -> None:
    """Install what the lock file pins, by its hashes, from an index that the lock file does not name."""
    env = {**env, "UV_DEFAULT_INDEX": index}
    pins = VENV / "pelton.requirements.txt"
    export = ["--frozen", "--no-emit-workspace", "--no-header", "--quiet", "--output-file", str(pins)]
    _run([*_uv("export"), *export, "--python", str(PYTHON)], env, "uv.lock cannot be read.")
    install = [*_uv("pip"), "install", "--compile-bytecode", "--python", str(PYTHON)]
    _run([*install, "--require-hashes", "-r", str(pins)], env, "The index lacks what is named above.")
    members = [argument for member in _members() for argument in ("-e", str(member.parent))]
    _run([*install, "--no-deps", *members], env, "The index must have uv_build.")


def _other_index(env: dict[str, str]) -> str | None:
    """The configured index, unless it is the one that the lock file was made from."""
    asked = [str(PYTHON), "-m", "pip", "config", "get", "global.index-url"]
    pip = subprocess.run(asked, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    named = [env.get(name, "") for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")]
    index = next((url for url in [*named, pip.stdout.strip()] if url), None)
    locked = set(re.findall(r'registry = "([^"]+)"', LOCK.read_text()))
    return index if index is not None and locked != {index.rstrip("/")} else None


def _environment() -> dict[str, str]:
    # Another environment that is active here must not get in.
    env = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH"}}
    env.setdefault("UV_SYSTEM_CERTS", "1")
    if "PIP_CERT" in env:
        env.setdefault("SSL_CERT_FILE", env["PIP_CERT"])
    return env


def _inputs() -> str:
    """A digest of everything that decides what is installed."""
    digest = hashlib.sha256()
    for path in [Path(__file__), UV_REQUIREMENTS, LOCK, ROOT / "pyproject.toml", *_members()]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _members() -> list[Path]:
    return sorted([*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")])


def _python_fits() -> bool:
    """Whether `.venv` has a Python that runs; and is this one, where the caller chose one by PYTHON."""
    configuration = VENV / "pyvenv.cfg"
    if not PYTHON.exists() or not configuration.is_file():
        return False
    if not os.environ.get("PYTHON"):
        return True
    version = re.search(r"^version(?:_info)? = (\d+)\.(\d+)", configuration.read_text(), re.MULTILINE)
    return version is not None and (int(version[1]), int(version[2])) == sys.version_info[:2]


def _works(*arguments: str) -> bool:
    done = subprocess.run([str(PYTHON), *arguments], capture_output=True, check=False)  # noqa: S603
    return done.returncode == 0


def _uv(command: str) -> list[str]:
    return [str(VENV / "bin" / "uv"), command]


def _run(command: list[str], env: dict[str, str], advice: str) -> None:
    if subprocess.run(command, cwd=ROOT, env=env, check=False).returncode != 0:  # noqa: S603
        sys.exit(f"bootstrap: failed: {' '.join(command)}\n{advice}")


def _say(what: str) -> None:
    sys.stderr.write(f"bootstrap: {what}\n")


if __name__ == "__main__":
    main()
