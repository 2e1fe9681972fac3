"""What a request to the door for events holds. Each event is read for itself: one that cannot be spoils no other."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from pelton.eventkit.problems import FieldError, ProblemError, read_json
from pelton.feature.validation import MOST_FAULTS, Fault, foreign_values, printable

MAX_EVENTS = 10_000
_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Submission:
    """One event as it was sent. With `faults` it cannot be taken, whatever its source's schema says."""

    id: str
    data: dict[str, Any]
    faults: tuple[Fault, ...] = ()
    raw: bytes = b""

    def for_quarantine(self) -> bytes:
        """What is kept of it when it is refused: the line, or the fields, as they were sent."""
        return self.raw or json.dumps(self.data).encode()


def read_document(body: bytes, new_id: Callable[[], str]) -> tuple[str, list[Submission]]:
    """The source and the events of `{source, id?, data}`, or of `{source, events: [{id, data}, ...]}`.

    Raises:
        ProblemError: 400 for what is not JSON, 422 for a request without source or events. NaN inside an event is
            that event's fault alone.
    """
    document, strict = _parsed(body)
    if not strict and isinstance(document, dict):
        rest = {name: value for name, value in document.items() if name not in ("id", "data", "events")}
        if next(foreign_values(rest), None):
            read_json(body)
    if not isinstance(document, dict) or not isinstance(document.get("source"), str):
        raise _invalid("source", "is missing", 'send {"source": ..., "events": [{"id": ..., "data": {...}}]}')
    if "data" in document:
        given = document.get("id")
        single = {"id": new_id() if given is None else given, "data": document["data"]}
        return printable(document["source"]), [_submission(single, strict=strict)]
    listed = document.get("events")
    if not isinstance(listed, list) or not listed:
        raise _invalid("events", "is missing or empty", "send a list of {id, data}, or one event's `id` and `data`")
    if len(listed) > MAX_EVENTS:
        raise _invalid("events", f"has {len(listed)} events", f"send at most {MAX_EVENTS} at a time")
    return printable(document["source"]), [_submission(one, strict=strict) for one in listed]


def read_lines(body: bytes) -> list[Submission]:
    """The events of NDJSON: `{id, data}` a line. A line that is no JSON is that event's fault; empty lines are none.

    Raises:
        ProblemError: 422 for no line, or too many.
    """
    lines = [line for line in body.split(b"\n") if line.strip()]
    if not 0 < len(lines) <= MAX_EVENTS:
        raise _invalid("body", f"has {len(lines)} lines", f"send 1 to {MAX_EVENTS} lines of {{id, data}}")
    return [_line(line) for line in lines]


def _line(line: bytes) -> Submission:
    try:
        event, strict = _parsed(line)
    except ProblemError as problem:
        return Submission(
            "", {}, (Fault("", f"the line is not JSON: {problem.detail}", "send one object a line"),), line
        )
    return _submission(event, strict=strict)


def _submission(event: object, *, strict: bool) -> Submission:
    """One event of a request, with what is wrong about its form; not `strict` when it may hold what JSON has not."""
    if not isinstance(event, dict):
        return Submission("", {}, (Fault("", "is no JSON object", "send {id, data}"),), json.dumps(event).encode())
    event_id, data = event.get("id"), event.get("data")
    faults = []
    if not isinstance(event_id, str) or not event_id or printable(event_id) != event_id:
        faults.append(Fault("id", "is missing or no text", "send a text that makes the event count once"))
        event_id = ""
    if not isinstance(data, dict):
        faults.append(Fault("data", "is missing or no JSON object", "send the event's fields as an object"))
        return Submission(event_id, {}, tuple(faults), json.dumps(event).encode())
    if not strict:
        faults += islice(foreign_values(data), MOST_FAULTS)
    return Submission(event_id, data, tuple(faults))


def _parsed(body: bytes) -> tuple[Any, bool]:
    """A document, and whether it is JSON; where single values are all that JSON refuses, they stay in their places."""
    try:
        return msgspec.json.decode(body), True
    except _REFUSED:
        pass
    try:
        lenient = json.loads(body.decode())
        foreign = next(foreign_values(lenient), None)
    except (ValueError, RecursionError):
        foreign = None
    # Without one, some other rule was broken: the usual answer says which.
    return (read_json(body), True) if foreign is None else (lenient, False)


def _invalid(field: str, detail: str, fix: str) -> ProblemError:
    return ProblemError(
        422, "invalid-request", "The request is not valid", f"{field} {detail}", [FieldError(field, detail, fix)]
    )
