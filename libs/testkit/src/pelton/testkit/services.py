"""Pelton's services for tests, each a process of its own on a test's Kafka, PostgreSQL and folder."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from pelton.eventkit.identity import Role, load_or_create_key, mint
from pelton.eventkit.settings import PORT_OFFSETS
from pelton.local import ports
from pelton.testkit.peers import Program
from pelton.testkit.servers import KafkaInstance, PostgresInstance, ServerInstance

_END_SECONDS = 30.0


class ServiceInstance(ServerInstance):
    """One process of a service, on the same ports, data and settings each time that it is started.

    It runs while the instance is entered, or from `start` to `stop`, `crash` or `end`. Its home stays: it is the
    test's. `settings` are further ones of its environment, such as `log_level="WARNING"`.

    Attributes:
        url: where it is asked over HTTP.
        environment: what it is told beside the environment of the tests; a command line that is told so finds it.
        database: the DSN of what it keeps its state in, empty for a service that is given no PostgreSQL.
    """

    def __init__(
        self,
        name: str,
        home: Path,
        kafka: KafkaInstance,
        postgres: PostgresInstance | None = None,
        *,
        port_base: int | None = None,
        **settings: str,
    ) -> None:
        base = port_base if port_base is not None else ports.free_block(len(PORT_OFFSETS))
        port = base + PORT_OFFSETS[name]
        self.url = f"http://127.0.0.1:{port}"
        self.database = postgres.database(name).replace("+asyncpg", "") if postgres is not None else ""
        told = {"home": str(home), "kafka": kafka.bootstrap, "port_base": str(base), **settings}
        if self.database:
            told["postgres"] = self.database.rpartition("/")[0]
        self.environment = {f"PELTON_{key.upper()}": value for key, value in told.items()}
        # `pelton up` makes the key before it starts a service.
        self._key = load_or_create_key(home / "secrets" / "token.key")
        argv = [sys.executable, "-m", f"pelton.{name}"]
        program = Program(name, [port], argv, os.environ | self.environment, [f"{self.url}/readyz"])
        super().__init__(program, home, f"{name}-{port}.log")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def end(self, by: signal.Signals) -> int:
        """Send a signal; its exit status once it has ended, which is minus the number of a signal that killed it.

        Raises:
            RuntimeError: it is stopped.
            subprocess.TimeoutExpired: it did not end; it still runs.
        """
        process = self._alive().process
        process.send_signal(by)
        status = await asyncio.to_thread(process.wait, _END_SECONDS)
        self._running = None
        return status

    def token(self, role: Role = Role.ADMIN, user: str = "ann") -> str:
        """What says who somebody is and what they may, for an hour."""
        return mint(self._key, user, role, datetime.now(UTC), timedelta(hours=1))

    def client(self, role: Role | None = Role.ADMIN, user: str = "ann") -> httpx.AsyncClient:
        """A client with somebody's token, or without any."""
        headers = {"authorization": f"Bearer {self.token(role, user)}"} if role is not None else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=30)
