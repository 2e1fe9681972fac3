import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Tests are no package (pytest imports them by path); what several of them share are modules beside them.
sys.path.insert(0, str(Path(__file__).parent))

from tracking_servers import Server, mlflow_server, pelton_registry

from pelton.testkit import KafkaInstance, PostgresInstance
from pelton.testkit.peers import Peer


@pytest.fixture(scope="session")
def peer() -> Peer:
    """MLflow, whole, in an environment of its own."""
    return Peer(Path(__file__).parent.parent / "peers" / "mlflow.txt")


@pytest.fixture(scope="session")
def pelton(
    kafka: KafkaInstance, postgres: PostgresInstance, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A registry."""
    with pelton_registry(kafka, postgres, tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="session")
def mlflow(peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """MLflow's own server."""
    with mlflow_server(peer, tmp_path_factory.mktemp("mlflow")) as server:
        yield server
