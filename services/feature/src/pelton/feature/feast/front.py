"""The hot routes, over raw ASGI, in front of the service's other routes."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from pelton.eventkit.identity import Actor
from pelton.eventkit.problems import ProblemError
from pelton.feature.access import Access
from pelton.feature.catalogue.notices import Headers
from pelton.feature.feast import retrieval
from pelton.feature.feast.errors import FeastError, dialect, of_selection
from pelton.feature.online import OnlineFeatures
from pelton.feature.selection import SelectionError
from pelton.tiles.errors import TilesError

PATH: Final = "/get-online-features"
# So many are answered sooner than a thread takes over; more would keep other requests waiting.
_FEW_ROWS: Final = 1000


class FeastFront:
    """Answers `/get-online-features`, and passes the rest on."""

    def __init__(self, app: ASGIApp, online: OnlineFeatures, access: Access, clock: Callable[[], datetime]) -> None:
        self._app = app
        self._online = online
        self._access = access
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for features, in Feast's own format; errors too."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["pelton_route"] = PATH
        notices: Headers = []
        try:
            body, notices = await self._answer(await _body(receive), scope["state"]["actor"])
            status = 200
        except FeastError as error:
            status, body = error.status, error.body
        except ProblemError as problem:
            status, body = problem.status, dialect(problem)
        except SelectionError as error:
            told = of_selection(error)
            status, body = told.status, told.body
        except TilesError as error:
            told = FeastError(503, "FeastError", f"the online store cannot be read: {error}")
            status, body = told.status, told.body
        await _send(send, status, body, notices)

    async def _answer(self, body: bytes, actor: Actor) -> tuple[bytes, Headers]:
        request = retrieval.read(body)
        selection = retrieval.select(self._online, request)
        masked = self._access.reading(actor, selection)
        now = self._clock()
        arguments = self._online, selection, request, round(now.timestamp() * 1000), masked
        if request.rows > _FEW_ROWS:
            answer = await asyncio.to_thread(retrieval.answer, *arguments)
        else:
            answer = retrieval.answer(*arguments)
        return answer, self._online.notices(selection, now)


async def _body(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body"):
        return bytes(message.get("body", b""))
    parts = [message["body"]]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


async def _send(send: Send, status: int, body: bytes, notices: Headers) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *notices]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
