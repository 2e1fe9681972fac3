"""Publishing events of an upstream system straight to Kafka, as CloudEvents in binary mode."""

from collections.abc import Mapping
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaProducer

from pelton.contracts.topics import data_topic

_encoder = msgspec.json.Encoder()


class EventPublisher:
    """Sends events of sources; use it as an async context manager, whose end waits for all to be acknowledged.

    The id makes an event count once, however often it is sent; the key keeps events of one thing in order.
    """

    def __init__(self, kafka: str, *, origin: str) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka,
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=256 * 1024,
        )
        self._origin = origin.encode()

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def send(
        self, source: str, event_id: str, key: str, data: Mapping[str, Any], *, traceparent: str | None = None
    ) -> None:
        """Hand an event over; it is on its way when this returns, and acknowledged after `flush`."""
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", event_id.encode()),
            ("ce_source", self._origin),
            ("ce_type", f"pelton.data.{source}".encode()),
            ("content-type", b"application/json"),
        ]
        if traceparent is not None:
            headers.append(("traceparent", traceparent.encode()))
        await self._producer.send(data_topic(source), _encoder.encode(data), key=key.encode(), headers=headers)

    async def flush(self) -> None:
        """Wait until every event is acknowledged."""
        await self._producer.flush()
