"""What the online store knows of a partition: where it is to be read on, what it remembers, how it judged."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from pelton.tiles.addresses import Partition, ids_of, kept_of, partition_name, partitions_of, verdicts_of
from pelton.tiles.errors import ForeignRecordError
from pelton.tiles.judging import ALWAYS_MS, DUPLICATE, NEVER_MS, Ids, Ints, Remembered, Verdicts
from pelton.tiles.merging import View
from pelton.tiles.nodes import FORMAT, REBUILD
from pelton.tiles.plan import Plan
from pelton.tiles.records import Address, Bytes, RecordStore


class State(msgspec.Struct, frozen=True, array_like=True):
    """Where a partition is: its next offset, its newest and oldest event time, its newest arrival, events by verdict.

    `commits` counts the commits: that the one before is as it was left says that no other writer is at work.
    """

    format: int = FORMAT
    offset: int = 0
    watermark_ms: int = NEVER_MS
    first_ms: int = ALWAYS_MS
    arrival_ms: int = NEVER_MS
    verdicts: tuple[int, int, int, int] = (0, 0, 0, 0)
    commits: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts of one commit on the events at `offsets`, both of shape (n,)."""

    offsets: Ints
    verdicts: Verdicts

    def to_bytes(self) -> bytes:
        """The stored form: the offsets, then the verdicts."""
        return self.offsets.astype("<i8").tobytes() + self.verdicts.tobytes()

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Judged":
        """Read the stored form."""
        number = len(raw) // 9
        return cls(np.frombuffer(raw, "<i8", number), np.frombuffer(raw, np.int8, offset=8 * number))


@dataclass(slots=True)
class PartitionRecords:
    """A partition as its writer has it in memory: always what the store has."""

    source: str
    partition: Partition
    state: State
    raw: bytes | None
    remembered: Remembered = field(default_factory=Remembered)
    # The newest time of the ids in each record of ids, and the verdicts of each record of verdicts.
    id_records: dict[bytes, int] = field(default_factory=dict)
    judged: dict[bytes, Judged] = field(default_factory=dict)
    views: dict[bytes, View] = field(default_factory=dict)

    @classmethod
    def load(cls, store: RecordStore, source: str, partition: Partition) -> "PartitionRecords":
        """Read a partition; one that was never written is empty.

        Raises:
            ForeignRecordError: it is of another format, or damaged.
            TilesError: the store cannot be read.
        """
        (raw,) = store.get([(partitions_of(source), partition_name(partition))])
        found = cls(source, partition, state_of(raw), raw)
        for name, record in store.scan(ids_of(partition)):
            ids = Ids.from_bytes(record)
            found.id_records[name] = int(ids.times.max())
            found.remembered = found.remembered.with_added(ids, NEVER_MS)
        found.judged = {name: Judged.from_bytes(record) for name, record in store.scan(verdicts_of(partition))}
        return found

    @property
    def address(self) -> Address:
        """Where the state is."""
        return partitions_of(self.source), partition_name(self.partition)

    def view(self, store: RecordStore, plan: Plan) -> View:
        """What is kept of a view; of one that was not taken in before, nothing yet."""
        known = self.views.get(plan.prefix)
        if known is None:
            (raw,) = store.get([(kept_of(plan), partition_name(self.partition))])
            known = View(self.state.offset, {}, {}) if raw is None else msgspec.msgpack.decode(raw, type=View)
            self.views[plan.prefix] = known
        return known

    def verdicts(self, offsets: Ints) -> Verdicts:
        """The verdicts on events that were taken in before; those that nobody needs any more are duplicates."""
        found = np.full(offsets.size, DUPLICATE, np.int8)
        for one in self.judged.values():
            if one.offsets.size:
                places = np.minimum(np.searchsorted(one.offsets, offsets), one.offsets.size - 1)
                same = one.offsets[places] == offsets
                found[same] = one.verdicts[places[same]]
        return found


@dataclass(slots=True)
class Changes:
    """What a commit changes of a partition, in the store and in memory."""

    partition: PartitionRecords
    state: State
    remembered: Remembered
    puts: list[tuple[Address, Bytes]] = field(default_factory=list)
    deletes: list[Address] = field(default_factory=list)
    drops: list[bytes] = field(default_factory=list)
    views: dict[bytes, View] = field(default_factory=dict)
    new_ids: tuple[bytes, int] | None = None
    new_judged: tuple[bytes, Judged] | None = None
    gone_ids: Sequence[bytes] = ()
    gone_judged: Sequence[bytes] = ()

    @property
    def raw(self) -> bytes:
        """The state as it is stored."""
        return msgspec.msgpack.encode(self.state)

    def remember(self, ids: Ids, oldest_ms: int) -> None:
        """Store new ids, and forget those that are too old to be a duplicate's."""
        bucket, name = ids_of(self.partition.partition), self._name()
        if ids.times.size:
            self.puts.append(((bucket, name), ids.to_bytes()))
            self.new_ids = name, int(ids.times.max())
            self.remembered = self.remembered.with_added(ids, oldest_ms)
        self.gone_ids = [one for one, newest in self.partition.id_records.items() if newest < oldest_ms]
        self.deletes += [(bucket, one) for one in self.gone_ids]

    def note(self, judged: Judged, covered: int) -> None:
        """Store verdicts until the offline store covers their events."""
        bucket, name = verdicts_of(self.partition.partition), self._name()
        if judged.offsets.size and judged.offsets[-1] >= covered:
            self.puts.append(((bucket, name), judged.to_bytes()))
            self.new_judged = name, judged
        self.gone_judged = [one for one, old in self.partition.judged.items() if old.offsets[-1] < covered]
        self.deletes += [(bucket, one) for one in self.gone_judged]

    def apply(self) -> None:
        """Bring memory to what has been committed."""
        partition = self.partition
        partition.state, partition.raw, partition.remembered = self.state, self.raw, self.remembered
        for name in self.gone_ids:
            del partition.id_records[name]
        for name in self.gone_judged:
            del partition.judged[name]
        if self.new_ids is not None:
            partition.id_records[self.new_ids[0]] = self.new_ids[1]
        if self.new_judged is not None:
            partition.judged[self.new_judged[0]] = self.new_judged[1]
        partition.views |= self.views

    def _name(self) -> bytes:
        return self.state.commits.to_bytes(8, "big")


def state_of(raw: bytes | None) -> State:
    """Read a partition's state; None is one that was never written.

    Raises:
        ForeignRecordError: it is of another format, or damaged.
    """
    if raw is None:
        return State()
    try:
        state = msgspec.msgpack.decode(raw, type=State)
    except msgspec.DecodeError as error:
        raise ForeignRecordError(
            f"what the online store knows of a partition is damaged ({error}): {REBUILD}"
        ) from error
    if state.format != FORMAT:
        raise ForeignRecordError(
            f"what the online store knows of a partition has format {state.format}, and this version of Pelton reads "
            f"format {FORMAT}: {REBUILD}"
        )
    return state
