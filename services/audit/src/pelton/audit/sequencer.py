"""From the control topics into the log: entries, right edge and offsets in one transaction."""

from collections.abc import Mapping, Sequence

import structlog
from aiokafka import ConsumerRecord

from pelton.audit import store
from pelton.audit.domain import Place, Sighting, interleave, read, sequence
from pelton.contracts.audit import TamperingDetected
from pelton.eventkit.reader import Partition, Records
from pelton.eventkit.store import reader_offsets, save_reader_offsets
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.ledger.entry import Record

log = structlog.get_logger(__name__)

READER = "sequencer"


class Sequencer:
    """Gives each fact its index.

    The lease is the lock on the log's right edge, taken by each transaction: replicas that share out the partitions
    append one after the other. A replica that lost its partition without knowing finds, behind that lock, that its
    records were taken, and passes them over.
    """

    def __init__(self, units: Units) -> None:
        self._units = units

    async def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:  # noqa: ARG002
        """Go on where the last commit ended."""
        async with self._units.begin() as unit:
            return await reader_offsets(unit.connection, READER)

    async def process(self, batch: Mapping[Partition, Records]) -> None:
        """Append a batch."""
        async with self._units.begin() as unit:
            frontier = await store.lock(unit.connection)
            taken = await reader_offsets(unit.connection, READER)
            fresh = {
                partition: [item for item in records if item.offset >= taken.get(partition, 0)]
                for partition, records in batch.items()
            }
            seen = [[read(place_of(item), record_of(item)) for item in records] for records in fresh.values()]
            facts = interleave([[one for one in lane if isinstance(one, Sighting)] for lane in seen])
            done = sequence(frontier, await store.known(unit.connection, (one.claim for one in facts)), facts)
            await store.append(unit.connection, done.frontier, done.entries)
            await report(unit, [one for lane in seen for one in lane if isinstance(one, TamperingDetected)])
            await report(unit, done.findings)
            offsets = {partition: records[-1].offset + 1 for partition, records in fresh.items() if records}
            await save_reader_offsets(unit.connection, READER, offsets)


async def report(unit: UnitOfWork, findings: Sequence[TamperingDetected]) -> None:
    """Publish what is wrong."""
    for found in findings:
        log.error("tampering detected", topic=found.topic, offset=found.offset, finding=found.finding)
        stream = f"tampering/{found.topic}"
        await unit.append_to(stream, [found], expected=await store.version(unit.connection, stream))


def place_of(item: ConsumerRecord[bytes, bytes]) -> Place:
    """Where a record stands."""
    return Place(item.topic, item.partition, item.offset)


def record_of(item: ConsumerRecord[bytes, bytes]) -> Record:
    """What a record says."""
    return Record(item.topic, item.key, tuple(item.headers), item.value)
