import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

# Tests are no package (pytest imports them by path); what several of them share are modules beside them.
sys.path.insert(0, str(Path(__file__).parent))

from feature_definitions import source
from feature_process import Feature, feature_service

from pelton.testkit import KafkaInstance, PostgresInstance


@pytest.fixture(scope="session")
async def feature(postgres: PostgresInstance, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Feature]:
    """One service for all; each test has sources of its own. Control topics have fixed names: its own broker."""
    kafka = KafkaInstance()
    kafka.start()
    try:
        async with feature_service(kafka, postgres, tmp_path_factory.mktemp("feature")) as running:
            yield running
    finally:
        kafka.discard()


@pytest.fixture(scope="session")
async def door(feature: Feature) -> str:
    """A source whose events may be two days old."""
    await feature.declare(source("door", max_age="2d"))
    return "door"
