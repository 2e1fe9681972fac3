"""Who is told: an HTTP server on loopback that keeps what it gets, and answers as the test says."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(frozen=True)
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def signatures(self, secret: str) -> bool:
        """Whether one of the signatures is of this secret, by a second hand's code."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return expected in self.headers["webhook-signature"].split()


@dataclass
class Receiver:
    """Answers with each of `script` in turn, then with 204; `hold` is waited for before each answer."""

    port: int = 0
    script: list[bytes] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=s3cr3t"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.got.append(Got(head[0].split()[1], headers, body))
            await self.hold.wait()
            writer.write(self.script.pop(0) if self.script else OK)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving(script: Iterable[bytes] = (), tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver that is there as long as the block."""
    receiver = Receiver(script=list(script))
    receiver.hold.set()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.hold.set()
        server.close()


def status(code: int, *headers: str, body: str = "") -> bytes:
    """An answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {code} Any", f"content-length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


def resolver(*answers: Iterable[str]) -> Callable[[str, int], Any]:
    """A name server that says each of these in turn, and the last from then on."""
    waiting = [list(one) for one in answers]

    async def resolve(host: str, port: int) -> list[str]:  # noqa: ARG001 - whatever the name
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return resolve
