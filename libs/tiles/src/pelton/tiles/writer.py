"""Taking events into the online store: judged, counted once, merged into nodes of time; one commit for all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles.records import RecordStore

Ints = NDArray[np.int64]
Verdicts = NDArray[np.int8]
Partition = tuple[str, int]
ON_TIME: Final = 0
LATE: Final = 1
TOO_LATE: Final = 2
DUPLICATE: Final = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one partition (topic and number), in its order; arrays have shape (n,), one value an event.

    `arrivals_ms` is when the broker had them. `next_offset` is where to go on reading, and may lie beyond the events.
    `covered` is where the offline store ends: verdicts on events before it are asked for no more.
    """

    partition: Partition
    source: str
    lateness_ms: int
    offsets: Ints
    next_offset: int
    ids: pl.Series
    times_ms: Ints
    arrivals_ms: Ints
    events: Mapping[str, NDArray[Any] | pl.Series]
    views: Sequence[FeatureViewDefinition]
    covered: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch: a verdict for each event, and how many values were too large to be held.

    ON_TIME and LATE events are in the online store, TOO_LATE ones belong to the offline store alone, DUPLICATE ones
    were counted before.
    """

    verdicts: Verdicts
    refused: int


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """What was counted of a source: its newest and oldest event time (milliseconds since 1970), and how many events."""

    watermark_ms: int
    first_ms: int
    events: int


@dataclass(frozen=True, slots=True)
class ViewStatistics:
    """What a view keeps online: records, the tiles and finer entries in them, and their bytes."""

    records: int
    entries: int
    bytes: int


class TileWriter:
    """The writer of the partitions that it is given batches of; another writer of one of them is found out."""

    def __init__(self, records: RecordStore) -> None:
        """Over a store."""

    def take(self, batches: Sequence[Batch]) -> list[Taken]:
        """Take batches of different partitions in with one commit.

        Events at offsets that the store has already are not taken again: they get the verdict that they got then.

        Raises:
            StaleWriterError: another writer has taken a partition over; nothing was changed.
            TilesError: the store cannot be read or written.
            ExpressionError: a field that a view reads, or its entity, is missing.
        """

    def offsets(self) -> dict[Partition, int]:
        """The next offset of each partition."""

    def seen(self, source: str, ids: Sequence[str]) -> list[bool]:
        """For each id whether an event of the source with it is remembered."""

    def statistics(self, source: str) -> SourceStatistics | None:
        """What was counted of a source; None before its first event."""

    def watermark(self, source: str) -> int | None:
        """The newest event time of a source; None before its first event."""

    def kept(self, view: FeatureViewDefinition) -> ViewStatistics:
        """What a view keeps, over all partitions."""
