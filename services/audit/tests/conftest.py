"""A platform small enough to tamper with: the audit as its own process, and the event stores of the others."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import httpx
import pytest
from typer.testing import CliRunner, Result

from pelton.audit import store
from pelton.audit.settings import AuditSettings
from pelton.cli.audit import app
from pelton.contracts.fact import Fact
from pelton.eventkit.database import create_engine
from pelton.eventkit.envelope import Cause
from pelton.eventkit.identity import Role, load_or_create_key, mint
from pelton.eventkit.unit import Units
from pelton.local import ports
from pelton.testkit import KafkaInstance, PostgresInstance

PUBLISHERS = ("registry", "feature", "trainer", "monitor", "deployer")
HOSTS = Path(__file__).parent / "hosts.py"


Value = TypeVar("Value")


def wait_for(condition: Callable[[], Value], seconds: float = 30.0) -> Value:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s; the condition was last {value!r}"
        time.sleep(0.05)
    return value


@dataclass
class Platform:
    """What a test does to it is synchronous: a command line has no event loop either."""

    kafka: KafkaInstance
    postgres: PostgresInstance
    settings: AuditSettings
    token: str
    environment: dict[str, str]
    stack: ExitStack
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.settings.home

    def start(self, name: str, *command: str) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, *command], env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        self.stack.callback(self.kill, name, signal.SIGTERM)

    def start_audit(self) -> None:
        self.start("audit", "-m", "pelton.audit")
        self.await_ready("audit")

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        process = self.running.pop(name, None)
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()

    def await_ready(self, *services: str) -> None:
        def ready() -> bool:
            for name, process in self.running.items():
                log = (self.home / f"{name}.log").read_text()[-3000:]
                assert process.poll() is None, f"{name} ended with {process.returncode}:\n{log}"
            try:
                return all(self.get(name, "/readyz").status_code == 200 for name in services)
            except httpx.TransportError:
                return False

        wait_for(ready)

    def get(self, service: str, path: str, **params: str | int) -> httpx.Response:
        url = self.settings.url(service) + path
        return httpx.get(url, params=params, headers={"authorization": f"Bearer {self.token}"}, trust_env=False)

    def audit(self, path: str, **params: str | int) -> Any:  # noqa: ANN401 - any JSON
        answer = self.get("audit", path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def publish(self, stream: str, *facts: Fact, cause: UUID | None = None) -> list[UUID]:
        return asyncio.run(self._publish(stream, facts, cause))

    async def _publish(self, stream: str, facts: Sequence[Fact], cause: UUID | None) -> list[UUID]:
        owner = facts[0].fact_owner
        async with self.units(owner) as units, units.begin(cause=Cause(str(cause), "story") if cause else None) as unit:
            version = await store.version(unit.connection, stream)
            return await unit.append_to(stream, facts, expected=version)

    @asynccontextmanager
    async def units(self, service: str) -> AsyncIterator[Units]:
        engine = create_engine(self.settings.database(service))
        try:
            yield Units(engine, service)
        finally:
            await engine.dispose()

    def sql(self, service: str, statement: str, *values: object) -> list[Any]:
        async def run() -> list[Any]:
            connection = await asyncpg.connect(self.settings.database(service))
            try:
                return list(await connection.fetch(statement, *values))
            finally:
                await connection.close()

        return asyncio.run(run())

    def settled(self) -> int:
        """Wait until every fact is logged, sealed and archived; returns the log's size."""

        def quiet() -> int:
            published = sum(self.sql(name, "SELECT count(*) AS n FROM events")[0]["n"] for name in self.owners)
            status = self.audit("/v1/status")
            unsealed = self.audit("/v1/entries", **{"from": status["sealed"]})
            done = status["size"] >= published and status["lag"] == 0
            done = done and all("checkpoint_sealed" in one["type"] for one in unsealed)
            return int(status["size"]) if done and status["archived_bundles"] == status["size"] // 256 else 0

        return wait_for(quiet)

    @property
    def owners(self) -> tuple[str, ...]:
        return (*PUBLISHERS, "audit")

    def cli(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, env=self.environment | {"COLUMNS": "240"})


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Control topics have one name for everybody, so these tests have servers of their own."""
    home = tmp_path_factory.mktemp("home")
    with ExitStack() as stack:
        kafka, postgres = KafkaInstance(), PostgresInstance()
        for server in (kafka, postgres):
            stack.callback(server.discard)
            server.start()
        url = postgres.database("postgres").replace("+asyncpg", "")
        settings = AuditSettings(
            home=home, port_base=ports.free_block(8), kafka=kafka.bootstrap, postgres=url.rpartition("/")[0]
        )
        key = load_or_create_key(settings.key_file)
        token = mint(key, "auditor", Role.VIEWER, datetime.now(UTC), timedelta(hours=1))
        (home / "secrets" / "cli.token").write_text(token)
        environment = dict(os.environ) | {
            "PELTON_HOME": str(home),
            "PELTON_PORT_BASE": str(settings.port_base),
            "PELTON_KAFKA": settings.kafka,
            "PELTON_POSTGRES": settings.postgres,
        }
        platform = Platform(kafka, postgres, settings, token, environment, stack)
        platform.start("publishers", str(HOSTS), *PUBLISHERS)
        platform.start_audit()
        platform.await_ready(*platform.owners)
        yield platform
