"""What stands before every route: a limit on bodies, who is asking, what is measured. Plain ASGI, for hot paths too."""

import base64
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog
from fastapi import Request
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pelton.eventkit.identity import Actor, InvalidTokenError, Role, TokenVerifier
from pelton.eventkit.problems import MEDIA_TYPE, ProblemError, unforeseen
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.telemetry.tracing import request_span

log = structlog.get_logger(__name__)

OPEN_PATHS = frozenset(
    {
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/health",
        "/version",
        "/v2/health/live",
        "/v2/health/ready",
    }
)


Dialect = Callable[[ProblemError], bytes]
"""Writes a problem as the JSON that the clients of a compatible interface read."""


async def send_problem(
    scope: Scope, send: Send, problem: ProblemError, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Answer a raw ASGI request with a problem, in the dialect of its path."""
    dialect: Dialect | None = scope.get("pelton_dialect")
    body = dialect(problem) if dialect else problem.body(scope["path"])
    media_type = "application/json" if dialect else MEDIA_TYPE
    own = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": problem.status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})


class BodyLimit:
    """Refuses bodies over a limit with 413, whether they announce their length or not.

    The limit is `max_bytes`, unless the path begins with one of `exceptions`, which have their own.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, exceptions: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._exceptions = tuple((exceptions or {}).items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a body of unknown length is counted as it comes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        announced, streamed = None, False
        for name, value in scope["headers"]:
            if name == b"content-length":
                announced = value
            elif name == b"transfer-encoding":
                streamed = True
        if announced is not None and not _allows(announced, limit):
            await _refuse(scope, send, limit)
        elif streamed or announced is None:
            await self._count(scope, receive, send, limit)
        else:
            # The server gives the application no more than was announced: there is nothing to count.
            await self._app(scope, receive, send)

    def _limit(self, path: str) -> int:
        return next((limit for prefix, limit in self._exceptions if path.startswith(prefix)), self._max_bytes)

    async def _count(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        received, started = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _BodyTooLargeError
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            # What an application makes of the error, such as FastAPI's 400, is not the answer.
            if started or received <= limit:
                started = True
                await send(message)

        try:
            await self._app(scope, counted, noted)
        except _BodyTooLargeError:
            if started:
                raise
        if received > limit and not started:
            await _refuse(scope, send, limit)


_DIGITS_OF_A_LENGTH = 20


def _allows(announced: bytes, limit: int) -> bool:
    return announced.isdigit() and len(announced) < _DIGITS_OF_A_LENGTH and int(announced) <= limit


async def _refuse(scope: Scope, send: Send, limit: int) -> None:
    detail = f"a body may have {limit} bytes; send less at a time"
    await send_problem(scope, send, ProblemError(413, "body-too-large", "The body is too large", detail))


class _BodyTooLargeError(Exception):
    """Thrown into an application that reads on past the limit."""


class Authentication:
    """Lets in whoever has a valid bearer token, and says so in `scope["state"]["actor"]`."""

    def __init__(self, app: ASGIApp, verifier: TokenVerifier) -> None:
        self._app = app
        self._verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find the actor, or answer 401."""
        if scope["type"] != "lifespan" and scope["path"] not in OPEN_PATHS:
            try:
                scope.setdefault("state", {})["actor"] = self._actor(scope)
            except InvalidTokenError as error:
                await _refuse_entry(scope, send, str(error))
                return
        await self._app(scope, receive, send)

    def _actor(self, scope: Scope) -> Actor:
        for name, value in scope["headers"]:
            if name == b"authorization":
                return self._verifier.verify(_token(value.decode("latin-1")), time.time())
        raise InvalidTokenError(
            "there is no token; send the header `Authorization: Bearer <token>` "
            "(`pelton up` leaves one in PELTON_HOME/secrets/cli.token)"
        )


def _token(authorization: str) -> str:
    """The token of a header: a bearer's, or the password of clients that only know user and password."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            token = base64.b64decode(token, validate=True).decode().partition(":")[2]
        except ValueError:
            token = ""
    if scheme.lower() not in {"bearer", "basic"} or not token:
        raise InvalidTokenError("send the header `Authorization: Bearer <token>`, or the token as a password")
    return token


async def _refuse_entry(scope: Scope, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason})
        return
    problem = ProblemError(401, "unauthenticated", "Who are you?", reason)
    await send_problem(scope, send, problem, ((b"www-authenticate", b'Bearer realm="pelton"'),))


_POLICY_VIOLATION = 1008


class Observation:
    """Measures each request by its route, gives it a span that continues the caller's trace, and answers what failed.

    An error that no route foresaw is logged once, and answered with 500 and the trace id, and nothing of its insides.
    `dialects` are how problems are written below certain paths.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, dialects: Mapping[str, Dialect] | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._dialects = tuple((dialects or {}).items())
        self._known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, watched."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        for prefix, dialect in self._dialects:
            if scope["path"].startswith(prefix):
                scope["pelton_dialect"] = dialect
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        try:
            with request_span(scope["method"], scope["path"], scope["headers"]):
                try:
                    await self._app(scope, receive, noted)
                except Exception as error:
                    problem = error if isinstance(error, ProblemError) else unforeseen()
                    if status or problem is not error:
                        log.exception("request failed", path=scope["path"])
                    if not status:  # else an answer is out, whole or broken off by the server
                        await send_problem(scope, noted, problem)
        finally:
            # The route's pattern, never the path: a path holds names, and each would make a series of its own.
            route = getattr(scope.get("route"), "path", None) or scope.get("pelton_route") or "other"
            requests, seconds = self._series(route, status or 500)
            requests.inc()
            seconds.observe(time.perf_counter() - began)

    def _series(self, route: str, status: int) -> tuple[Counter, Histogram]:
        """The series of a route and status: looked up among all of them once."""
        found = self._known.get((route, status))
        if found is None:
            found = self._known[route, status] = (
                self._metrics.http_requests.labels(route, str(status)),
                self._metrics.http_seconds.labels(route),
            )
        return found


def require(role: Role) -> Callable[[Request], Coroutine[Any, Any, Actor]]:
    """A dependency of FastAPI that gives the actor, or answers 403 when the role is not enough."""

    async def actor_with_role(request: Request) -> Actor:
        actor: Actor = request.state.actor
        if not actor.may(role):
            raise ProblemError(
                403,
                "forbidden",
                "You may not do this",
                f"this needs the role {role.name.lower()}, and {actor.name} has {actor.role.name.lower()}",
            )
        return actor

    return actor_with_role
