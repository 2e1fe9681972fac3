"""The log as the audit service tells it, taken as a claim: nothing of it is believed before it is checked."""

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from pelton.cli.audit.findings import Finding
from pelton.sdk.client import Client

PAGE = 2000


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A row of the log: the bytes, and what the service says they are."""

    index: int
    entry: bytes
    leaf_hash: bytes
    id: str
    type: str
    subject: str
    source: str
    position: int
    causation_id: str | None
    correlation_id: str
    time: str
    topic: str
    partition: int
    offset: int

    @classmethod
    def read(cls, row: dict[str, Any]) -> Self:
        """Read what `GET /v1/entries` gives."""
        return cls(**row | {"entry": b64decode(row["entry"]), "leaf_hash": bytes.fromhex(row["leaf_hash"])})

    @property
    def claim(self) -> tuple[str, int]:
        """Whose fact it is, and the position it has among theirs."""
        return self.source, self.position

    @property
    def place(self) -> tuple[str, int, int]:
        """Where it stands on Kafka."""
        return self.topic, self.partition, self.offset

    def finding(self, check: str, problem: str) -> Finding:
        """A finding about this entry."""
        return Finding(
            check, problem, self.index, self.id, self.type, self.subject, self.topic, self.partition, self.offset
        )


def entries(client: Client) -> list[LogEntry]:
    """Every entry of the log."""
    return [LogEntry.read(row) for row in _pages(client, "/v1/entries", "from", 0)]


def checkpoints(client: Client) -> list[tuple[int, str]]:
    """Every checkpoint's size, as the service has it, and its note."""
    found: list[tuple[int, str]] = []
    while page := client.get("audit", "/v1/checkpoints", after=found[-1][0] if found else -1, limit=PAGE):
        found += [(row["size"], row["note"]) for row in page]
    return found


def stored_events(client: Client, service: str) -> list[dict[str, Any]]:
    """Every published fact of a service's own event store."""
    found: list[dict[str, Any]] = []
    while page := client.get(service, "/v1/events", after=found[-1]["position"] if found else 0, limit=1000):
        found += page
    return found


def _pages(client: Client, path: str, start: str, at: int) -> Iterator[dict[str, Any]]:
    while page := client.get("audit", path, **{start: at, "limit": PAGE}):
        yield from page
        at = page[-1]["index"] + 1
