"""Errors as Feast's feature server answers them, and its client reads them.

An error that Feast has a class for is a JSON text that itself holds JSON: module, class, message. Any other is a JSON
text with the message alone. A request that is not of the right form gets what FastAPI answers then. The statuses are
Feast's too, 500 for what is the caller's mistake among them: its clients go by them.
"""

import json
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from pelton.eventkit.problems import ProblemError
from pelton.feature.selection import (
    InvalidReferenceError,
    InvalidValueError,
    MissingFieldError,
    MissingKeyError,
    NothingAskedError,
    SelectionError,
    UnknownFeatureError,
    UnknownServiceError,
    UnknownViewError,
)

PREFIXES: Final = ("/get-online-features", "/push", "/write-to-online-store", "/materialize")
"""What the paths of Feast's interface begin with."""

_OF_SELECTION: Final[dict[type[SelectionError], tuple[int, str | None]]] = {
    UnknownViewError: (404, "FeatureViewNotFoundException"),
    UnknownServiceError: (404, "FeatureServiceNotFoundException"),
    MissingFieldError: (404, "RequestDataNotFoundInEntityRowsException"),
    UnknownFeatureError: (500, None),
    MissingKeyError: (500, None),
    InvalidReferenceError: (500, None),
    NothingAskedError: (500, None),
    InvalidValueError: (500, None),
}
_PLACE: Final = re.compile(r" - at (?:key in )?`\$(?P<path>[^`]*)`$")
_MISSING: Final = re.compile(r"^Object missing required field `(?P<field>[^`]+)`")
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_REFUSED: Final = frozenset({401, 403})


class FeastError(Exception):
    """An error of Feast's interface; `kind` is the class of `feast.errors` that its client raises, if there is one."""

    def __init__(self, status: int, kind: str | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = _body(kind, message)


class InvalidRequestError(FeastError):
    """A request that is not of the form that it must have; `loc` is the path to what is wrong."""

    def __init__(self, kind: str, loc: Sequence[str | int], message: str) -> None:
        super().__init__(422, None, message)
        self.body = json.dumps({"detail": [{"type": kind, "loc": ["body", *loc], "msg": message}]}).encode()


def of_selection(error: SelectionError) -> FeastError:
    """What Feast's server answers when a selection cannot be made."""
    status, kind = _OF_SELECTION[type(error)]
    return FeastError(status, kind, str(error))


def of_form(error: msgspec.DecodeError) -> InvalidRequestError:
    """What FastAPI answers to a body that is no JSON, or of another form."""
    text = str(error)
    place = _PLACE.search(text)
    loc = _path(place["path"]) if place else []
    if missing := _MISSING.match(text):
        return InvalidRequestError("missing", [*loc, missing["field"]], "Field required")
    return InvalidRequestError("invalid", loc, text[: place.start()] if place else text)


def dialect(problem: ProblemError) -> bytes:
    """Write a problem of the service's own (401, 403, 413, 500, ...) so that Feast's client tells it to its user."""
    kind = "FeastPermissionError" if problem.status in _REFUSED else "FeastError"
    return _body(kind, f"{problem.title}: {problem.detail}")


def _body(kind: str | None, message: str) -> bytes:
    if kind is None:
        return json.dumps(message).encode()
    return json.dumps(json.dumps({"module": "feast.errors", "class": kind, "message": message})).encode()


def _path(text: str) -> list[str | int]:
    steps = _STEP.findall(text)
    return [name or (int(index) if index.isdigit() else index) for name, index in steps]
