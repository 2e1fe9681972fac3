"""Nothing that trains is later than, or was labelled after, what evaluates."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pelton.contracts.definitions import ModelDefinition
from pelton.trainer.splits import TooFewRowsError, require_both_classes, split_folds, split_holdout

HOUR = 3_600_000_000
TIMES = st.lists(st.integers(0, 3000), min_size=10, max_size=300).map(lambda hours: np.sort(np.array(hours)) * HOUR)


@given(TIMES)
def test_the_held_out_rows_are_the_newest_and_training_knew_its_labels(
    define: Callable[..., ModelDefinition], times: np.ndarray
) -> None:
    definition = define(training__min_rows=10)
    try:
        split = split_holdout(times, definition)
    except TooFewRowsError:
        assert times[0] >= times[-1] - 11 * 24 * HOUR
        return
    train, held = times[: split.train], times[split.holdout :]
    assert len(train)
    assert len(held)
    assert held.min() >= times[-1] - 10 * 24 * HOUR == split.holdout_start
    assert train.max() + 24 * HOUR < split.holdout_start
    between = times[split.train : split.holdout]
    assert ((between + 24 * HOUR >= split.holdout_start) & (between < split.holdout_start)).all()


@given(TIMES, st.integers(2, 5))
def test_folds_go_forward_in_time_and_score_each_later_row_once(times: np.ndarray, folds: int) -> None:
    try:
        pairs = split_folds(times, folds, "2h")
    except TooFewRowsError:
        assume(False)  # noqa: FBT003 - Hypothesis's own signature
        return
    assert len(pairs) == folds
    scored = [row for _, rows in pairs for row in range(rows.start, rows.stop)]
    assert scored == list(range(scored[0], len(times)))
    for known, rows in pairs:
        assert times[known - 1] + 2 * HOUR < times[rows.start]


def test_too_few_rows_say_how_many_there_are(define: Callable[..., ModelDefinition]) -> None:
    with pytest.raises(TooFewRowsError, match=r"10 labelled rows, training.min_rows asks for 500"):
        split_holdout(np.arange(10) * HOUR, define())


def test_rows_of_one_moment_make_no_folds() -> None:
    with pytest.raises(TooFewRowsError, match="fold 1 of 3 has 0 rows to fit"):
        split_folds(np.zeros(100, dtype=np.int64), 3, "1h")


def test_one_class_is_refused_by_name() -> None:
    with pytest.raises(TooFewRowsError, match="all 3 rows of fold 1 have the label 1"):
        require_both_classes(np.array([1, 1, 1]), "fold 1")
