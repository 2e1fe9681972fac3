"""The pytest plugin: real servers, started when the first test asks, shared by every package of the run."""

import re
import uuid
from collections.abc import Iterator
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from pelton.testkit.servers import KafkaInstance, PostgresInstance, ServerInstance

Instance = TypeVar("Instance", bound=ServerInstance)


def pytest_configure() -> None:
    """Let no property fail because the machine was busy: how long an example took says nothing about it."""
    settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy machine")


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaInstance]:
    """A broker for the whole run. Share it: names from `unique`; a test that stops it takes `kafka_private`."""
    yield from _lifetime(KafkaInstance())


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresInstance]:
    """A PostgreSQL for the whole run; each test makes its own database."""
    yield from _lifetime(PostgresInstance())


@pytest.fixture
def kafka_private() -> Iterator[KafkaInstance]:
    """A broker of this test alone, to stop and crash."""
    yield from _lifetime(KafkaInstance())


@pytest.fixture
def postgres_private() -> Iterator[PostgresInstance]:
    """A PostgreSQL of this test alone, to stop and crash."""
    yield from _lifetime(PostgresInstance())


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A prefix for topics and groups that no other test and no other run has; says which test it was."""
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40]
    return f"{test}-{uuid.uuid4().hex[:8]}"


def _lifetime(instance: Instance) -> Iterator[Instance]:
    try:
        instance.start()
        yield instance
    finally:
        instance.discard()
