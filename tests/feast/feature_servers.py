"""The two servers that Feast's client is pointed at: Pelton's feature service, and Feast's own."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pelton import local
from pelton.cli.feast.registry import read_registry
from pelton.cli.feast.translation import translate
from pelton.contracts.definitions import TransformationDefinition
from pelton.local import ports
from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance
from pelton.testkit.peers import Peer, Program

START_SECONDS = 240
SHOP = Path(__file__).with_name("feast_shop.py")
# What Feast's on-demand view does in Python, as whoever imports the project writes it.
SCALED = TransformationDefinition(
    name="scaled",
    inputs={"rate": "driver_stats:rate"},
    request=("factor",),
    features={"scaled_rate": "rate * factor"},
)


@dataclass(frozen=True)
class Server:
    """A server that runs; `token` is empty where none is asked for."""

    url: str
    token: str

    def client(self) -> httpx.Client:
        """A client that is let in. Feast's server breaks off a connection after an error: it is not used again."""
        headers = {"connection": "close"} | ({"authorization": f"Bearer {self.token}"} if self.token else {})
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60)


def feast_repository(peer: Peer, folder: Path) -> Path:
    """A folder of Feast's with its project registered."""
    shutil.copy(SHOP, folder)
    settings: Mapping[str, Any] = {
        "project": "shop",
        "registry": "registry.db",
        "provider": "local",
        "online_store": {"type": "sqlite", "path": "online.db"},
        "offline_store": {"type": "dask"},
        "entity_key_serialization_version": 3,
    }
    # JSON is YAML.
    (folder / "feature_store.yaml").write_text(json.dumps(settings))
    subprocess.run([peer.python, SHOP.name], cwd=folder, env=peer.env, timeout=START_SECONDS, check=True)
    return folder


def remote_repository(repository: Path, server: Server, folder: Path) -> tuple[Path, Mapping[str, str]]:
    """A folder of a user whose online store is a server, as the guide says to write it, and the user's environment."""
    shutil.copy(repository / "registry.db", folder)
    settings: dict[str, Any] = {
        "project": "shop",
        "registry": "registry.db",
        "provider": "local",
        "online_store": {"type": "remote", "path": server.url},
        "offline_store": {"type": "dask"},
        "entity_key_serialization_version": 3,
    }
    if server.token:
        settings["auth"] = {"type": "oidc", "token_env_var": "PELTON_TOKEN"}
    (folder / "feature_store.yaml").write_text(json.dumps(settings))
    return folder, {"PELTON_TOKEN": server.token}


@contextmanager
def feast_server(peer: Peer, repository: Path) -> Iterator[Server]:
    """Feast's own server."""
    port = ports.free_block(1)
    url = f"http://127.0.0.1:{port}"
    argv = [peer.folder / "bin" / "feast", "-c", repository, "serve", "--port", str(port)]
    program = Program("feast", [port], argv, peer.env, [f"{url}/health"])
    running = local.start(program, repository / "server.log", timeout=START_SECONDS)
    try:
        yield Server(url, "")
    finally:
        running.stop()


@contextmanager
def pelton_feature(kafka: KafkaInstance, postgres: PostgresInstance, home: Path, repository: Path) -> Iterator[Server]:
    """The feature service, with what Feast has registered applied to it."""
    with ServiceInstance("feature", home, kafka, postgres) as service:
        server = Server(service.url, service.token())
        found = translate(read_registry(repository))
        with server.client() as client:
            for kind, definitions in (
                ("entities", found.entities),
                ("sources", found.sources),
                ("feature-views", found.views),
                ("transformations", [SCALED]),
                ("feature-services", found.services),
            ):
                for one in definitions:
                    client.post(f"/v1/{kind}", json=one.model_dump(mode="json")).raise_for_status()
        yield server
