"""The log of predictions: every answered row goes to Kafka, after the answer and never before it costs time."""

import asyncio
from collections import deque
from contextlib import suppress

import msgspec
import structlog

from pelton.contracts.records import PredictionBatch, encode
from pelton.contracts.topics import PREDICTIONS
from pelton.eventkit.failures import is_transient
from pelton.eventkit.publisher import Outgoing, Publisher

log = structlog.get_logger(__name__)

CAPACITY = 20_000
AT_ONCE = 500
LARGEST_RECORD = 500_000  # a broker takes records of 1 MB


def halves(batch: PredictionBatch) -> tuple[PredictionBatch, PredictionBatch]:
    """The first and the second half of the rows, with ids of their own; together they have the same errors."""
    middle = len(batch.keys) // 2
    first_errors = {version: min(count, middle) for version, count in batch.errors.items()}
    rest_errors = {version: count - first_errors[version] for version, count in batch.errors.items()}
    return (
        _part(batch, ".0", slice(None, middle), first_errors),
        _part(batch, ".1", slice(middle, None), rest_errors),
    )


def _part(batch: PredictionBatch, suffix: str, rows: slice, errors: dict[str, int]) -> PredictionBatch:
    return msgspec.structs.replace(
        batch,
        id=batch.id + suffix,
        keys=batch.keys[rows],
        event_times=batch.event_times[rows],
        inputs={name: column[rows] for name, column in batch.inputs.items()},
        served=batch.served[rows],
        outputs={version: column[rows] for version, column in batch.outputs.items()},
        errors={version: count for version, count in errors.items() if count},
    )


class PredictionLog:
    """A bounded buffer and the task that empties it.

    While Kafka is away the buffer fills; when it is full, requests are refused (503) rather than predictions lost.
    A clean stop empties it first. What a killed process had not sent is lost with the process: a few milliseconds.
    """

    def __init__(self, publisher: Publisher, capacity: int = CAPACITY) -> None:
        self._publisher = publisher
        self._capacity = capacity
        self._waiting: deque[Outgoing] = deque()
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()

    @property
    def full(self) -> bool:
        """Whether there is no room for one more."""
        return len(self._waiting) >= self._capacity

    @property
    def depth(self) -> int:
        """How many records wait."""
        return len(self._waiting)

    def add(self, batch: PredictionBatch, traceparent: str | None) -> None:
        """Take a record; it is on its way when this returns. One too large for Kafka goes as several."""
        value = encode(batch)
        if len(value) > LARGEST_RECORD and len(batch.keys) > 1:
            for half in halves(batch):
                self.add(half, traceparent)
            return
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", batch.id.encode()),
            ("ce_source", b"/pelton/inference"),
            ("ce_type", b"pelton.predictions"),
            ("ce_subject", f"models/{batch.model}".encode()),
            ("content-type", b"application/json"),
        ]
        if traceparent is not None:
            headers.append(("traceparent", traceparent.encode()))
        self._waiting.append(Outgoing(PREDICTIONS, batch.model.encode(), headers, value))
        self._none.clear()
        self._some.set()

    async def run(self) -> None:
        """Send until cancelled."""
        pause = 0.05
        while True:
            await self._some.wait()
            batch = [self._waiting[place] for place in range(min(AT_ONCE, len(self._waiting)))]
            try:
                await self._publisher.publish(batch)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("predictions are waiting", waiting=len(self._waiting), reason=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
                continue
            pause = 0.05
            for _ in batch:
                self._waiting.popleft()
            if not self._waiting:
                self._some.clear()
                self._none.set()

    async def drain(self, seconds: float = 10.0) -> None:
        """Wait until everything is sent, or the time is up; what is left then is counted in the log."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._none.wait(), seconds)
        if self._waiting:
            log.error("predictions lost at the stop", count=len(self._waiting))
