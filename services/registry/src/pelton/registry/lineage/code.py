"""What two code bundles differ in, file by file. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Final, Literal

from pelton.objects.bundles import files_of

MOST_LINES: Final = 5000
"""The longest file that is compared line by line: the time of it grows with the square of the lines."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs; `diff` is in the unified format, and none where the file is no text or too long for it."""

    path: str
    kind: Literal["added", "removed", "changed"]
    diff: str | None


def code_difference(before: bytes, after: bytes) -> tuple[FileChange, ...]:
    """The files in which two bundles differ, by path.

    Raises:
        UnfitBundleError: one of them cannot be read, or must not be.
    """
    old, new = _files(before), _files(after)
    paths = sorted(path for path in {*old, *new} if old.get(path) != new.get(path))
    return tuple(_change(path, old.get(path), new.get(path)) for path in paths)


def _files(bundle: bytes) -> Mapping[str, bytes]:
    return {str(path): content for path, content in files_of(bundle)}


def _change(path: str, old: bytes | None, new: bytes | None) -> FileChange:
    kind: Literal["added", "removed", "changed"] = "added" if old is None else "removed" if new is None else "changed"
    return FileChange(path, kind, _diff(path, old, new))


def _diff(path: str, old: bytes | None, new: bytes | None) -> str | None:
    try:
        before, after = ((content or b"").decode().splitlines(keepends=True) for content in (old, new))
    except UnicodeDecodeError:
        return None
    if max(len(before), len(after)) > MOST_LINES:
        return None
    names = ("/dev/null" if old is None else f"a/{path}", "/dev/null" if new is None else f"b/{path}")
    lines = unified_diff(before, after, *names)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
