"""What a window holds depends on the contents of the partitions, never on how they were read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_stories import HOUR, JOIN, batch, landing, located, plan

from pelton.contracts.records import encode
from pelton.monitor import labels
from pelton.monitor.labels import Event
from pelton.monitor.processor import Findings
from pelton.monitor.processor import conclude as end
from pelton.monitor.rows import Located
from pelton.monitor.watched import Watched


def conclude(watched: Watched) -> Findings:
    """What ended now."""
    return end(watched) or Findings([], [], [])


def landings(partition: int, events: Sequence[tuple[str, int, float | None]], first: int = 0) -> labels.Labels:
    """Label events of a partition at offsets from `first`."""
    records = [Event(first + at, landing(*event)) for at, event in enumerate(events)]
    return labels.read(partition, records, JOIN)


def test_a_window_closes_when_the_predictions_have_passed_it() -> None:
    watched = Watched(plan())
    watched.take_predictions(0, located(batch("one", [10] * 6), batch("two", [HOUR - 1])))
    assert conclude(watched).drift == []
    watched.take_predictions(0, [Located(2, batch("three", [HOUR]))])
    (closed,) = conclude(watched).drift
    assert (closed.bounds, closed.rows) == ((0, HOUR), 7)
    assert closed.finding is not None
    (offsets,) = closed.finding.offsets
    assert (offsets.topic, offsets.start, offsets.end) == ("pelton.predictions", 0, 3)
    assert conclude(watched).drift == []


def test_a_row_after_the_close_is_late_and_not_in_the_window() -> None:
    watched = Watched(plan())
    watched.take_predictions(0, located(batch("one", [10] * 6), batch("two", [HOUR]), batch("late", [20, HOUR + 1])))
    (closed,) = conclude(watched).drift
    assert closed.rows == 6
    assert watched.late == 1


def test_rows_that_are_read_again_after_their_window_was_settled_are_not_late() -> None:
    again = Watched(replace(plan(), drift_until=HOUR, settled_until=HOUR))
    again.take_predictions(0, located(batch("settled", [10, HOUR - 1]), batch("late", [HOUR, 3 * HOUR, HOUR])))
    again.take_predictions(0, [Located(2, batch("later", [HOUR + 1]))])
    assert again.late == 1


def test_a_label_event_after_the_windows_that_it_could_meet_were_settled_is_counted() -> None:
    watched = Watched(plan())
    watched.take_labels(landings(0, [("p-0", 10, 0), ("x", 3 * HOUR, 0)]))
    assert watched.late_labels == 0
    watched.take_labels(landings(0, [("p-1", HOUR - 1, 0), ("p-2", HOUR, 0)], first=2))
    assert watched.late_labels == 1


def test_a_record_written_twice_counts_once() -> None:
    watched = Watched(plan())
    once = batch("one", [10] * 6)
    watched.take_predictions(0, located(once, once, batch("two", [HOUR])))
    assert conclude(watched).drift[0].rows == 6


def test_a_window_with_too_few_rows_is_inconclusive() -> None:
    watched = Watched(plan())
    watched.take_predictions(0, located(batch("one", [10]), batch("two", [HOUR])))
    assert conclude(watched).drift[0].finding is None


def test_shifted_inputs_drift_and_the_reference_s_own_do_not() -> None:
    watched = Watched(plan())
    watched.take_predictions(
        0, located(batch("like", [10] * 300), batch("unlike", [HOUR] * 300, shift=2.0), batch("end", [2 * HOUR]))
    )
    like, unlike = conclude(watched).drift
    assert like.finding is not None
    assert unlike.finding is not None
    assert (like.finding.drifted, unlike.finding.drifted) == (False, True)


def test_a_version_that_is_not_pinned_keeps_its_window_open_and_its_records_to_be_read_again() -> None:
    watched = Watched(plan())
    watched.take_predictions(
        0, located(batch("old", [10] * 6), batch("new", [20] * 6, champion=2), batch("end", [HOUR]))
    )
    assert conclude(watched).drift == []
    assert watched.low_water() == {("pelton.predictions", 0): 0}


def test_two_champions_in_one_window_are_compared_each_with_its_own_reference() -> None:
    watched = Watched(plan(versions=(1, 2)))
    watched.take_predictions(
        0, located(batch("new", [20] * 6, champion=2), batch("old", [10] * 5), batch("end", [HOUR], champion=2))
    )
    assert [(one.version, one.rows) for one in conclude(watched).drift] == [(2, 6), (1, 5)]


def test_outcomes_come_when_the_labels_had_their_time() -> None:
    watched = Watched(plan())
    watched.take_predictions(0, located(batch("p", [10, 20, 30, 40, 50, 60, 70]), batch("end", [HOUR])))
    watched.take_labels(
        landings(
            1,
            [
                ("p-0", 5, 99),  # before the prediction: of another flight by that key
                ("p-0", 100, 99),
                ("p-0", 200, 0),  # a second one
                ("p-1", 100, 0),
                ("p-2", 100, None),  # says nothing
                ("p-3", 2 * HOUR + 41, 99),  # a millisecond too late
                ("p-4", 2 * HOUR + 50, 99),
                ("p-5", 100, 0),
                ("p-6", 100, 16),
            ],
        )
    )
    assert conclude(watched).outcomes == []
    watched.take_labels(landings(1, [("other", 3 * HOUR, 0)], first=9))
    found = conclude(watched)
    (outcome,) = found.outcomes
    assert dict(zip(outcome.keys, outcome.labels, strict=True)) == {"p-0": 1, "p-1": 0, "p-4": 1, "p-5": 0, "p-6": 1}
    assert outcome.unlabelled == 2
    (performance,) = found.performance
    assert performance.finding is not None
    assert performance.finding.evaluation.rows == 5
    by_topic = {one.topic: (one.start, one.end) for one in performance.finding.offsets}
    assert by_topic == {"pelton.data.landings": (0, 10), "pelton.predictions": (0, 2)}
    assert watched.held == (1, 1, 3)  # what lies after the window


def test_what_variants_answer_is_no_performance_of_the_champion_and_outcomes_say_who_answered() -> None:
    shared = msgspec.structs.replace(
        batch("p", [10] * 12),
        mode="variants",
        served=[1, 2] * 6,
        outputs={"1": [0.1, None] * 6, "2": [None, 0.9] * 6},
    )
    watched = Watched(plan())
    watched.take_predictions(0, located(shared, batch("end", [HOUR])))
    watched.take_labels(landings(0, [(f"p-{row}", 11, 0) for row in range(12)] + [("x", 3 * HOUR, 0)]))
    found = conclude(watched)
    assert found.drift[0].rows == 12  # every row has the champion's inputs
    (performance,) = found.performance
    assert performance.finding is not None
    assert performance.finding.evaluation.rows == 6
    assert performance.finding.evaluation.brier == pytest.approx(0.01)
    (outcome,) = found.outcomes
    assert (outcome.mode, outcome.challenger) == ("variants", None)
    answered = dict(zip(outcome.keys, outcome.served, strict=True))
    assert answered == {f"p-{row}": 1 + row % 2 for row in range(12)}


def test_labels_wait_for_the_slowest_partition() -> None:
    watched = Watched(plan())
    watched.take_predictions(0, located(batch("p", [10] * 6), batch("end", [HOUR])))
    watched.take_labels(landings(0, [("p-1", 100, 0)]))
    watched.take_labels(landings(1, [("x", 9 * HOUR, 0)]))
    assert conclude(watched).outcomes == []
    watched.take_labels(landings(0, [("y", 3 * HOUR, 0)], first=1))
    assert conclude(watched).outcomes[0].keys == ["p-1"]


def test_outcomes_are_cut_into_chunks_of_a_thousand() -> None:
    watched = Watched(plan())
    watched.take_predictions(0, located(batch("p", [10] * 2500), batch("end", [HOUR])))
    watched.take_labels(landings(0, [(f"p-{row}", 11, 0) for row in range(2400)] + [("x", 3 * HOUR, 0)]))
    found = conclude(watched).outcomes
    assert [len(one.keys) for one in found] == [1000, 1000, 400]
    assert [one.unlabelled for one in found] == [100, 0, 0]
    keys = [key for one in found for key in one.keys]
    assert keys == sorted(keys)


Predictions = list[list[int]]
NESTED = b'{"flight": "f", "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
Landings = list[tuple[int, int, bool]]


@given(
    predictions=st.lists(st.lists(st.integers(0, 4 * HOUR), min_size=1, max_size=8), min_size=1, max_size=8),
    events=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 9 * HOUR), st.booleans()), max_size=30),
    data=st.data(),
)
@settings(max_examples=60)
def test_every_interleaving_gives_the_same_evidence(
    predictions: Predictions, events: Landings, data: st.DataObject
) -> None:
    records = located(*(batch(f"p{at}", times) for at, times in enumerate(predictions)), batch("end", [5 * HOUR]))
    keys = [f"p{at}-{row}" for at, times in enumerate(predictions) for row in range(len(times))]
    lanes = [
        [(keys[at % len(keys)], time, 99 if late else 0) for at, time, late in events if at % 2 == lane]
        for lane in (0, 1)
    ]
    # every partition has a record from the first on, and in the end goes past all windows
    lanes = [[("first", 0, 0), *lane, ("last", 10 * HOUR, 0)] for lane in lanes]

    def read(interleaving: list[int]) -> list[bytes]:
        watched, evidence = Watched(plan()), []
        at = [0, 0, 0]
        for lane in (0, 1):  # the set of partitions is known before any window ends
            watched.take_labels(landings(lane, lanes[lane][:1]))
            at[lane] = 1
        for lane in [*interleaving, *[2] * len(records), *[0] * len(lanes[0]), *[1] * len(lanes[1])]:
            if lane == 2 and at[2] < len(records):
                watched.take_predictions(0, [records[at[2]]])
            elif lane < 2 and at[lane] < len(lanes[lane]):
                watched.take_labels(landings(lane, [lanes[lane][at[lane]]], first=at[lane]))
            at[lane] += 1
            found = conclude(watched)
            evidence += [one.finding.model_dump_json().encode() for one in found.drift if one.finding]
            evidence += [one.finding.model_dump_json().encode() for one in found.performance if one.finding]
            evidence += [encode(one) for one in found.outcomes]
        return sorted(evidence)

    order = data.draw(st.permutations([*[2] * len(records), *[0] * len(lanes[0]), *[1] * len(lanes[1])]))
    assert read(list(order)) == read([])


@given(
    times=st.lists(st.lists(st.integers(0, 6 * HOUR), min_size=1, max_size=6), min_size=2, max_size=12),
    crash=st.integers(1, 11),
)
@settings(max_examples=60)
def test_memory_rebuilt_from_the_low_water_decides_the_same(times: list[list[int]], crash: int) -> None:
    records = located(*(batch(f"p{at}", one) for at, one in enumerate(times)), batch("end", [8 * HOUR]))
    crash = min(crash, len(records) - 1)
    straight, expected = Watched(plan()), []
    for record in records:
        straight.take_predictions(0, [record])
        expected += conclude(straight).drift

    first, found = Watched(plan()), []
    for record in records[:crash]:
        first.take_predictions(0, [record])
        found += conclude(first).drift
    low = first.low_water().get(("pelton.predictions", 0), crash)
    again = Watched(
        type(first.plan)(
            first.plan.model,
            first.plan.monitor,
            first.plan.labels,
            first.drift_until,
            first.settled_until,
            first.plan.pinned,
        )
    )
    for record in records[low:]:
        again.take_predictions(0, [record])
        found += conclude(again).drift
    assert found == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"event_times": [-(2**70), 10]},
        {"served": [1, 2**64]},
        {"outputs": {"9" * 5000: [0.1, 0.1]}},
        {"outputs": {"one": [0.1, 0.1]}},
        {"served": [1]},
    ],
)
def test_a_record_that_no_column_can_hold_is_passed_over_with_a_reason(changes: dict[str, Any]) -> None:
    watched = Watched(plan())
    watched.take_predictions(0, located(msgspec.structs.replace(batch("one", [10, 20]), **changes)))
    assert len(watched.flaws) == 1
    assert watched.held == (0, 0, 0)


@pytest.mark.parametrize(
    "value",
    [
        NESTED,
        b'{"flight": "\xff"}',
        b"",
        b"[]",
        b"{}",
        b'{"flight": 1, "at": "yesterday"}',
        b'{"flight": true, "at": 5}',
        b"\xff",
    ],
)
def test_what_is_no_label_event_is_passed_over(value: bytes) -> None:
    good = Event(1, landing("f", 5, 20))
    found = labels.read(0, [Event(0, value), good], JOIN)
    assert (list(found.keys), found.labels.tolist(), found.offsets.tolist()) == (["f"], [1], [1])


def test_numeric_keys_are_written_as_text() -> None:
    found = labels.read(0, [Event(0, b'{"flight": 7, "at": "2020-01-01T00:00:00.1239Z", "delay": true}')], JOIN)
    assert list(found.keys) == ["7"]
    assert found.times.tolist() == [1577836800123]
    assert np.array_equal(found.labels, [0])


def test_a_partition_of_labels_that_was_not_read_yet_is_waited_for() -> None:
    watched = Watched(plan())
    watched.awaits_labels(1)
    watched.take_predictions(0, located(batch("p", [10] * 6), batch("end", [HOUR])))
    watched.take_labels(landings(0, [("x", 9 * HOUR, 0)]))
    assert conclude(watched).outcomes == []
    watched.has_read_labels(1)
    assert conclude(watched).outcomes[0].unlabelled == 6
