"""A server that costs next to nothing: what another answered first to a route, it answers always.

`python _replay.py <port> <url of the other>`. A client measured against it is measured alone.
"""

import asyncio
import sys

import httpx
import uvloop

HEADER_END = b"\r\n\r\n"
HOP_BY_HOP = {b"connection", b"content-encoding", b"transfer-encoding", b"content-length"}


class Replay(asyncio.Protocol):
    """One connection, whose requests come one after the other."""

    answers: dict[tuple[str, str], bytes] = {}  # noqa: RUF012 - of all connections

    def __init__(self, other: str) -> None:
        self._other = other
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = bytes(self._received).partition(HEADER_END)
        if not end:
            return
        request_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if len(body) < int(headers.get("content-length", "0")):
            return
        self._received.clear()
        method, target, _ = request_line.split(" ")
        route = (method, target.partition("?")[0])
        if route not in self.answers:
            self.answers[route] = self._ask(method, target, headers, body)
        self._transport.write(self.answers[route])

    def _ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        told = httpx.request(method, self._other + target, headers=headers, content=body, trust_env=False)
        kept = [(name, value) for name, value in told.headers.raw if name.lower() not in HOP_BY_HOP]
        lines = [b"HTTP/1.1 %d OK" % told.status_code, *(b"%s: %s" % header for header in kept)]
        return b"\r\n".join([*lines, b"content-length: %d" % len(told.content)]) + HEADER_END + told.content


async def main(port: int, other: str) -> None:
    """Serve until ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Replay(other), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
