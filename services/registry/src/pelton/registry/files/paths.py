"""Paths of artifacts: text that names a file below one root, whatever it is stored on.

A path is kept as it was sent: two names that look alike but have other characters are two files.
"""

import re
import unicodedata
from typing import Final
from urllib.parse import unquote, urlsplit

MOST_BYTES: Final = 1024
MOST_SEGMENT_BYTES: Final = 255
MOST_SEGMENTS: Final = 64
SCHEME: Final = "mlflow-artifacts"
PROXY: Final = "/mlflow-artifacts/artifacts"
UNDECODABLE: Final = "\N{REPLACEMENT CHARACTER}"
_DRIVE: Final = re.compile(r"[A-Za-z]:")


class InvalidPathError(ValueError):
    """A path that names no file below the root; the message says why."""


def parse(text: str) -> str:
    """The path that a request named, percent-decoded once, as its server does.

    What would leave the root after any further decoding is refused too: somebody behind may decode again.

    Raises:
        InvalidPathError: it is empty or too long, has a segment that is no name, or characters that names cannot have.
    """
    _check(text)
    decoded = text
    while (further := unquote(decoded)) != decoded:
        decoded = further
        _check_segments(decoded, text)
    return text


def of_location(location: str) -> str | None:
    """The path of an artifact location (`mlflow-artifacts:/1/…`, or the same over HTTP); None for one elsewhere.

    Raises:
        InvalidPathError: as `parse`.
    """
    parts = urlsplit(location)
    if parts.scheme == SCHEME:
        return parse(parts.path.strip("/"))
    if parts.scheme in {"http", "https"} and PROXY in parts.path:
        return parse(parts.path.partition(PROXY)[2].strip("/"))
    return None


def folders_of(path: str) -> list[str]:
    """The folders that a path lies in, the outermost first."""
    segments = path.split("/")
    return ["/".join(segments[:count]) for count in range(1, len(segments))]


def _check(path: str) -> None:
    size = len(path.encode())
    if size > MOST_BYTES:
        raise InvalidPathError(f"the path has {size} bytes, and {MOST_BYTES} are allowed")
    if UNDECODABLE in path:
        raise InvalidPathError(f"the path {path!r} is not UTF-8; send its UTF-8 bytes, percent-encoded")
    _check_segments(path, path)


def _check_segments(path: str, sent: str) -> None:
    said = f"the path {sent!r}" if path == sent else f"the path {sent!r}, decoded once more,"
    for character in path:
        if unicodedata.category(character) == "Cc":
            raise InvalidPathError(f"{said} has the control character U+{ord(character):04X}")
    if "\\" in path or "#" in path:
        raise InvalidPathError(f"{said} has a backslash or a '#', which clients would read as something else")
    if path.startswith("/") or _DRIVE.match(path):
        raise InvalidPathError(f"{said} is absolute; send it from the root of the artifacts, without a leading '/'")
    segments = path.split("/")
    if len(segments) > MOST_SEGMENTS:
        raise InvalidPathError(f"{said} has {len(segments)} segments, and {MOST_SEGMENTS} are allowed")
    for segment in segments:
        if segment in {"", ".", ".."}:
            raise InvalidPathError(f"{said} has the segment {segment!r}, which names nothing")
        if len(segment.encode()) > MOST_SEGMENT_BYTES:
            raise InvalidPathError(f"{said} has a segment of over {MOST_SEGMENT_BYTES} bytes")
