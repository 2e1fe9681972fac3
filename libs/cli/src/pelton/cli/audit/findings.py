"""What an audit finds: which record is not what it was, where, and what differs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pelton.ledger.entry import Record, decode
from pelton.ledger.errors import EntryError

SHOWN = 80


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was published; the record is named as far as it is known."""

    check: str
    problem: str
    index: int | None = None
    event_id: str = ""
    type: str = ""
    subject: str = ""
    topic: str = ""
    partition: int | None = None
    offset: int | None = None

    @property
    def record(self) -> str:
        """The record in words."""
        parts = [f"entry {self.index}"] if self.index is not None else []
        parts += [part for part in (self.event_id, self.type, self.subject) if part]
        if self.topic:
            parts.append(f"{self.topic}/{self.partition}@{self.offset}" if self.offset is not None else self.topic)
        return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: over how many records it went, and what it found."""

    name: str
    compared: str
    records: int
    findings: tuple[Finding, ...]


def difference(this: bytes, that: bytes) -> str:
    """The first difference between two entries, in words: of `this` as here, of `that` as there."""
    try:
        one, other = decode(this), decode(that)
    except EntryError:
        return _bytes_differ(this, that)
    if not isinstance(one, Record) or not isinstance(other, Record):
        return "the digests of the records differ"
    if one.topic != other.topic:
        return f"topic: {one.topic} here, {other.topic} there"
    if one.key != other.key:
        return f"key: {_shown(one.key)} here, {_shown(other.key)} there"
    for name in sorted({name for name, _ in (*one.headers, *other.headers)}):
        mine, theirs = (tuple(value for key, value in record.headers if key == name) for record in (one, other))
        if mine != theirs:
            here, there = (_shown(b", ".join(value or b"" for value in values)) for values in (mine, theirs))
            return f"header {name}: {here} here, {there} there"
    if one.value is None or other.value is None:
        return f"payload: {_shown(one.value)} here, {_shown(other.value)} there"
    return payload_difference(one.value, other.value)


def payload_difference(here: bytes, there: bytes) -> str:
    """The first difference between two payloads: by JSON path where both are JSON, else by byte."""
    if here == there:
        return "nothing"
    try:
        paths = list(_differences(json.loads(here), json.loads(there), "$"))
    except ValueError:
        paths = []
    return paths[0] if paths else _bytes_differ(here, there)


def _differences(here: Any, there: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(here, dict) and isinstance(there, dict):
        for name in sorted({*here, *there}):
            if name not in here or name not in there:
                yield f"{path}.{name} is only {'there' if name in there else 'here'}"
            else:
                yield from _differences(here[name], there[name], f"{path}.{name}")
    elif isinstance(here, list) and isinstance(there, list):
        for at, (one, other) in enumerate(zip(here, there, strict=False)):
            yield from _differences(one, other, f"{path}[{at}]")
        if len(here) != len(there):
            yield f"{path} has {len(here)} elements here, {len(there)} there"
    elif here != there or type(here) is not type(there):
        yield f"{path}: {_short(json.dumps(here))} here, {_short(json.dumps(there))} there"


def _bytes_differ(here: bytes, there: bytes) -> str:
    at = next((at for at, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), min(len(here), len(there)))
    around = slice(max(0, at - 16), at + 16)
    return f"byte {at}: {_shown(here[around])} here, {_shown(there[around])} there"


def _shown(data: bytes | None) -> str:
    return "nothing" if data is None else _short(repr(data)[1:])


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
