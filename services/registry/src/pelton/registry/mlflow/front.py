"""Finds the route of a request to MLflow's interface, and writes the answer or the error."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from pelton.eventkit.identity import Actor
from pelton.eventkit.problems import ProblemError
from pelton.registry.mlflow.reading import read
from pelton.registry.mlflow.translation import translate
from pelton.registry.mlflow.wire import Backend, Call, Endpoint, ErrorCode, MlflowError
from pelton.registry.search.terms import SearchSyntaxError
from pelton.registry.tracking.refusals import Refusal

PREFIXES: Final = ("/api/", "/ajax-api/")
JSON: Final = (b"content-type", b"application/json")
TAIL: Final = ":path"


class Front:
    """Answers what is below MLflow's prefixes, and passes the rest on."""

    def __init__(self, app: ASGIApp, backend: Callable[[], Backend], endpoints: Iterable[Endpoint]) -> None:
        self._app = app
        self._backend = backend
        self._exact: dict[tuple[str, str], Endpoint] = {}
        self._patterns: list[tuple[Sequence[str], Endpoint]] = []
        for endpoint in endpoints:
            if "{" in endpoint.path:
                self._patterns.append((endpoint.path.split("/"), endpoint))
            else:
                self._exact[endpoint.method, endpoint.path] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request in MLflow's format, errors too."""
        prefix = next((one for one in PREFIXES if scope["path"].startswith(one)), None) if _is_http(scope) else None
        if prefix is None:
            await self._app(scope, receive, send)
            return
        try:
            endpoint, parameters = self._find(scope["method"], scope["path"][len(prefix) :])
            scope["pelton_route"] = f"/api/{endpoint.path}"
            call = Call(self._backend(), _actor(scope, endpoint), parameters, scope)
            if endpoint.stream is not None:
                await endpoint.stream(call, receive, send)
            elif endpoint.handle is not None:
                await answer(send, 200, _encode(await endpoint.handle(call, await _read(endpoint, scope, receive))))
        except (MlflowError, ProblemError, Refusal, SearchSyntaxError) as error:
            said = translate(error)
            await answer(send, said.status, said.body())

    def _find(self, method: str, path: str) -> tuple[Endpoint, Mapping[str, str]]:
        endpoint = self._exact.get((method, path))
        if endpoint is not None:
            return endpoint, {}
        parts = path.split("/")
        for pattern, candidate in self._patterns:
            if candidate.method == method and (found := _match(pattern, parts)) is not None:
                return candidate, found
        raise MlflowError(
            ErrorCode.NOT_IMPLEMENTED,
            f"Pelton does not answer {method} {path} of MLflow's interface; docs/guides/mlflow.md lists what it does",
        )


async def answer(send: Send, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = (JSON,)) -> None:
    """A whole answer."""
    own = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [own, *headers]})
    await send({"type": "http.response.body", "body": body})


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request.

    Raises:
        MlflowError: the connection was lost midway.
    """
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MlflowError(ErrorCode.BAD_REQUEST, "The connection was lost before the whole request had come")
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def _is_http(scope: Scope) -> bool:
    return bool(scope["type"] == "http")


def _match(pattern: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    found = {}
    for place, word in enumerate(pattern):
        if word.endswith(TAIL + "}"):
            found[word[1 : -len(TAIL) - 1]] = "/".join(parts[place:])
            return found
        if place >= len(parts) or (not word.startswith("{") and word != parts[place]):
            return None
        if word.startswith("{"):
            found[word[1:-1]] = parts[place]
    return found if len(pattern) == len(parts) else None


def _actor(scope: Scope, endpoint: Endpoint) -> Actor:
    actor: Actor = scope["state"]["actor"]
    if not actor.may(endpoint.role):
        raise MlflowError(
            ErrorCode.PERMISSION_DENIED,
            f"This needs the role {endpoint.role.name.lower()}, and {actor.name} has {actor.role.name.lower()}",
        )
    return actor


async def _read(endpoint: Endpoint, scope: Scope, receive: Receive) -> msgspec.Struct | None:
    if endpoint.request is None:
        return None
    return read(endpoint.request, await read_body(receive), scope["query_string"])


def _encode(value: object) -> bytes:
    return bytes(value) if isinstance(value, msgspec.Raw) else msgspec.json.encode({} if value is None else value)
