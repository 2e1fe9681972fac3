"""Errors as RFC 9457 problem details: what was wrong, where, and what to do."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pelton.eventkit.store import ConcurrencyConflictError
from pelton.eventkit.telemetry.tracing import current_trace_id

MEDIA_TYPE = "application/problem+json"
INFERENCE_PATHS = "/v2/"  # of the Open Inference Protocol
MOST_ERRORS = 100
MOST_DIGITS = 400


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that was wrong; `field` is its path, such as `events[3].data.arr_delay`."""

    field: str
    detail: str
    fix: str = ""


class ProblemError(Exception):
    """An answer that is a problem: raise it anywhere below a route."""

    def __init__(self, status: int, slug: str, title: str, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)

    def body(self, path: str = "") -> bytes:
        """The problem document. Below `/v2` it also has the member `error`, where clients of that protocol look."""
        document: dict[str, Any] = {
            "type": f"urn:pelton:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if path.startswith(INFERENCE_PATHS):
            document["error"] = self.detail
        if self.errors:
            document["errors"] = [asdict(error) for error in self.errors]
        trace_id = current_trace_id()
        if trace_id:
            document["trace_id"] = trace_id
        return json.dumps(document).encode()


def unforeseen() -> ProblemError:
    """The answer to an error that no route foresaw: nothing of its insides, only where to look."""
    return ProblemError(500, "internal", "Internal error", "The service failed; its log says why, under this trace id")


def read_json(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse a request's body, strictly: UTF-8 without NaN, infinities, numbers beyond a float or half characters.

    Raises:
        ProblemError: 400, saying where the text stops being JSON, or which fields hold what JSON has not.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(body, error) from error


@dataclass(frozen=True, slots=True)
class _NoNumber:
    """What stands in a text where JSON would have a number."""

    text: str


def _malformed(body: bytes, refusal: Exception) -> ProblemError:
    """Read what was refused once more, slower and with everything allowed, to say what is wrong with it and where."""
    errors: list[FieldError] = []
    try:
        lenient = json.loads(body.decode(), parse_constant=_NoNumber, parse_float=_finite, parse_int=_short)
    except UnicodeDecodeError as error:
        detail = f"byte {error.start} is not UTF-8; send UTF-8"
    except json.JSONDecodeError as error:
        detail = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except RecursionError:
        detail = "it is nested too deeply; send flatter records"
    else:
        errors = _foreign_values(lenient)
        detail = "see `errors` for each field" if errors else str(refusal)
    return ProblemError(400, "malformed-json", "The body is not JSON", detail, errors)


def _finite(text: str) -> float | _NoNumber:
    number = float(text)
    return number if math.isfinite(number) else _NoNumber(text)


def _short(text: str) -> int | _NoNumber:
    return int(text) if len(text) <= MOST_DIGITS else _NoNumber(text)


def _foreign_values(document: object) -> list[FieldError]:
    """Each field, up to `MOST_ERRORS`, that holds what JSON has not; without recursion, however deep it is."""
    errors: list[FieldError] = []
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), document)]
    while waiting and len(errors) < MOST_ERRORS:
        path, value = waiting.pop()
        match value:
            case dict():
                waiting += [((*path, _printable(key)), value[key]) for key in reversed(value)]
                waiting += [((*path, _printable(key)), key) for key in value if not _is_text(key)]
            case list():
                waiting += [((*path, index), value[index]) for index in reversed(range(len(value)))]
            case _NoNumber(text):
                detail, fix = f"{text[:40]} is not a JSON number", "send a finite number, or null for a missing value"
                errors.append(FieldError(path_of(path), detail, fix))
            case str() if not _is_text(value):
                errors.append(FieldError(path_of(path), "half of a surrogate pair is no character", "send whole ones"))
    return errors


def _is_text(text: str) -> bool:
    return text.isascii() or _printable(text) == text


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()


_FIXES = {
    "missing": "add the field",
    "extra_forbidden": "leave the field out, or check its spelling",
    "finite_number": "send a finite number, or null for a missing value",
}


def path_of(location: Sequence[str | int]) -> str:
    """A location such as ("events", 3, "id") as the text `events[3].id`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def install_problem_handlers(app: FastAPI) -> None:
    """Let an application answer every error as a problem."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(ConcurrencyConflictError, _on_conflict)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unknown)


def _answer(problem: ProblemError, headers: dict[str, str] | None = None) -> Response:
    return Response(problem.body(), problem.status, headers, MEDIA_TYPE)


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - registered for it
    return _answer(error)


async def _on_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    faults = error.errors()
    if faults and faults[0]["type"] == "json_invalid":
        where = f"at character {faults[0]['loc'][-1]}: {faults[0].get('ctx', {}).get('error', faults[0]['msg'])}"
        return _answer(ProblemError(400, "malformed-json", "The body is not JSON", where))
    fields = [
        FieldError(path_of(fault["loc"][1:]) or str(fault["loc"][0]), fault["msg"], _FIXES.get(fault["type"], ""))
        for fault in faults[:MOST_ERRORS]
    ]
    return _answer(
        ProblemError(422, "invalid-request", "The request is not valid", "see `errors` for each field", fields)
    )


async def _on_conflict(_: Request, error: Exception) -> Response:
    return _answer(ProblemError(409, "conflict", "Somebody else was faster", str(error)))


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    phrase = HTTPStatus(error.status_code).phrase
    problem = ProblemError(error.status_code, phrase.lower().replace(" ", "-"), phrase, str(error.detail))
    return _answer(problem, dict(error.headers or {}))


async def _on_unknown(_: Request, __: Exception) -> Response:
    # Starlette raises the error again once this is sent: whoever stands before the application logs it.
    return _answer(unforeseen())
