"""What a step's test counts of the records, and what it passes over."""

import json
import math
from itertools import permutations
from typing import Any

import msgspec
import numpy as np
import pytest
from deployer_stories import DAY, MODEL, START, outcomes, predictions, wrong

from pelton.contracts.deployer import StepSettings
from pelton.contracts.records import OutcomeBatch, encode
from pelton.contracts.topics import OUTCOMES, PREDICTIONS
from pelton.deployer.counted_keys import CountedKeys
from pelton.deployer.evidence import UNFIT, count
from pelton.deployer.sequential import UnfitObservationsError
from pelton.deployer.step import StepTest

ALPHA = 0.05


def settings(**changes: object) -> StepSettings:
    fields: dict[str, Any] = {
        "model": MODEL,
        "revision": 2,
        "phase": "shadow",
        "step": 0,
        "kind": "paired",
        "champion": 1,
        "challenger": 2,
        "weight": 0.0,
        "centre": 0.0,
        "margin": 0.02,
        "alpha": ALPHA,
        "max_error_rate": 0.05,
        "began": "began",
    }
    return StepSettings(**(fields | changes))


def canary(**changes: object) -> StepSettings:
    return settings(**({"phase": "canary", "step": 1, "kind": "split", "weight": 0.5, "centre": 0.2} | changes))


def shared_out(rows: int, **changes: object) -> OutcomeBatch:
    """A canary's outcomes: of two rows, the challenger answered one."""
    served = [1 + row // 2 % 2 for row in range(rows)]
    return outcomes(2, rows, **({"mode": "canary", "weight": 0.5, "served": served} | changes))


def told(test: StepTest, *records: tuple[str, int, bytes]) -> StepTest:
    for topic, offset, value in records:
        test = count({MODEL: (test, "")}, topic, 0, offset, value) or test
    return test


def test_rows_that_both_versions_scored_are_counted_in_pairs() -> None:
    half = outcomes(2, 4, outputs={"1": [0.9, 0.1, None, 0.1], "2": [0.9, None, 0.9, 0.1]})
    shown = StepTest.begin(settings()).with_outcomes(half, (OUTCOMES, 0, 7)).evidence()
    assert shown.rows == 2
    assert [(one.topic, one.start, one.end) for one in shown.offsets] == [(OUTCOMES, 7, 8)]


def test_a_batch_that_comes_twice_counts_once() -> None:
    once = StepTest.begin(settings()).with_outcomes(outcomes(2, 5), (OUTCOMES, 0, 7))
    assert once.with_outcomes(outcomes(2, 5), (OUTCOMES, 0, 9)) is once
    assert once.with_outcomes(outcomes(2, 5, chunk=1), (OUTCOMES, 0, 9)).evidence().rows == 10


@pytest.mark.parametrize("changes", [{"model": "other"}, {"revision": 1}])
def test_outcomes_of_another_route_are_none_of_its_business(changes: dict[str, Any]) -> None:
    test = StepTest.begin(settings())
    assert test.with_outcomes(msgspec.structs.replace(outcomes(2, 5), **changes), (OUTCOMES, 0, 7)) is test


def test_the_order_of_paired_batches_changes_no_byte() -> None:
    batches = [(OUTCOMES, at, encode(outcomes(2, 5, day=at, outputs=_noise(at)))) for at in range(3)]
    told_so = {json.dumps(told(StepTest.begin(settings()), *order).to_dict()) for order in permutations(batches)}
    assert len(told_so) == 1


def _noise(at: int) -> dict[str, list[float | None]]:
    random = np.random.default_rng(at)
    return {version: random.random(5).tolist() for version in ("1", "2")}


@pytest.mark.parametrize("begun", [settings(), canary()])
def test_the_state_survives_json(begun: StepSettings) -> None:
    test = StepTest.begin(begun).with_outcomes(shared_out(8), (OUTCOMES, 0, 3))
    again = StepTest.from_dict(json.loads(json.dumps(test.to_dict())))
    assert again == test
    assert again.evidence() == test.evidence()


def test_a_step_has_its_time_in_event_time() -> None:
    test = StepTest.begin(settings())
    assert not test.out_of_time(1)
    for day in (2, 0):
        test = test.with_outcomes(outcomes(2, 0, day=day), (OUTCOMES, 0, day))
    assert test.out_of_time(3 * 86_400)
    assert not test.out_of_time(3 * 86_400 + 1)


def test_the_state_grows_with_the_windows_and_not_with_their_chunks() -> None:
    test = StepTest.begin(settings())
    for day, chunk in [(0, 0), (0, 2), *((1, chunk) for chunk in range(200)), (0, 1), (0, 4)]:
        test = test.with_outcomes(outcomes(2, 1, day=day, chunk=chunk), (OUTCOMES, 0, day * 1000 + chunk))
    state = json.loads(json.dumps(test.to_dict()))
    assert state["seen"] == [[START, 0, 2], [START, 4, 4], [START + DAY, 0, 199]]
    assert StepTest.from_dict(state) == test


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": [0, 1, 2]}, "labels other than 0 and 1"),
        ({"labels": [0, 1]}, "3 values in 'keys' for 2 labels"),
        ({"outputs": {"1": [0.1, 0.2, 1.5]}}, "outside"),
        ({"window_end": START}, "a window that ends"),
        ({"window_end": 10**15}, "a window that ends"),
    ],
)
def test_an_unsound_batch_is_refused_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    batch = msgspec.structs.replace(outcomes(2, 3), **changes)
    with pytest.raises(UnfitObservationsError, match=reason):
        StepTest.begin(settings()).with_outcomes(batch, (OUTCOMES, 0, 7))


@pytest.mark.parametrize(
    "value", [b"", b"no JSON", b'{"model": "\xff"}', b'{"more": ' + b"[" * 100_000, b"[1]", b'{"model": 1e999}']
)
@pytest.mark.parametrize("topic", [OUTCOMES, PREDICTIONS])
def test_a_record_that_cannot_be_read_is_unfit_and_no_more(topic: str, value: bytes) -> None:
    with pytest.raises(UNFIT):
        count({}, topic, 0, 0, value)


def test_answers_of_a_shadow_are_all_rows_and_of_a_canary_those_that_the_challenger_was_asked_for() -> None:
    shadow = told(StepTest.begin(settings()), (PREDICTIONS, 4, encode(predictions(2, 10, errors=3))))
    assert (shadow.guardrail.answers, shadow.guardrail.failures) == (10, 3)
    asked = predictions(2, 10, errors=3, served=[1] * 6 + [2] * 4)
    step = told(StepTest.begin(canary()), (PREDICTIONS, 4, encode(asked)))
    assert (step.guardrail.answers, step.guardrail.failures) == (7, 3)
    assert told(StepTest.begin(settings()), (PREDICTIONS, 4, encode(predictions(1, 10, errors=3)))).ranges == {}


def test_the_unit_of_a_canary_is_the_key_and_its_loss_the_mean_over_its_rows() -> None:
    twice = outcomes(
        2,
        4,
        keys=["a", "a", "b", "b"],
        labels=[1, 1, 1, 1],
        served=[1, 1, 2, 2],
        outputs={"1": [1.0, 0.0, None, None], "2": [None, None, 1.0, 1.0]},
    )
    shown = StepTest.begin(canary()).with_outcomes(twice, (OUTCOMES, 0, 0)).evidence()
    assert (shown.rows, shown.champion_loss, shown.challenger_loss) == (2, 0.5, 0.0)


def test_a_key_that_comes_back_in_a_later_window_is_no_further_draw() -> None:
    first = StepTest.begin(canary()).with_outcomes(shared_out(8), (OUTCOMES, 0, 0))
    same = msgspec.structs.replace(shared_out(8), window_start=START + DAY, window_end=START + 2 * DAY)
    again = first.with_outcomes(same, (OUTCOMES, 0, 1))
    assert (first.quality.observations, again.quality) == (8, first.quality)
    assert again.with_outcomes(shared_out(8, day=3), (OUTCOMES, 0, 2)).quality.observations == 16


def test_a_split_of_few_keys_that_come_back_every_day_is_seldom_wrong() -> None:
    """Each key has a loss of its own, whoever answers it, so that arms are never alike; the challenger adds its own.

    With each key of each window a unit, the draw of the arms alone decides more than forty of these hundred canaries.
    """
    random = np.random.default_rng(3)
    paths, keys, days = 100, 12, 12
    begun = canary(margin=0.05, centre=0.3)
    verdicts: list[str] = []
    for _ in range(paths):
        champion = random.choice([0.05, 0.55], keys)
        arms = random.random(keys) < 0.5
        # Worse by the margin: neither verdict may come more often than alpha.
        losses = champion + 0.05 * arms
        served = (1 + arms).tolist()
        test = StepTest.begin(begun)
        for day in range(days):
            scores = np.repeat(np.sqrt(losses), 10).tolist()
            batch = outcomes(
                2,
                keys * 10,
                day=day,
                keys=[f"k{key}" for key in range(keys) for _ in range(10)],
                labels=[0] * keys * 10,
                served=np.repeat(served, 10).tolist(),
                outputs={"1": scores, "2": scores},
            )
            test = test.with_outcomes(batch, (OUTCOMES, 0, day))
        verdicts.append(test.quality.verdict.value)
    allowed = paths * ALPHA + 3 * math.sqrt(paths * ALPHA * (1 - ALPHA))
    assert verdicts.count("no_worse") <= allowed
    assert verdicts.count("worse") <= allowed


def test_keys_are_told_apart_in_bounded_memory() -> None:
    keys = [f"k{number}" for number in range(20_000)]
    counted = CountedKeys().with_keys(keys)
    assert not counted.fresh(keys).any()
    others = [f"o{number}" for number in range(20_000)]
    assert counted.fresh(others).mean() > 0.97
    assert len(counted.bitmap) == 128 * 1024
    assert CountedKeys.from_text(counted.to_text()) == counted
    assert CountedKeys().fresh([]).tolist() == []


def test_of_two_new_keys_in_one_slot_one_counts() -> None:
    keys = [f"k{number}" for number in range(5_000)]
    fresh = CountedKeys().fresh(keys)
    assert 4_900 < fresh.sum() < 5_000
    passed_over = [key for key, is_fresh in zip(keys, fresh, strict=True) if not is_fresh]
    only_fresh = CountedKeys().with_keys([key for key in keys if key not in passed_over])
    assert only_fresh == CountedKeys().with_keys(keys)


def test_a_worse_challenger_is_found_in_a_canary() -> None:
    test = StepTest.begin(canary())
    for day in range(5):
        batch = shared_out(400, day=day, outputs={"1": outcomes(2, 400).outputs["1"], "2": wrong(400)})
        test = test.with_outcomes(batch, (OUTCOMES, 0, day))
    assert test.evidence().verdict == "worse"
