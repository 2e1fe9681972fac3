"""What the supervisor runs: a command, how it is known to be ready, and what must be ready before it."""

import http.client
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pelton.eventkit.settings import PORT_OFFSETS
from pelton.local import cache_folder
from pelton.local.kafka import KafkaBroker
from pelton.local.ports import HOST
from pelton.local.postgres import PostgresServer
from pelton.local.process import Command, Server, leashed

SERVICES = ("registry", "feature", "trainer", "monitor", "deployer", "inference", "audit")
KAFKA_OFFSET, CONTROLLER_OFFSET, POSTGRES_OFFSET = 30, 31, 32
# A service that computes answers late now and then, and is not to be called lost for it.
PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the platform.

    `missing` asks the running process what keeps it from being ready: None when nothing does.
    It may block, and so is called in a thread.
    """

    name: str
    port: int
    ports: tuple[int, ...]
    after: tuple[str, ...]
    prepare: Callable[[], None]
    command: Callable[[], Command]
    missing: Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which ports and folders the parts of one platform have."""

    home: Path
    port_base: int

    @property
    def kafka(self) -> KafkaBroker:
        """The broker."""
        base = self.port_base
        return KafkaBroker(self.home / "kafka", base + KAFKA_OFFSET, base + CONTROLLER_OFFSET, cache_folder())

    @property
    def postgres(self) -> PostgresServer:
        """The database server."""
        return PostgresServer(self.home / "postgres", self.port_base + POSTGRES_OFFSET)

    def parts(self) -> tuple[Part, ...]:
        """Everything that `pelton up` runs, in the order of its table."""
        return (
            _server("kafka", self.kafka),
            _server("postgres", self.postgres),
            *(self._service(name) for name in SERVICES),
        )

    def environment(self) -> Mapping[str, str]:
        """What a service finds in its environment; whatever the user set for it stands."""
        own = {
            "PELTON_HOME": str(self.home),
            "PELTON_PORT_BASE": str(self.port_base),
            "PELTON_KAFKA": self.kafka.bootstrap,
            "PELTON_POSTGRES": self.postgres.dsn("").rstrip("/"),
            # Numerical libraries would each start a thread a core in every one of the processes.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "POLARS_MAX_THREADS": "2",
        }
        return {**os.environ, **own}

    def _service(self, name: str) -> Part:
        port = self.port_base + PORT_OFFSETS[name]
        return Part(
            name=name,
            port=port,
            ports=(port,),
            after=("kafka", "postgres"),
            prepare=lambda: None,
            command=lambda: leashed(
                [sys.executable, "-m", f"pelton.{name}"],
                self.environment(),
                stop_signal=signal.SIGTERM,
                orphan_signal=signal.SIGTERM,
            ),
            missing=lambda: _service_missing(port),
        )


def _server(name: str, server: Server) -> Part:
    return Part(
        name=name,
        port=server.ports[0],
        ports=tuple(server.ports),
        after=(),
        prepare=server.prepare,
        command=server.command,
        missing=lambda: None if server.ready() else "does not answer yet",
    )


def _service_missing(port: int) -> str | None:
    # The standard library's client: seven services are asked ten times a second while they start, and a client
    # that prepares for TLS each time would take a whole core from them.
    connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return "does not answer yet"
    finally:
        connection.close()
    if answer.status == http.client.OK:
        return None
    try:
        return "; ".join(json.loads(body)["missing"]) or "is not ready"
    except (ValueError, KeyError, TypeError):
        return f"answers {answer.status}"
