"""Memory that was lost is built again by reading, and decides the same."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_stories import HOUR, batch, landing, plan

from pelton.contracts.records import PredictionBatch, encode
from pelton.eventkit.reader import Partition
from pelton.monitor.intake import Intake
from pelton.monitor.processor import conclude
from pelton.monitor.windows import FUTURE_MS

PREDICTIONS = ("pelton.predictions", 0)
LANDINGS = (("pelton.data.landings", 0), ("pelton.data.landings", 1))
Lanes = dict[Partition, list[bytes]]


def record(place: Partition, offset: int, value: bytes, timestamp: int = 100 * HOUR) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(place[0], place[1], offset, timestamp, 0, None, value, None, 0, len(value), ())


class Run:
    """A monitor without its process: it reads one record at a time, and may lose its memory."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.saved: dict[Partition, int] = {}
        self.marks: dict[Partition, int] = {}
        self.progress = (0, 0)
        self.found: list[bytes] = []
        self.begin()

    def begin(self) -> None:
        progress = replace(plan(), drift_until=self.progress[0], settled_until=self.progress[1])
        ends = {place: len(lane) for place, lane in self.lanes.items()}
        self.intake = Intake.begin([progress], self.saved, self.marks, ends)

    def read(self, place: Partition) -> None:
        offset = self.intake.positions.get(place, 0)
        if offset >= len(self.lanes[place]):
            return
        self.intake.take({place: [record(place, offset, self.lanes[place][offset])]})
        watched = self.intake.watched["flights"]
        found = conclude(watched)
        if found is not None:  # what the processor commits
            self.found += [repr(one).encode() for one in (*found.drift, *found.performance)]
            self.found += [encode(one) for one in found.outcomes]
            self.progress = (watched.drift_until, watched.settled_until)
            self.saved, self.marks = self.intake.low_water(), self.intake.label_marks()

    def finish(self) -> list[bytes]:
        for place in (LANDINGS[0], PREDICTIONS, LANDINGS[1]):
            while self.intake.positions.get(place, 0) < len(self.lanes[place]):
                self.read(place)
        return sorted(self.found)


def story(predictions: Sequence[Sequence[int]], events: Sequence[tuple[int, int, bool]]) -> Lanes:
    batches: list[PredictionBatch] = [batch(f"p{at}", times) for at, times in enumerate(predictions)]
    keys = [key for one in batches for key in one.keys]
    lanes: Lanes = {PREDICTIONS: [encode(one) for one in [*batches, batch("end", [7 * HOUR])]]}
    for lane, place in enumerate(LANDINGS):
        lanes[place] = [
            *(landing(keys[at % len(keys)], time, 60 if late else None) for at, time, late in events if at % 2 == lane),
            landing("last", 12 * HOUR, 0),
        ]
    return lanes


@given(
    predictions=st.lists(st.lists(st.integers(0, 5 * HOUR), min_size=1, max_size=8), min_size=1, max_size=6),
    events=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 9 * HOUR), st.booleans()), max_size=20),
    steps=st.lists(st.sampled_from([PREDICTIONS, *LANDINGS, None]), max_size=60),
)
@settings(max_examples=100, deadline=None)
def test_whatever_is_lost_is_found_again_and_only_once(
    predictions: list[list[int]], events: list[tuple[int, int, bool]], steps: list[Partition | None]
) -> None:
    lanes = story(predictions, events)
    crashing = Run(lanes)
    for step in steps:
        if step is None:
            crashing.begin()
        else:
            crashing.read(step)
    assert crashing.finish() == Run(lanes).finish()


def test_a_record_from_a_far_future_does_not_end_the_windows() -> None:
    intake = Intake.begin([plan()], {}, {}, {})
    late = encode(batch("one", [100 * HOUR + FUTURE_MS + 1]))
    intake.take({PREDICTIONS: [record(PREDICTIONS, 0, late), record(PREDICTIONS, 1, b"no JSON")]})
    assert (intake.flawed, intake.watched["flights"].watermark) == (2, None)


@pytest.mark.parametrize("value", [b'{"model": ' + b"[" * 100_000, b'{"id": "\xff"}', b"no JSON", None])
def test_a_record_that_cannot_be_read_is_counted_and_passed_over(value: bytes | None) -> None:
    intake = Intake.begin([plan()], {}, {}, {})
    flawed = replace(record(PREDICTIONS, 0, b""), value=value)
    intake.take({PREDICTIONS: [flawed, record(PREDICTIONS, 1, encode(batch("one", [5])))]})
    assert (intake.flawed, intake.rows) == (1, 1)


def test_a_label_event_from_a_far_future_is_counted_and_passed_over() -> None:
    intake = Intake.begin([plan()], {}, {}, {})
    intake.take({LANDINGS[0]: [record(LANDINGS[0], 0, landing("p-0", 100 * HOUR + FUTURE_MS + 1, 0))]})
    assert (intake.flawed, intake.watched["flights"].label_watermark) == (1, None)


def test_records_of_a_model_that_is_not_watched_yet_are_read_again_when_it_is() -> None:
    intake = Intake.begin([plan()], {}, {}, {})
    other = encode(batch("one", [5], model="other"))
    intake.take({PREDICTIONS: [record(PREDICTIONS, 4, other), record(PREDICTIONS, 5, other)]})
    assert intake.low_water() == {PREDICTIONS: 4}
