"""Reading who used which version, from the counts that inference publishes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import structlog
from aiokafka import ConsumerRecord
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.records import UsageBatch, decode_usage
from pelton.eventkit.reader import Partition, Records
from pelton.eventkit.store import reader_offsets, save_reader_offsets
from pelton.eventkit.unit import Units
from pelton.registry.governance import usage

log = structlog.get_logger(__name__)

READER: Final = "usage"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST: Final = 2**31 - 1


class UnfitUsageError(ValueError):
    """A record whose fields have the right types and values that nothing can be counted under."""


class UsageProcessor:
    """Counts records; the counts and the offsets commit together.

    A record says how much there was since its day began, so that one that comes twice changes nothing.
    """

    def __init__(self, units: Units) -> None:
        self._units = units

    async def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:  # noqa: ARG002
        """Go on where the last commit ended."""
        async with self._units.begin() as unit:
            return await reader_offsets(unit.connection, READER)

    async def process(self, batch: Mapping[Partition, Records]) -> None:
        """Count a batch; what cannot be read is passed over and logged."""
        async with self._units.begin() as unit:
            for records in batch.values():
                for record in records:
                    await _take(unit.connection, record)
            offsets = {partition: records[-1].offset + 1 for partition, records in batch.items()}
            await save_reader_offsets(unit.connection, READER, offsets)


async def _take(connection: AsyncConnection, record: ConsumerRecord[bytes, bytes]) -> None:
    try:
        batch = decode_usage(record.value or b"")
        counts = _counts(batch)
        day, last = date.fromisoformat(batch.day), _EPOCH + timedelta(milliseconds=batch.last)
    except (ValueError, OverflowError, RecursionError) as error:  # msgspec's errors are ValueErrors
        log.warning("usage passed over", partition=record.partition, offset=record.offset, reason=str(error))
        return
    for version, caller, rows in counts:
        await usage.count(connection, batch.model, version, caller, day, batch.source, rows, last)


def _counts(batch: UsageBatch) -> list[tuple[int, str, int]]:
    """Version, caller and rows.

    Raises:
        UnfitUsageError: a version that is none, or a text or number that the database cannot hold.
    """
    found = [
        (int(version), caller, rows) for version, callers in batch.rows.items() for caller, rows in callers.items()
    ]
    for version, caller, rows in found:
        if not 0 < version <= _LARGEST or not 0 < rows < 2**63:
            raise UnfitUsageError(f"version {version} with {rows} rows of {caller!r} is no count")
    if any("\0" in text for text in (batch.model, batch.source, *(caller for _, caller, _ in found))):
        raise UnfitUsageError("a name has a character that no name has")
    return found
