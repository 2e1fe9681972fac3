"""The load generator: keep-alive connections in a closed loop, one process, no parsing but what checks the answers.

An answer costs it some 20 µs of processor time, so that it is not what limits a server written in Python; what it took
is measured with each run all the same.
"""

import asyncio
import gc
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import cast

import numpy as np

CONNECTIONS = 8
WARM_SECONDS = 1.0
SECONDS = 8.0
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length:"


@dataclass(frozen=True)
class Target:
    """Where the requests go, and what must come back: `check` gets a body for each of `bodies`, and raises."""

    port: int
    path: str
    headers: Sequence[tuple[str, str]]
    bodies: Sequence[bytes]
    check: Callable[[int, bytes], None]

    def requests(self) -> list[bytes]:
        """The bytes that go over the wire."""
        head = f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\ncontent-type: application/json\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        return [f"{head}content-length: {len(body)}\r\n\r\n".encode() + body for body in self.bodies]


@dataclass(frozen=True)
class Measured:
    """One run. Processor times are in seconds a second: cores."""

    rate: float
    p50_ms: float
    p99_ms: float
    server_cores: float
    generator_cores: float


class _Run:
    """What all connections of one run share. `first` has the first answer to each request."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self.requests = requests
        self.first: dict[int, bytes] = {}
        self.latencies = array("d")
        self.failed: str | None = None
        self.stopping = False

    def begin(self) -> None:
        """Forget what was the warming up."""
        self.latencies = array("d")


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last is whole."""

    def __init__(self, run: _Run, offset: int) -> None:
        self._run = run
        count = len(run.requests)
        self._order = cycle([(offset + place) % count for place in range(count)])
        self._received = b""
        self._number = 0
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(END_OF_HEAD)
        if end < 0 or len(received) < (whole := end + len(END_OF_HEAD) + _length(received[:end])):
            self._received = received
            return
        now = time.perf_counter()
        run = self._run
        if not received.startswith(b"HTTP/1.1 200 ") or len(received) > whole:
            run.failed = received.decode(errors="replace")[:500]
            self._transport.close()
            return
        run.latencies.append(now - self._sent)
        if self._number not in run.first:
            run.first[self._number] = received[end + len(END_OF_HEAD) :]
        self._received = b""
        if run.stopping:
            self._transport.close()
        else:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._run.stopping and self._run.failed is None:
            self._run.failed = f"the server closed a connection: {exc}"

    def _next(self) -> None:
        self._number = next(self._order)
        self._sent = time.perf_counter()
        self._transport.write(self._run.requests[self._number])


def _length(head: bytes) -> int:
    head = head.lower()
    start = head.index(LENGTH) + len(LENGTH)
    end = head.find(b"\r\n", start)
    return int(head[start : end if end >= 0 else None])


async def measure(target: Target, server_cpu: Callable[[], float]) -> Measured:
    """Ask for so many seconds, check an answer to every request, and say how it went.

    Raises:
        RuntimeError: an answer was not 200, or a connection broke.
    """
    run = _Run(target.requests())
    loop = asyncio.get_running_loop()
    step = max(1, len(target.bodies) // CONNECTIONS)
    for offset in islice(range(0, CONNECTIONS * step, step), CONNECTIONS):
        await loop.create_connection(lambda offset=offset: _Connection(run, offset), "127.0.0.1", target.port)  # type: ignore[misc]
    await asyncio.sleep(WARM_SECONDS)
    gc.collect()
    gc.disable()  # its pauses would be the server's latencies
    try:
        run.begin()
        began, generator, server = time.perf_counter(), time.process_time(), server_cpu()
        await asyncio.sleep(SECONDS)
        latencies, seconds = run.latencies, time.perf_counter() - began
        generator, server = time.process_time() - generator, server_cpu() - server
    finally:
        run.stopping = True
        gc.enable()
    if run.failed is not None:
        raise RuntimeError(f"a request failed: {run.failed}")
    if len(run.first) < len(target.bodies):
        raise RuntimeError(f"only {len(run.first)} of {len(target.bodies)} requests were answered; ask for longer")
    for number, body in run.first.items():
        target.check(number, body)
    p50, p99 = np.percentile(np.array(latencies), (50, 99)) * 1000
    return Measured(len(latencies) / seconds, float(p50), float(p99), server / seconds, generator / seconds)
