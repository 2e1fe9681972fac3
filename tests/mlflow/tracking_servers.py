"""The two servers that MLflow's client is pointed at: Pelton's registry, and MLflow's own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pelton import local
from pelton.local import ports
from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance
from pelton.testkit.peers import Peer, Program

START_SECONDS = 240


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        client: what a client of it has in its environment, and nothing else.
        database: the DSN of what it keeps its state in.
    """

    client: Mapping[str, str]
    database: str


@contextmanager
def pelton_registry(kafka: KafkaInstance, postgres: PostgresInstance, home: Path) -> Iterator[Server]:
    """The registry's process, with a home and a database of its own."""
    registry = ServiceInstance("registry", home, kafka, postgres)
    registry.start(timeout=START_SECONDS)
    try:
        client = {"MLFLOW_TRACKING_URI": registry.url, "MLFLOW_TRACKING_TOKEN": registry.token()}
        yield Server(client, registry.database)
    finally:
        registry.stop()


@contextmanager
def mlflow_server(peer: Peer, folder: Path, database: str = "", workers: int = 1) -> Iterator[Server]:
    """MLflow's own server, on a database of SQLAlchemy's URLs, or on SQLite."""
    port = ports.free_block(1)
    url = f"http://127.0.0.1:{port}"
    database = database or f"sqlite:///{folder}/mlflow.db"
    options = ["--backend-store-uri", database, "--artifacts-destination", folder / "artifacts"]
    # On a busy machine its workers import for longer than uvicorn waits before it ends and starts them again.
    options += ["--workers", str(workers), "--uvicorn-opts", f"--timeout-worker-healthcheck {START_SECONDS}"]
    environment = peer.env | {
        "PATH": f"{peer.python.parent}:{peer.env['PATH']}",
        # Eight processes that evaluate language models: without them it is faster.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    argv = [peer.python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), *options]
    program = Program("mlflow", [port], argv, environment, [f"{url}/health"])
    running = local.start(program, folder / "mlflow.log", timeout=START_SECONDS)
    try:
        yield Server({"MLFLOW_TRACKING_URI": url}, database)
    finally:
        running.stop()
