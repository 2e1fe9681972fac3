"""Where a project's code comes from: its git commit, what differs from that, and the notebooks beside it."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Final

from pelton.sdk.project import MODEL_FILE

MOST_DIFF: Final = 1024 * 1024
MOST_NOTEBOOK: Final = 8 * 1024 * 1024
TIMEOUT_SECONDS: Final = 10.0
_MOST_LISTED: Final = 1024 * 1024
_PROJECT_FILES: Final = (MODEL_FILE, ":(glob)*.py")
# Nothing but what git itself does: no program that a configuration names, no network, no lock, no question.
_SETTINGS: Final = {"core.fsmonitor": "false"}
_ENVIRONMENT: Final = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_DIFF: Final = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--binary", "--ignore-submodules",
                "--src-prefix=a/", "--dst-prefix=b/")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Origin:
    """The commit that is checked out, whether the project differs from it, and the notebooks of its folder by name.

    `diff` is a patch with paths in the folder, for `git apply --directory=<folder>`. There is none where nothing
    differs, or where it is longer than `MOST_DIFF` bytes.
    """

    commit: str
    dirty: bool
    diff: bytes | None = None
    notebooks: Mapping[str, bytes] = field(default_factory=dict)


def origin_of(folder: Path) -> Origin | None:
    """Where the code in a project's folder comes from; None where git does not know it, or is not there.

    What differs is told of `pelton.yaml`, the Python files, and whatever else of the folder git tracks. Other untracked
    files are no part of a project: they may be data, or secrets, and stay where they are. Of remotes and branches
    nothing is read. Notebooks longer than `MOST_NOTEBOOK` bytes are left out.
    """
    try:
        git = _Git.of(folder)
        commit = git.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}").decode().strip()
        untracked = _paths(git.run("ls-files", "-z", "--others", "--exclude-standard", "--", *_PROJECT_FILES))
        if MODEL_FILE not in untracked and not git.run("ls-files", "-z", "--", MODEL_FILE):
            return None  # the repository around it ignores the project
        parts = [git.run("diff", *_DIFF, "--relative", "HEAD", "--", ".", limit=MOST_DIFF + 1)]
        for path in untracked:
            left = MOST_DIFF + 1 - sum(map(len, parts))
            if left <= 0:
                break
            parts.append(git.run("diff", *_DIFF, "--no-index", "--", os.devnull, path, limit=left, differs=True))
        diff = b"".join(parts)
        return Origin(commit, bool(diff), diff if 0 < len(diff) <= MOST_DIFF else None, dict(_notebooks(folder)))
    except (OSError, _NoAnswerError):
        return None


class _NoAnswerError(Exception):
    """Git did not do what it was asked."""


@dataclass(frozen=True, slots=True)
class _Git:
    """Git in a folder, as it is there, without the programs that its configuration names."""

    folder: Path
    environment: Mapping[str, str]

    @classmethod
    def of(cls, folder: Path) -> "_Git":
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _ENVIRONMENT
        plain = cls(folder, clean | _configured(_SETTINGS))
        # A filter of the working tree is a program, and goes by any name: each is given another one, which is none.
        pattern = r"^filter\..*\.(clean|smudge|process|required)$"
        filters = _paths(plain.run("config", "-z", "--name-only", "--get-regexp", pattern, differs=True))
        off = {name: "false" if name.endswith(".required") else "" for name in filters}
        return cls(folder, clean | _configured(_SETTINGS | off))

    def run(self, *arguments: str, limit: int = _MOST_LISTED, differs: bool = False) -> bytes:
        """What it writes, at most `limit` bytes of it; with `differs` it may end by 1, as who compares and searches.

        Raises:
            _NoAnswerError: it failed, or did not end in time.
            OSError: it cannot be run.
        """
        command: Sequence[str] = ("git", "--no-pager", *arguments)
        with subprocess.Popen(  # noqa: S603 - a fixed program and arguments
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            timer = Timer(TIMEOUT_SECONDS, process.kill)
            timer.start()
            try:
                written = process.stdout.read(limit) if process.stdout is not None else b""
                if len(written) == limit:
                    process.kill()
                    return written
                if process.wait() not in ((0, 1) if differs else (0,)):
                    raise _NoAnswerError
            finally:
                timer.cancel()
        return written


def _configured(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings for git in its environment, where a name may have any character."""
    told = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        told |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return told


def _paths(listed: bytes) -> list[str]:
    return [os.fsdecode(one) for one in listed.split(b"\0") if one]


def _notebooks(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.glob("*.ipynb")):
        if path.is_file() and 0 < path.stat().st_size <= MOST_NOTEBOOK and path.name.isprintable():
            yield path.name, path.read_bytes()
