"""What `/materialize` means where values are live: to wait until what has arrived is served."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.contracts.topics import data_topic
from pelton.eventkit.topics import partitions_of

log = structlog.get_logger(__name__)

LONGEST_SECONDS: Final = 600.0
_PAUSE_SECONDS: Final = 0.02

Partition = tuple[str, int]


class NotReachedError(Exception):
    """The online store did not come as far as Kafka was, in time; the message says where it is behind."""


class Materializations:
    """Waits for views, one at a time each when it is asked to do so in the background.

    `online` says up to which offset of each partition events are in the online store.
    """

    def __init__(self, kafka: str, online: Callable[[], Mapping[Partition, int]]) -> None:
        self._kafka = kafka
        self._online = online
        self._running: dict[str, asyncio.Task[None]] = {}

    def running(self, views: Sequence[FeatureViewDefinition]) -> list[str]:
        """Those of some views that are waited for in the background."""
        return [view.name for view in views if view.name in self._running]

    def start(self, views: Sequence[FeatureViewDefinition]) -> None:
        """Wait for some views in the background; the log says when it fails."""
        task = asyncio.create_task(self._run(views))
        for view in views:
            self._running[view.name] = task
        task.add_done_callback(lambda done: self._forget(views, done))

    async def wait(self, views: Sequence[FeatureViewDefinition], seconds: float = LONGEST_SECONDS) -> None:
        """Wait until every event of the views' sources that was on Kafka at the start is in the online store.

        Raises:
            NotReachedError: the time is up.
            KafkaError: Kafka does not say how far it is.
        """
        ends = await self._ends(sorted({data_topic(view.source) for view in views}))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._behind(ends):  # noqa: ASYNC110 - another thread commits, and rings no bell
                    await asyncio.sleep(_PAUSE_SECONDS)
        if behind := self._behind(ends):
            where = ", ".join(f"{topic}/{partition}" for topic, partition in behind)
            raise NotReachedError(f"after {seconds:.0f} s the online store has not yet taken in all of {where}")

    async def close(self) -> None:
        """Give up what runs in the background: whoever needs it asks again."""
        for task in set(self._running.values()):
            task.cancel()

    async def _run(self, views: Sequence[FeatureViewDefinition]) -> None:
        try:
            await self.wait(views)
        except (NotReachedError, KafkaError) as error:
            log.warning("materialization failed", views=[view.name for view in views], reason=str(error))

    def _forget(self, views: Sequence[FeatureViewDefinition], task: asyncio.Task[None]) -> None:
        for view in views:
            if self._running.get(view.name) is task:
                del self._running[view.name]

    def _behind(self, ends: Mapping[Partition, int]) -> list[Partition]:
        online = self._online()
        return sorted(place for place, end in ends.items() if online.get(place, 0) < end)

    async def _ends(self, topics: Sequence[str]) -> dict[Partition, int]:
        places = [TopicPartition(*place) for place in await partitions_of(self._kafka, topics)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self._kafka)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(places)
        finally:
            await consumer.stop()
        return {(place.topic, place.partition): end for place, end in ends.items()}
