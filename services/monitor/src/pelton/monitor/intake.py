"""From raw records to rows and labels in memory: the part that costs the time, run beside the event loop."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import structlog
from aiokafka import ConsumerRecord

from pelton.contracts.monitor import LabelJoin
from pelton.contracts.records import decode_predictions
from pelton.contracts.topics import PREDICTIONS
from pelton.eventkit.reader import Partition, Records
from pelton.monitor import labels
from pelton.monitor.plan import Plan
from pelton.monitor.rows import UNREADABLE, Located
from pelton.monitor.watched import Watched
from pelton.monitor.windows import FUTURE_MS

# Of each model; some 200 bytes each.
MOST_LABELS: Final = 200_000

log = structlog.get_logger(__name__)


@dataclass
class Intake:
    """The watched models and where their partitions stand.

    `positions` are the next offsets to read; `unwatched` the first records of models that are not watched yet, which
    will be read again when they are.
    """

    watched: Mapping[str, Watched]
    positions: dict[Partition, int] = field(default_factory=dict)
    unwatched: dict[Partition, int] = field(default_factory=dict)
    ends: dict[Partition, int] = field(default_factory=dict)
    traceparents: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    flawed: int = 0

    @classmethod
    def begin(
        cls,
        plans: Sequence[Plan],
        offsets: Mapping[Partition, int],
        marks: Mapping[Partition, int],
        ends: Mapping[Partition, int],
    ) -> "Intake":
        """Empty memory, to be filled by reading from these offsets; `ends` are those of the partitions now.

        A label partition that has records is waited for: else a window could be settled by one that is read faster.
        """
        watched = {plan.model: Watched(plan) for plan in plans}
        for one in watched.values():
            for (topic, partition), watermark in marks.items():
                if topic == one.label_topic:
                    one.had_labels(partition, offsets.get((topic, partition), 0), watermark)
            for (topic, partition), end in ends.items():
                if topic == one.label_topic and offsets.get((topic, partition), 0) < end:
                    one.awaits_labels(partition)
        return cls(watched, dict(offsets), ends=dict(ends))

    def take(self, batch: Mapping[Partition, Records]) -> None:
        """Take a batch, each partition's records in order."""
        for (topic, partition), records in batch.items():
            self.positions[topic, partition] = records[-1].offset + 1
            if topic == PREDICTIONS:
                self._take_predictions(partition, records)
            else:
                self._take_labels(topic, partition, records)
        # Not before: labels that predictions of long ago may meet would be set aside again and again.
        if all(self.positions.get(place, 0) >= end for place, end in self.ends.items() if place[0] == PREDICTIONS):
            for one in self.watched.values():
                one.set_labels_aside(MOST_LABELS)

    @property
    def wants_labels_again(self) -> bool:
        """Whether memory is to be built anew, because labels were set aside that may be needed now."""
        return any(one.wants_labels_again for one in self.watched.values())

    def low_water(self) -> dict[Partition, int]:
        """By partition, the offset from which memory can be built again."""
        lowest = dict(self.positions)
        for needed in (self.unwatched, *(one.low_water() for one in self.watched.values())):
            for partition, offset in needed.items():
                lowest[partition] = min(offset, lowest.get(partition, offset))
        return lowest

    def label_marks(self) -> dict[Partition, int]:
        """The watermarks of label partitions from which no model holds anything."""
        marks: dict[Partition, int] = {}
        held: set[Partition] = set()
        for one in self.watched.values():
            topic = one.label_topic
            marks |= {(topic, partition): mark for partition, mark in one.label_marks().items()}
            held |= {partition for partition in one.low_water() if partition[0] == topic}
        return {partition: mark for partition, mark in marks.items() if partition not in held}

    def _take_predictions(self, partition: int, records: Records) -> None:
        by_model: dict[str, list[Located]] = defaultdict(list)
        for record in records:
            located = self._prediction(record)
            if located is None:
                continue
            by_model[located.batch.model].append(located)
            if located.batch.model not in self.watched:
                self.unwatched.setdefault((PREDICTIONS, partition), record.offset)
        for model, found in by_model.items():
            one = self.watched.get(model)
            if one is not None:
                one.take_predictions(partition, found)
                self.rows += sum(len(located.batch.keys) for located in found)
                for flaw in one.flaws:
                    log.warning("predictions passed over", model=model, reason=flaw)
                self.flawed += len(one.flaws)
                one.flaws.clear()

    def _prediction(self, record: ConsumerRecord[bytes, bytes]) -> Located | None:
        try:
            batch = decode_predictions(record.value or b"")
            if not batch.keys and batch.errors:
                return None  # only failures, which are the deployer's to count
            if max(batch.event_times, default=0) > record.timestamp + FUTURE_MS:
                if batch.model in self.watched:
                    self.watched[batch.model].pass_over(PREDICTIONS, record.partition, record.offset)
                raise ValueError("an event time lies more than a day after the record was written")
        except UNREADABLE as error:
            log.warning("predictions passed over", partition=record.partition, offset=record.offset, reason=str(error))
            self.flawed += 1
            return None
        for name, value in record.headers:
            if name == "traceparent" and value is not None and batch.model in self.watched:
                self.traceparents[batch.model] = value.decode("ascii", "replace")
        return Located(record.offset, batch)

    def _take_labels(self, topic: str, partition: int, records: Records) -> None:
        events = [labels.Event(record.offset, record.value or b"") for record in records]
        limits = {record.offset: record.timestamp + FUTURE_MS for record in records}
        read: dict[LabelJoin, tuple[labels.Labels, list[int]]] = {}
        for one in self.watched.values():
            join = one.plan.labels
            if one.label_topic != topic:
                continue
            if join not in read:
                found = labels.read(partition, events, join)
                kept = found.not_after(limits)
                dropped = np.setdiff1d(found.offsets, kept.offsets).tolist()
                self.flawed += len(dropped)
                read[join] = (kept, dropped)
            kept, dropped = read[join]
            for offset in dropped:
                one.pass_over(topic, partition, offset)
            one.take_labels(kept)
            if self.positions[topic, partition] >= self.ends.get((topic, partition), 0):
                one.has_read_labels(partition)
