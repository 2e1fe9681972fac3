"""The registry's door on a socket, for what no HTTP client sends: crooked paths, wrong lengths, lost connections."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from registry_door import KEY, Door

from pelton.eventkit.asgi import Observation
from pelton.eventkit.identity import Role, mint
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.registry.mlflow.front import PREFIXES
from pelton.registry.mlflow.wire import dialect
from pelton.testkit import eventually


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class Answer:
    """What came back before the connection ended."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def whole(self) -> bool:
        return len(self.body) == int(self.headers["content-length"])

    def error(self) -> tuple[int, str]:
        return self.status, json.loads(self.body)["error_code"]


@dataclass(frozen=True)
class RawServer:
    port: int

    async def send(self, method: str, path: str, body: bytes = b"", length: int | None = None) -> Answer:
        """A request as it stands, and all that is answered; a body that is shorter than its length is then cut off."""
        async with self.begin(method, path, len(body) if length is None else length) as (reader, writer):
            writer.write(body)
            if length is not None and length > len(body):
                writer.write_eof()
            return _answer(await reader.read())

    @asynccontextmanager
    async def begin(
        self, method: str, path: str, length: int
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """The head of a request; the body is the caller's."""
        token = mint(KEY, "ann", Role.CONTRIBUTOR, datetime.now(UTC), timedelta(hours=1))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"{method} {path} HTTP/1.1\r\nhost: registry\r\nauthorization: Bearer {token}\r\nconnection: close\r\n"
        writer.write(f"{head}content-length: {length}\r\n\r\n".encode())
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def raw_server(door: Door) -> AsyncIterator[RawServer]:
    """The door on a port of its own, watched as the host watches it."""
    app: Any = door._http._transport.app  # type: ignore[attr-defined]
    watched = Observation(app, Metrics(), dict.fromkeys(PREFIXES, dialect))
    config = uvicorn.Config(
        watched, host="127.0.0.1", port=0, http="httptools", loop="none", lifespan="off", log_config=None
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    yield RawServer(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await serving


def _answer(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return Answer(int(status.split()[1]), headers, body)
