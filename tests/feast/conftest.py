import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# Tests are no package (pytest imports them by path); what several of them share are modules beside them.
sys.path.insert(0, str(Path(__file__).parent))

from feature_servers import Server, feast_repository, feast_server, pelton_feature

from pelton.testkit import KafkaInstance, PostgresInstance
from pelton.testkit.peers import Peer


@pytest.fixture(scope="session")
def peer() -> Peer:
    """Feast, whole, in an environment of its own."""
    return Peer(Path(__file__).parent.parent / "peers" / "feast.txt")


@pytest.fixture(scope="session")
def repository(peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where Feast has registered its project, as its users have one."""
    return feast_repository(peer, tmp_path_factory.mktemp("feast"))


@pytest.fixture(scope="session")
def feast(peer: Peer, repository: Path) -> Iterator[Server]:
    """Feast's own server of that project."""
    with feast_server(peer, repository) as server:
        yield server


@pytest.fixture(scope="module")
def pelton(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The feature service with the same project, imported from Feast's registry."""
    with ExitStack() as stack:
        kafka, postgres = KafkaInstance(), PostgresInstance()
        for instance in (kafka, postgres):
            stack.callback(instance.discard)
            instance.start()
        home = tmp_path_factory.mktemp("feature")
        yield stack.enter_context(pelton_feature(kafka, postgres, home, repository))
