"""How a partition reader gets what is on the bus: as objects, a record each, or as columns."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest

from pelton.eventkit.failures import TransientError
from pelton.eventkit.record_batches import RecordColumns, decode

log = structlog.get_logger(__name__)

Records = Sequence[ConsumerRecord[bytes, bytes]]
R_co = TypeVar("R_co", covariant=True)

WAIT_SECONDS: Final = 0.2
# Some 25,000 events of 300 bytes: what a batch costs is then little beside what its events cost.
PARTITION_BYTES: Final = 12 * 1024 * 1024
WHOLE_BYTES: Final = 24 * 1024 * 1024
_BROKER_WAIT_MS: Final = 500


@dataclass(frozen=True, slots=True)
class Fetched(Generic[R_co]):
    """Records of one partition, where to read on, and where the partition ends as far as that is known."""

    records: R_co
    next_offset: int
    end: int | None


class Fetcher(Protocol[R_co]):
    """Fetches what is on the bus for a consumer, whose group says which partitions are read."""

    @property
    def resumes(self) -> bool:
        """Whether the consumer itself fetches, and its partitions are to be sought and resumed."""
        ...

    async def fetch(self, wanted: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, Fetched[R_co]]:
        """What there is of some partitions from some offsets on; nothing, after a while, when there is nothing."""
        ...

    async def close(self) -> None:
        """Let connections go."""
        ...


class RecordFetcher:
    """Lets the consumer fetch, and gives its records."""

    resumes = True

    def __init__(self, consumer: AIOKafkaConsumer, max_records: int) -> None:
        self._consumer = consumer
        self._max_records = max_records

    async def fetch(self, wanted: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, Fetched[Records]]:  # noqa: ARG002 - the consumer knows its positions
        """See `Fetcher.fetch`."""
        found = await self._consumer.getmany(timeout_ms=int(WAIT_SECONDS * 1000), max_records=self._max_records)
        return {
            partition: Fetched(records, records[-1].offset + 1, self._consumer.highwater(partition))
            for partition, records in found.items()
        }

    async def close(self) -> None:
        """Nothing of its own."""


class ColumnFetcher:
    """Fetches by requests of its own and decodes what comes by columns, which takes a fifth of the time.

    The next stretch is asked for while the last is worked on. An answer counts only for the offset that is wanted by
    then: whatever partitions are handed over meanwhile, nothing is given twice and nothing passed over.
    """

    resumes = False

    def __init__(self, consumer: AIOKafkaConsumer, bootstrap: str) -> None:
        self._consumer = consumer
        self._client = AIOKafkaClient(bootstrap_servers=bootstrap, metadata_max_age_ms=30_000)
        self._connected = False
        self._asked: dict[int, asyncio.Task[Mapping[TopicPartition, tuple[int, Fetched[RecordColumns]]]]] = {}

    async def fetch(self, wanted: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, Fetched[RecordColumns]]:
        """See `Fetcher.fetch`.

        Raises:
            KafkaError: a broker does not answer, or refuses.
            TransientError: a partition ends before the offset that is wanted of it.
        """
        # Where the group's affairs go wrong, this raises.
        await self._consumer.getmany(timeout_ms=0)
        await self._ask(wanted)
        if not self._asked:
            await asyncio.sleep(WAIT_SECONDS)
            return {}
        await asyncio.wait(self._asked.values(), timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        found: dict[TopicPartition, Fetched[RecordColumns]] = {}
        for broker in [broker for broker, task in self._asked.items() if task.done()]:
            answer = await self._asked.pop(broker)
            found |= {place: fetched for place, (offset, fetched) in answer.items() if wanted.get(place) == offset}
        # A broker fills an answer in the order of the question: who was given something is last the next time.
        waiting = {place: offset for place, offset in wanted.items() if place not in found}
        await self._ask(waiting | {place: one.next_offset for place, one in found.items()})
        return found

    async def close(self) -> None:
        """Give up what was asked, and disconnect."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        self._asked.clear()
        await self._client.close()

    async def _ask(self, wanted: Mapping[TopicPartition, int]) -> None:
        """Ask each broker that has nothing to answer for the partitions that it leads."""
        if not wanted:
            return
        if not self._connected:
            await self._client.bootstrap()
            self._connected = True
        await self._client.set_topics({place.topic for place in wanted})
        led: dict[int, dict[TopicPartition, int]] = defaultdict(dict)
        for place, offset in wanted.items():
            broker = self._client.cluster.leader_for_partition(place)
            if broker is None or broker < 0:
                self._client.force_metadata_update()
            elif broker not in self._asked:
                led[broker][place] = offset
        for broker, places in led.items():
            self._asked[broker] = asyncio.create_task(self._request(broker, places))

    async def _request(
        self, broker: int, places: Mapping[TopicPartition, int]
    ) -> Mapping[TopicPartition, tuple[int, Fetched[RecordColumns]]]:
        topics: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for place, offset in places.items():
            topics[place.topic].append((place.partition, offset, PARTITION_BYTES))
        request = FetchRequest(_BROKER_WAIT_MS, 1, WHOLE_BYTES, 0, list(topics.items()))
        response = await self._client.send(broker, request)
        found: dict[TopicPartition, tuple[int, Fetched[RecordColumns]]] = {}
        for topic, answers in response.topics:
            for partition, code, end, *_, raw in answers:
                place = TopicPartition(topic, partition)
                offset = places[place]
                if for_code(code) is OffsetOutOfRangeError:
                    found[place] = offset, await self._first_after(place, offset)
                elif code:
                    await self._refused(place, code)
                elif raw:
                    columns = await asyncio.to_thread(decode, raw, offset)
                    if columns.next_offset > offset:
                        found[place] = offset, Fetched(columns, columns.next_offset, end)
        return found

    async def _first_after(self, place: TopicPartition, offset: int) -> Fetched[RecordColumns]:
        """No records, up to where a partition begins whose older ones were deleted."""
        first = (await self._consumer.beginning_offsets([place]))[place]
        name = f"{place.topic}/{place.partition}"
        if first <= offset:
            raise TransientError(
                f"{name} ends before offset {offset}, up to which it was read: the topic was made anew. Rebuild what "
                "is kept of it, or give the new one another name"
            )
        log.warning("records were deleted before they were read", partition=name, first=offset, next=first)
        return Fetched(decode(b"", first), first, None)

    async def _refused(self, place: TopicPartition, code: int) -> None:
        """Look for another leader, and let who asks have a rest; what does not pass by itself is raised."""
        error = for_code(code)
        if not error.retriable and not error.invalid_metadata:
            raise error(f"fetching {place.topic}/{place.partition}")
        self._client.force_metadata_update()
        await asyncio.sleep(WAIT_SECONDS)
