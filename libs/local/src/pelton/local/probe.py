"""Does a server answer its own protocol: one round trip, without a client library."""

import contextlib
import socket
import struct

from pelton.local.ports import HOST

_SECONDS = 1.0
_API_VERSIONS = 18
# Read to its end, or the server would log a connection reset: type, size, 10, the mechanism's name, end of list.
_SASL_REQUEST = 1 + 4 + 4 + len("SCRAM-SHA-256\0") + 1
_PROTOCOL_3 = 3 << 16


def kafka_answers(port: int) -> bool:
    """Whether a Kafka broker answers ApiVersions (version 0, which every broker knows)."""
    correlation = 7
    body = struct.pack(">hhih", _API_VERSIONS, 0, correlation, 6) + b"pelton"
    answer = _ask(port, struct.pack(">i", len(body)) + body, 10)
    if len(answer) < 10:  # noqa: PLR2004  # size, correlation, error code
        return False
    _, echoed, error = struct.unpack(">iih", answer)
    return bool(echoed == correlation and error == 0)


def postgres_answers(port: int, user: str) -> bool:
    """Whether a PostgreSQL server asks for a password: while it starts or recovers it answers with an error instead."""
    body = struct.pack(">i", _PROTOCOL_3) + f"user\0{user}\0database\0postgres\0\0".encode()
    return _ask(port, struct.pack(">i", len(body) + 4) + body, _SASL_REQUEST)[:1] == b"R"


def _ask(port: int, request: bytes, length: int) -> bytes:
    """The first `length` bytes of the answer; fewer if there is none in time."""
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), _SECONDS) as connection:
        connection.sendall(request)
        while len(answer) < length and (part := connection.recv(length - len(answer))):
            answer += part
    return answer
