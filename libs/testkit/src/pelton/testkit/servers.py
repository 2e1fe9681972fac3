"""Real servers for tests, each in a folder that goes when it does."""

import shutil
import tempfile
import uuid
from pathlib import Path

from pelton import local
from pelton.local import ports


class ServerInstance:
    """One server that a test may stop, crash and start again on the same data and port.

    Attributes:
        log: what it prints.
    """

    def __init__(self, server: local.Server, folder: Path, log: str = "server.log") -> None:
        self.log = folder / log
        self._server = server
        self._folder = folder
        self._running: local.Running | None = None

    @property
    def pid(self) -> int:
        """The server's process.

        Raises:
            RuntimeError: it is stopped.
        """
        return self._alive().pid

    def start(self, timeout: float = 60.0) -> None:
        """Start unless running; returns once it answers, and blocks the thread until then."""
        if self._running is None:
            self._running = local.start(self._server, self.log, timeout)

    def stop(self) -> None:
        """End in order, keeping the data."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def crash(self) -> None:
        """End as by a power cut to the process: SIGKILL."""
        if self._running is not None:
            self._running.kill()
            self._running = None

    def restart(self) -> None:
        """Stop and start again; returns once it answers."""
        self.stop()
        self.start()

    def discard(self) -> None:
        """End at once and delete the data."""
        self.crash()
        shutil.rmtree(self._folder)

    def _alive(self) -> local.Running:
        if self._running is None:
            raise RuntimeError(f"{self._server.name} is stopped: start() it before asking for its process.")
        return self._running


class KafkaInstance(ServerInstance):
    """A broker of one node.

    Attributes:
        bootstrap: what clients connect to, the same after a restart.
    """

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="pelton-kafka-"))
        port = ports.free_block(2)
        broker = local.KafkaBroker(folder, port, port + 1, local.cache_folder())
        super().__init__(broker, folder)
        self.bootstrap = broker.bootstrap


class PostgresInstance(ServerInstance):
    """A PostgreSQL server."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="pelton-postgres-"))
        self._postgres = local.PostgresServer(folder, ports.free_block(1))
        super().__init__(self._postgres, folder)

    def database(self, name: str | None = None) -> str:
        """The `postgresql+asyncpg://` URL of a database: a fresh one, or the one of this name, made if need be."""
        name = name or f"test_{uuid.uuid4().hex[:12]}"
        self._postgres.ensure_database(name)
        return self._postgres.dsn(name)
