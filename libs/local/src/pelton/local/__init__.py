"""Real Kafka and PostgreSQL on one machine, from packages alone."""

from pelton.local.errors import (
    AlreadyRunningError,
    ChecksumError,
    DownloadError,
    LocalError,
    PortInUseError,
    PrepareError,
    StartError,
)
from pelton.local.jars import cache_folder
from pelton.local.kafka import KafkaBroker
from pelton.local.postgres import PostgresServer
from pelton.local.process import Command, Running, Server, start

__all__ = [
    "AlreadyRunningError",
    "ChecksumError",
    "Command",
    "DownloadError",
    "KafkaBroker",
    "LocalError",
    "PortInUseError",
    "PostgresServer",
    "PrepareError",
    "Running",
    "Server",
    "StartError",
    "cache_folder",
    "start",
]
