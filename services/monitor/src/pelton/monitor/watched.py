"""What memory holds of one watched model: the rows and label events of its open windows. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pelton.contracts.topics import PREDICTIONS, data_topic
from pelton.contracts.values import OffsetRange
from pelton.monitor import rows as columns
from pelton.monitor.joins import Joined, LabelIndex
from pelton.monitor.labels import Labels
from pelton.monitor.plan import Plan
from pelton.monitor.rows import Located, Rows
from pelton.monitor.windows import Cuts, Times, floor, passed


@dataclass(frozen=True)
class VersionRows:
    """The rows of one champion in one window, and the records they come from."""

    version: int
    rows: tuple[Rows, ...]
    offsets: tuple[OffsetRange, ...]


@dataclass(frozen=True)
class ClosedWindow:
    """A window that no row can come to any more: its versions, in the order in which they first answered."""

    start: int
    end: int
    versions: tuple[VersionRows, ...]


@dataclass(frozen=True)
class SettledWindow:
    """A window whose labels have come, or never will: by version, its rows joined."""

    window: ClosedWindow
    joined: Mapping[int, tuple[Joined, ...]]
    label_offsets: tuple[OffsetRange, ...]


@dataclass
class Watched:
    """One model's open windows; it grows by `take_…` and shrinks by `close` and `settle`.

    Windows close in the order of time. `flaws` is what was not taken since the last look at it; `late` and
    `late_labels` count the rows and the label events that came after their windows had ended, and so changed nothing.
    `wants_labels_again` says that memory is to be built anew: a prediction has come that may meet labels set aside.
    """

    plan: Plan
    drift_until: int = field(init=False)
    settled_until: int = field(init=False)
    wants_labels_again: bool = False
    late: int = 0
    late_labels: int = 0
    flaws: list[str] = field(default_factory=list)
    _cuts: dict[int, Cuts] = field(default_factory=dict)
    _label_cuts: dict[int, Cuts] = field(default_factory=dict)
    _rows: dict[int, list[Rows]] = field(default_factory=lambda: defaultdict(list))
    _unread: set[int] = field(default_factory=set)
    _labels: list[Labels] = field(default_factory=list)
    _seen: dict[bytes, int] = field(default_factory=dict)
    _unpinned: dict[int, tuple[int, int]] = field(default_factory=dict)
    _passed_over: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    _set_aside: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Go on where the plan says."""
        self.drift_until = self.plan.drift_until
        self.settled_until = self.plan.settled_until

    @property
    def label_topic(self) -> str:
        """Where the model's label events are."""
        return data_topic(self.plan.labels.definition.source)

    @property
    def watermark(self) -> int | None:
        """The greatest event time of the model's predictions."""
        return passed(list(self._cuts.values()))

    @property
    def label_watermark(self) -> int | None:
        """The event time up to which the label source has come, in every partition that ever had a record."""
        return passed(list(self._label_cuts.values()))

    @property
    def held(self) -> tuple[int, int, int]:
        """How many windows, rows and label events are in memory."""
        rows = sum(len(part.keys) for parts in self._rows.values() for part in parts)
        return len(self._rows), rows, sum(len(part.keys) for part in self._labels)

    def had_labels(self, partition: int, offset: int, watermark: int) -> None:
        """The partition of the label source had this watermark before the offset from which it will be read."""
        cuts = self._label_cuts[partition] = self._new_label_cuts()
        cuts.take(np.array([offset - 1]), np.array([watermark]))

    def awaits_labels(self, partition: int) -> None:
        """The partition of the label source has records to read: no window is settled before its watermark is known."""
        self._unread.add(partition)

    def has_read_labels(self, partition: int) -> None:
        """The partition has been read to the end that it had."""
        self._unread.discard(partition)

    def pass_over(self, topic: str, partition: int, offset: int) -> None:
        """A record is not to be counted for a reason that does not show in its content: no evidence may include it."""
        self._passed_over.setdefault((topic, partition), []).append(offset)

    def take_predictions(self, partition: int, records: Sequence[Located]) -> None:
        """Take records of the model, offsets ascending."""
        fit = [record for record in records if self._is_fit(partition, record)]
        if not fit:
            return
        cuts = self._cuts.setdefault(partition, Cuts(self.plan.length))
        offsets = np.array([record.offset for record in fit], dtype=np.int64)
        before = cuts.take(offsets, columns.latest(fit))
        for rows, record in columns.tables(partition, fit):
            starts = floor(rows.times, self.plan.length)
            passed_by = starts + self.plan.length <= before[record]
            open_ = (rows.times >= self.settled_until) & ~passed_by
            # What memory is built again from holds rows of windows that were settled before: they were in time.
            settled_here = (rows.times < self.settled_until) & (rows.times >= self.plan.settled_until)
            self.late += int(np.count_nonzero(passed_by | settled_here))
            for start in np.unique(starts[open_]).tolist():
                part = rows.where(open_ & (starts == start))
                closed = start + self.plan.length <= self.drift_until
                self._rows[start].append(part.without_inputs() if closed else part)
                self.wants_labels_again |= any(time < self._spanned(start) for _, time in self._set_aside.values())

    def take_labels(self, events: Labels) -> None:
        """Take the label events of one partition, offsets ascending."""
        if not events.times.size:
            return
        self._unread.discard(events.partition)
        cuts = self._label_cuts.setdefault(events.partition, self._new_label_cuts())
        before = cuts.take(events.offsets, events.times)
        # Until the delay has passed, an event may still meet predictions of later windows than its own.
        ends = floor(events.times, self.plan.length) + self.plan.length + self.plan.delay
        self.late_labels += int(np.count_nonzero(ends <= before))
        # silent ones too: they carry the watermark that a re-reading must find again
        needed = events.times >= self.settled_until
        if needed.any():
            self._labels.append(events.where(needed))

    def set_labels_aside(self, most: int) -> None:
        """Forget label events beyond the windows in memory, where there are more events than `most`.

        A source goes on when predictions do not, and memory is not to grow with it. What is forgotten stays above the
        low water.
        """
        if sum(len(part.keys) for part in self._labels) <= most:
            return
        horizon = self._spanned(max(self._rows)) if self._rows else self.settled_until
        for part in self._labels:
            beyond = part.where(part.times >= horizon)
            if beyond.times.size:
                offset, time = self._set_aside.get(part.partition, (int(beyond.offsets[0]), int(beyond.times[0])))
                lowest = (min(offset, int(beyond.offsets.min())), min(time, int(beyond.times.min())))
                self._set_aside[part.partition] = lowest
        self._labels = [part.where(part.times < horizon) for part in self._labels if (part.times < horizon).any()]

    def closable(self) -> Iterator[ClosedWindow]:
        """Windows that are complete, oldest first, each with rows; `close` them in this order."""
        for start in sorted(self._rows):
            end = start + self.plan.length
            if end <= self.drift_until:
                continue
            if end > self._closed_until():
                return
            yield self._window(start)

    def close(self) -> None:
        """All that `closable` gave is done: inputs are not needed any more."""
        until = self._closed_until()
        if until <= self.drift_until:
            return
        self.drift_until = until
        for start, parts in self._rows.items():
            if start + self.plan.length <= self.drift_until:
                self._rows[start] = [part.without_inputs() for part in parts]

    def settleable(self) -> Iterator[SettledWindow]:
        """Closed windows whose labels have come, oldest first, each with rows; `settle` them in this order."""
        for start in sorted(self._rows):
            if start + self.plan.length > self._settled_until():
                return
            yield self._settled(self._window(start))

    def settle(self) -> None:
        """All that `settleable` gave is done, and forgotten."""
        until = self._settled_until()
        if until <= self.settled_until:
            return
        self.settled_until = until
        self._rows = defaultdict(list, {start: parts for start, parts in self._rows.items() if start >= until})
        self._labels = [part.where(part.times >= until) for part in self._labels if (part.times >= until).any()]
        self._seen = {print_: time for print_, time in self._seen.items() if time >= until}
        for cuts in self._cuts.values():
            cuts.forget(until)
        for cuts in self._label_cuts.values():
            cuts.forget(until + self.plan.delay)
        needed = self.low_water()
        self._passed_over = {
            place: [offset for offset in offsets if offset >= needed[place]]
            for place, offsets in self._passed_over.items()
            if place in needed
        }

    def low_water(self) -> dict[tuple[str, int], int]:
        """By partition, the smallest offset that an open window still needs; none where none does."""
        lowest: dict[tuple[str, int], int] = {}
        for partition, (offset, _) in self._unpinned.items():
            _lower(lowest, (PREDICTIONS, partition), offset)
        for parts in self._rows.values():
            for part in parts:
                _lower(lowest, (PREDICTIONS, part.partition), int(part.offsets.min()))
        for events in self._labels:
            _lower(lowest, (self.label_topic, events.partition), int(events.offsets.min()))
        for partition, (offset, _) in self._set_aside.items():
            _lower(lowest, (self.label_topic, partition), offset)
        return lowest

    def label_marks(self) -> dict[int, int]:
        """By partition of the label source, its watermark; of those alone from which nothing is needed any more.

        In the others it is found again by reading: what comes before their low water is older than every open window.
        """
        held = {events.partition for events in self._labels} | self._set_aside.keys()
        return {
            partition: cuts.watermark
            for partition, cuts in self._label_cuts.items()
            if cuts.watermark is not None and partition not in held
        }

    def _is_fit(self, partition: int, record: Located) -> bool:
        batch = record.batch
        pinned = self.plan.pinned.get(batch.champion)
        reference = pinned.reference if pinned else None
        flaw = columns.flaw(batch, () if reference is None else (one.feature for one in reference.features))
        if flaw is not None:
            self.flaws.append(f"offset {record.offset} of partition {partition}: {flaw}")
            return False
        if pinned is None:
            offset, time = self._unpinned.get(partition, (record.offset, min(batch.event_times)))
            self._unpinned[partition] = (min(offset, record.offset), min(time, *batch.event_times))
        print_ = columns.fingerprint(batch)
        if print_ in self._seen:
            return False
        self._seen[print_] = max(batch.event_times)
        return True

    def _closed_until(self) -> int:
        """The end of the last complete window. One with rows of a version not pinned yet waits for its reference."""
        if self.watermark is None:
            return self.drift_until
        return int(floor(min([self.watermark, *(time for _, time in self._unpinned.values())]), self.plan.length))

    def _settled_until(self) -> int:
        if self.label_watermark is None or self.watermark is None or self._unread:
            return self.settled_until
        labelled = int(floor(self.label_watermark - self.plan.delay, self.plan.length))
        # not `drift_until`: after a restart, a window that was closed may not have been read again to its end
        return min(self._closed_until(), labelled)

    def _window(self, start: int) -> ClosedWindow:
        end = start + self.plan.length
        by_version: dict[int, list[Rows]] = defaultdict(list)
        for part in self._rows[start]:
            by_version[part.route.champion].append(part)
        cuts = {(PREDICTIONS, partition): cuts.cut(end) for partition, cuts in self._cuts.items()}
        versions = [
            VersionRows(
                version, tuple(parts), self._ranges([(PREDICTIONS, one.partition, one.offsets) for one in parts], cuts)
            )
            for version, parts in by_version.items()
        ]
        ordered = sorted(versions, key=lambda one: (min((r.start, r.partition) for r in one.offsets), one.version))
        return ClosedWindow(start, end, tuple(ordered))

    def _settled(self, window: ClosedWindow) -> SettledWindow:
        """The label events of a window are those from its start until its end and the delay, before the cut."""
        until = self._spanned(window.start)
        topic = self.label_topic
        cuts = {(topic, partition): cuts.cut(until) for partition, cuts in self._label_cuts.items()}
        events = []
        for part in self._labels:
            cut = cuts[topic, part.partition]
            mask = (part.times >= window.start) & (part.times < until) & (part.offsets < (cut or 0))
            if mask.any():
                events.append(part.where(mask))
        index = LabelIndex(events, self.plan.delay)
        joined = {one.version: tuple(Joined(part, index.labels(part)) for part in one.rows) for one in window.versions}
        offsets = self._ranges([(topic, part.partition, part.offsets) for part in events], cuts)
        return SettledWindow(window, joined, offsets)

    def _ranges(
        self, parts: Iterable[tuple[str, int, Times]], cuts: Mapping[tuple[str, int], int | None]
    ) -> tuple[OffsetRange, ...]:
        """From the first offset in each partition to its cut, without the records that were passed over."""
        firsts: dict[tuple[str, int], int] = {}
        for topic, partition, offsets in parts:
            _lower(firsts, (topic, partition), int(offsets.min()))
        found = []
        for (topic, partition), first in sorted(firsts.items()):
            end = cuts[topic, partition] or first
            gaps = [offset for offset in self._passed_over.get((topic, partition), ()) if first <= offset < end]
            for start, until in zip([first, *(gap + 1 for gap in gaps)], [*gaps, end], strict=True):
                if start < until or not gaps:
                    found.append(OffsetRange(topic=topic, partition=partition, start=start, end=until))
        return tuple(found)

    def _spanned(self, start: int) -> int:
        """Up to when the label events of a window may come."""
        return start + self.plan.length + self.plan.delay

    def _new_label_cuts(self) -> Cuts:
        return Cuts(self.plan.length, shift=self.plan.delay % self.plan.length)


def _lower(lowest: dict[tuple[str, int], int], partition: tuple[str, int], offset: int) -> None:
    lowest[partition] = min(offset, lowest.get(partition, offset))
