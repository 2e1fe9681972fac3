import sys
from collections.abc import Iterator
from contextlib import ExitStack
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


@pytest.fixture(scope="module")
def pelton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry that knows nothing yet, on a broker and a database server of its own."""
    with ExitStack() as stack:
        kafka, postgres = KafkaInstance(), PostgresInstance()
        for instance in (kafka, postgres):
            stack.callback(instance.discard)
            instance.start()
        yield stack.enter_context(pelton_registry(kafka, postgres, tmp_path_factory.mktemp("registry")))


@pytest.fixture(scope="module")
def mlflow(peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """MLflow's own server, empty."""
    with mlflow_server(peer, tmp_path_factory.mktemp("mlflow")) as server:
        yield server
