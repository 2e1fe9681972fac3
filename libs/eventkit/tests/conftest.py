"""A broker of this package's own (control topics have fixed names), and programs to start and kill."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
# The programs run as scripts, and so find `counting` beside them; the tests take it from there too.
sys.path.append(str(PROGRAMS))

from counting import prepared  # noqa: E402
from starting import MakeOwner, MakeUnits, Program, Start  # noqa: E402

from pelton.eventkit.topics import ensure_topics  # noqa: E402
from pelton.eventkit.unit import Units  # noqa: E402
from pelton.local.process import leashed  # noqa: E402
from pelton.testkit import KafkaInstance, PostgresInstance  # noqa: E402


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program of `programs/` with these options; it is killed when the test ends, or pytest does."""
    running: list[Program] = []

    def start_one(name: str, env: dict[str, str] | None = None, **told: object) -> Program:
        output = tmp_path / f"{name}-{len(running)}.log"
        program = [sys.executable, PROGRAMS / f"{name}.py", json.dumps(told)]
        environment = os.environ | (env or {})
        command = leashed(program, environment, stop_signal=signal.SIGTERM, orphan_signal=signal.SIGKILL)
        with output.open("wb") as file:
            process = subprocess.Popen(command.argv, env=environment, stdout=file, stderr=subprocess.STDOUT)
        running.append(Program(process, output))
        return running[-1]

    yield start_one
    for program in running:
        program.kill()


@pytest.fixture(scope="session")
def broker() -> Iterator[KafkaInstance]:
    """The broker of this package; a test may restart it."""
    instance = KafkaInstance()
    try:
        instance.start()
        yield instance
    finally:
        instance.discard()


@pytest.fixture
def make_owner(broker: KafkaInstance) -> MakeOwner:
    """Service names that no other test has, each with its control topic of two partitions."""

    async def make() -> str:
        name = f"owner-{uuid.uuid4().hex[:8]}"
        await ensure_topics(broker.bootstrap, {f"pelton.{name}": 2, f"pelton.{name}-reader.dlq": 1})
        return name

    broker.start()
    return make


@pytest.fixture
async def owner(make_owner: MakeOwner) -> str:
    """One such name."""
    return await make_owner()


@pytest.fixture
async def make_units(postgres: PostgresInstance) -> AsyncIterator[MakeUnits]:
    """Units of a service on a fresh database with the tables of `counting`."""
    made: list[Units] = []
    one_at_a_time = asyncio.Lock()  # Alembic's context is global.

    async def make(service: str) -> Units:
        async with one_at_a_time:
            made.append(await prepared(postgres.database(), service))
            return made[-1]

    yield make
    await asyncio.gather(*(units.engine.dispose() for units in made))


@pytest.fixture(scope="session")
def postgres_outage() -> Iterator[PostgresInstance]:
    """The PostgreSQL of this package, with databases by the names of services; a test may restart it."""
    instance = PostgresInstance()
    try:
        instance.start()
        yield instance
    finally:
        instance.discard()
