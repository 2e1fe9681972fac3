"""Memory that was lost is built again by reading, and decides the same."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from aiokafka import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_stories import EVALUATION, HOUR, JOIN, batch, landing, plan

from pelton.contracts.canonical import sha256
from pelton.contracts.monitor import DataDriftDetected, FeatureReference, ReferencePinned
from pelton.contracts.records import PredictionBatch, encode
from pelton.contracts.values import OffsetRange
from pelton.eventkit.reader import Partition
from pelton.eventkit.replay import Record
from pelton.monitor import labels
from pelton.monitor.intake import Intake
from pelton.monitor.processor import DriftFinding, PerformanceFinding, conclude
from pelton.monitor.replay import data_drift_detected
from pelton.monitor.rows import Located
from pelton.monitor.statistics import Bins
from pelton.monitor.watched import Watched
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
        self.begun = 0
        self.predicted = 0
        self.found: list[bytes] = []
        self.findings: list[DriftFinding | PerformanceFinding] = []
        self.begin()

    def begin(self) -> None:
        self.begun += 1
        progress = replace(plan(), drift_until=self.progress[0], settled_until=self.progress[1])
        # Label partitions are filled beforehand; predictions come as they are read.
        ends = {place: len(lane) for place, lane in self.lanes.items()} | {PREDICTIONS: self.predicted}
        self.intake = Intake.begin([progress], self.saved, self.marks, ends)

    def read(self, place: Partition) -> None:
        offset = self.intake.positions.get(place, 0)
        if offset >= len(self.lanes[place]):
            return
        if place == PREDICTIONS:
            self.predicted = max(self.predicted, offset + 1)
        self.intake.take({place: [record(place, offset, self.lanes[place][offset])]})
        if self.intake.wants_labels_again:
            self.begin()
            return
        watched = self.intake.watched["flights"]
        found = conclude(watched)
        if found is not None:  # what the processor commits
            self.findings += [*found.drift, *found.performance]
            self.found += [repr(one).encode() for one in (*found.drift, *found.performance)]
            self.found += [encode(one) for one in found.outcomes]
            self.progress = (watched.drift_until, watched.settled_until)
            self.saved, self.marks = self.intake.low_water(), self.intake.label_marks()

    def finish(self) -> list[bytes]:
        def unread(place: Partition) -> bool:
            return self.intake.positions.get(place, 0) < len(self.lanes[place])

        # Memory that is built again begins a lane anew that was read to its end.
        while waiting := [place for place in (LANDINGS[0], PREDICTIONS, LANDINGS[1]) if unread(place)]:
            self.read(waiting[0])
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
@settings(max_examples=100)
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


@given(
    predictions=st.lists(st.lists(st.integers(0, 5 * HOUR), min_size=1, max_size=8), min_size=1, max_size=6),
    events=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 9 * HOUR), st.booleans()), max_size=20),
    steps=st.lists(st.sampled_from([PREDICTIONS, *LANDINGS, None]), max_size=60),
    most=st.integers(0, 4),
)
@settings(max_examples=50)
def test_labels_that_were_set_aside_are_found_again_when_a_prediction_may_meet_them(
    predictions: list[list[int]], events: list[tuple[int, int, bool]], steps: list[Partition | None], most: int
) -> None:
    lanes = story(predictions, events)
    expected = Run(lanes).finish()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pelton.monitor.intake.MOST_LABELS", most)
        short = Run(lanes)
        for step in steps:
            if step is None:
                short.begin()
            else:
                short.read(step)
        assert short.finish() == expected


def test_labels_do_not_pile_up_while_predictions_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pelton.monitor.intake.MOST_LABELS", 10)
    landings = [landing(f"x{number}", 3 * HOUR + number, 0) for number in range(100)]
    run = Run({PREDICTIONS: [encode(batch("p", [10] * 6))], LANDINGS[0]: landings, LANDINGS[1]: [landings[0]]})
    run.read(PREDICTIONS)
    for _ in landings:
        run.read(LANDINGS[0])
        assert run.intake.watched["flights"].held[2] <= 10
    assert run.intake.low_water() == {PREDICTIONS: 0, LANDINGS[0]: 0}
    # A prediction that meets none of them changes nothing; one that may lets all of them be read again.
    run.lanes[PREDICTIONS] += [encode(batch("q", [20] * 6)), encode(batch("r", [3 * HOUR] * 6))]
    run.read(PREDICTIONS)
    assert run.begun == 1
    run.read(PREDICTIONS)
    assert run.begun == 2


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


def test_a_record_of_failures_alone_is_no_flaw_and_no_row() -> None:
    intake = Intake.begin([plan()], {}, {}, {})
    failed = msgspec.structs.replace(batch("one", []), inputs={}, outputs={}, served=[], errors={"1": 3})
    intake.take(
        {PREDICTIONS: [record(PREDICTIONS, 0, encode(failed)), record(PREDICTIONS, 1, encode(batch("two", [5])))]}
    )
    assert (intake.flawed, intake.rows) == (0, 1)


def test_a_label_event_from_a_far_future_is_counted_and_passed_over() -> None:
    intake = Intake.begin([plan()], {}, {}, {})
    intake.take({LANDINGS[0]: [record(LANDINGS[0], 0, landing("p-0", 100 * HOUR + FUTURE_MS + 1, 0))]})
    assert (intake.flawed, intake.watched["flights"].label_watermark) == (1, None)


async def test_a_finding_next_to_a_record_from_a_far_future_replays_without_it() -> None:
    lanes = {
        PREDICTIONS: [
            encode(batch("one", [10] * 8, shift=2.0)),
            # Rows of the window beside one that lies too far ahead: the whole record is passed over.
            encode(batch("mixed", [20] * 8 + [100 * HOUR + FUTURE_MS + 1])),
            encode(batch("two", [30] * 8, shift=2.0)),
            encode(batch("end", [HOUR])),
        ],
        LANDINGS[0]: [
            landing("one-0", 40, 60),
            landing("one-1", 100 * HOUR + FUTURE_MS + 1, 60),
            *(landing(f"one-{row}", 50, 60) for row in range(8)),
            *(landing(f"two-{row}", 50, 60) for row in range(8)),
            landing("last", 12 * HOUR, 0),
        ],
        LANDINGS[1]: [landing("last", 12 * HOUR, 0)],
    }
    run = Run(lanes)
    run.finish()
    drift, performance = run.findings
    assert drift.finding is not None
    assert performance.finding is not None
    assert [(one.topic, one.start, one.end) for one in performance.finding.offsets] == [
        ("pelton.data.landings", 0, 1),
        ("pelton.data.landings", 2, 19),
        ("pelton.predictions", 0, 1),
        ("pelton.predictions", 2, 4),
    ]
    fact = DataDriftDetected(
        model="flights",
        version=1,
        reference_id="pinned",
        reference_digest=sha256(b"another"),
        configuration=plan().monitor.drift,
        code_version="test",
        windows=(drift.finding,),
    )
    held = [
        Record(topic, partition, offset, (), value)
        for (topic, partition), lane in lanes.items()
        for offset, value in enumerate(lane)
    ]
    replayed = DataDriftDetected.from_bytes(await data_drift_detected(fact.to_bytes(), Held(held)))
    assert replayed.windows == fact.windows


class Held:
    """The evidence of a replay."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    async def fact(self, event_id: str) -> bytes:
        assert event_id == "pinned"
        reference = plan().pinned[1].reference
        assert reference is not None
        features = {
            one.feature: FeatureReference(edges=one.partition.edges, counts=one.counts[:-1], missing=one.counts[-1])
            for one in reference.features
            if isinstance(one.partition, Bins)
        }
        return ReferencePinned(
            model="flights",
            version=1,
            dataset=sha256(b"dataset"),
            features=features,
            evaluation=EVALUATION,
            reference_digest=reference.digest,
        ).to_bytes()

    async def records(self, ranges: Sequence[OffsetRange]) -> list[Record]:
        return [
            record
            for record in self._records
            for one in ranges
            if (record.topic, record.partition) == (one.topic, one.partition) and one.start <= record.offset < one.end
        ]


def test_what_was_passed_over_is_forgotten_with_the_records_around_it() -> None:
    watched = Watched(plan())
    for offset in range(5):
        watched.pass_over("pelton.predictions", 0, offset)
    watched.take_predictions(0, [Located(5, batch("one", [10] * 6)), Located(9, batch("end", [HOUR]))])
    watched.take_labels(labels.read(0, [labels.Event(0, landing("x", 3 * HOUR, 0))], JOIN))
    conclude(watched)
    watched.pass_over("pelton.predictions", 0, 11)
    watched.take_predictions(0, [Located(12, batch("later", [2 * HOUR]))])
    watched.take_labels(labels.read(0, [labels.Event(1, landing("x", 4 * HOUR, 0))], JOIN))
    conclude(watched)
    assert watched._passed_over == {("pelton.predictions", 0): []}


def test_records_of_a_model_that_is_not_watched_yet_are_read_again_when_it_is() -> None:
    intake = Intake.begin([plan()], {}, {}, {})
    other = encode(batch("one", [5], model="other"))
    intake.take({PREDICTIONS: [record(PREDICTIONS, 4, other), record(PREDICTIONS, 5, other)]})
    assert intake.low_water() == {PREDICTIONS: 4}
