"""A relay that can kill itself before or after publishing."""

import asyncio
from collections.abc import Sequence

from counting import die, options

from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.relay import Relay
from pelton.eventkit.telemetry.metrics import Metrics


class DyingPublisher:
    """Publishes for real; at the batch of this number it kills the process, before or after."""

    def __init__(self, inner: KafkaPublisher, *, dies: str, at_batch: int) -> None:
        self._inner = inner
        self._dies = dies
        self._left = at_batch

    async def publish(self, records: Sequence[Outgoing]) -> None:
        self._left -= 1
        if self._left == 0 and self._dies == "before":
            die()
        await self._inner.publish(records)
        if self._left == 0 and self._dies == "after":
            die()


told = options()
publisher = DyingPublisher(
    KafkaPublisher(told["kafka"], "relay"), dies=told.get("dies", "never"), at_batch=told.get("at_batch", 1)
)
asyncio.run(Relay(told["dsn"], told["owner"], publisher, Metrics()).run())
