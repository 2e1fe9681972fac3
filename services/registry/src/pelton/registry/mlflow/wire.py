"""What every route of MLflow's interface is made of: a call, an endpoint, and errors in MLflow's own words."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import asyncpg
import msgspec
from starlette.types import Receive, Scope, Send

from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.objects import Objects
from pelton.registry.access.control import AccessControl
from pelton.registry.webhooks.sender import Sender


class ErrorCode(StrEnum):
    """MLflow's error codes, as far as Pelton has a use for them."""

    INTERNAL_ERROR = "INTERNAL_ERROR"
    TEMPORARILY_UNAVAILABLE = "TEMPORARILY_UNAVAILABLE"
    BAD_REQUEST = "BAD_REQUEST"
    INVALID_PARAMETER_VALUE = "INVALID_PARAMETER_VALUE"
    RESOURCE_ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"
    RESOURCE_DOES_NOT_EXIST = "RESOURCE_DOES_NOT_EXIST"
    RESOURCE_CONFLICT = "RESOURCE_CONFLICT"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    ENDPOINT_NOT_FOUND = "ENDPOINT_NOT_FOUND"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"


# A client tries 408, 429 and 5xx again: what will not get better by itself is a 4xx.
STATUS: Final[Mapping[ErrorCode, int]] = {
    ErrorCode.INTERNAL_ERROR: 500,
    ErrorCode.TEMPORARILY_UNAVAILABLE: 503,
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.INVALID_PARAMETER_VALUE: 400,
    ErrorCode.RESOURCE_ALREADY_EXISTS: 400,
    ErrorCode.RESOURCE_DOES_NOT_EXIST: 404,
    ErrorCode.RESOURCE_CONFLICT: 409,
    ErrorCode.RESOURCE_EXHAUSTED: 413,
    ErrorCode.ENDPOINT_NOT_FOUND: 404,
    ErrorCode.PERMISSION_DENIED: 403,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.NOT_IMPLEMENTED: 501,
}
_CODES: Final[Mapping[int, ErrorCode]] = {
    401: ErrorCode.UNAUTHENTICATED,
    403: ErrorCode.PERMISSION_DENIED,
    404: ErrorCode.RESOURCE_DOES_NOT_EXIST,
    409: ErrorCode.RESOURCE_CONFLICT,
    413: ErrorCode.RESOURCE_EXHAUSTED,
    503: ErrorCode.TEMPORARILY_UNAVAILABLE,
}


class MlflowError(Exception):
    """An answer that is an error: raise it anywhere below a route. The message says what to do."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.code]

    def body(self) -> bytes:
        """The body that MLflow's clients read."""
        return json.dumps({"error_code": self.code.value, "message": self.message}).encode()


def invalid(message: str) -> MlflowError:
    """The answer to a parameter that cannot be used."""
    return MlflowError(ErrorCode.INVALID_PARAMETER_VALUE, message)


def missing(message: str) -> MlflowError:
    """The answer to something that is not there."""
    return MlflowError(ErrorCode.RESOURCE_DOES_NOT_EXIST, message)


def from_problem(problem: ProblemError) -> MlflowError:
    """A problem of Pelton's own, as MLflow would say it."""
    default = ErrorCode.INTERNAL_ERROR if problem.status >= _SERVER_ERROR else ErrorCode.INVALID_PARAMETER_VALUE
    words = [problem.detail, *(f"{one.field}: {one.detail}" for one in problem.errors)]
    return MlflowError(_CODES.get(problem.status, default), "; ".join(words))


_SERVER_ERROR = 500


def dialect(problem: ProblemError) -> bytes:
    """How problems are written below MLflow's paths."""
    return from_problem(problem).body()


@dataclass(frozen=True, slots=True)
class Backend:
    """What the routes work on: facts through `units`, tracking data through the driver's own pool, artifacts.

    `access` decides who may do what, and `sender` tries webhooks out.
    """

    units: Units
    pool: asyncpg.Pool
    objects: Objects
    access: AccessControl
    sender: Sender


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who asks, and what the path and query said. `parameters` are those of the path, percent-decoded."""

    backend: Backend
    actor: Actor
    parameters: Mapping[str, str]
    scope: Scope


Handle = Callable[[Call, Any], Awaitable[object]]
Stream = Callable[[Call, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route: below `/api/` and `/ajax-api/`, with `{name}` for one part of the path and `{name:path}` for the rest.

    `handle` gets the request as `request`, from the JSON body or the query, and returns what JSON can say, or
    `msgspec.Raw`; an endpoint with `stream` takes the body and answers by itself.
    """

    method: str
    path: str
    role: Role
    request: type[msgspec.Struct] | None = None
    handle: Handle | None = None
    stream: Stream | None = None
