"""Pieces of Markdown in which nothing that a user wrote becomes markup."""

import re
from collections.abc import Iterable, Mapping, Sequence

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# What is markup wherever it stands, an underscore at the edge of a word, and what is at the beginning of a line.
_SPECIAL = re.compile(r"[\\`*{}\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[-+=#]|(?<=^\d)\d{0,8}[.)]")


def plain(value: object) -> str:
    """A value as one line of text that Markdown and HTML show as it is."""
    words = " ".join(str(value).split())
    return _SPECIAL.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", "".join(_ENTITIES.get(c, c) for c in words))


def paragraphs(text: str) -> str:
    """A text of several lines, its paragraphs kept."""
    found = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join("  \n".join(plain(line) for line in one.splitlines()) for one in found)


def number(value: object) -> str:
    """A number in few digits, a nothing as a dash, anything else as plain text."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else plain(value)


def code(value: object) -> str:
    """A digest, id or expression in the type of code."""
    words = " ".join(str(value).split())
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", words)), default=0))
    room = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{fence}{room}{words}{room}{fence}".replace("|", "\\|")


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; nothing where it has no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}", *lines])


def listed(items: Mapping[str, str]) -> str:
    """A list of what is known by name; what is empty is left out."""
    return "\n".join(f"- **{name}:** {value}" for name, value in items.items() if value)
