"""Which rows train and which evaluate, in order of time and without a look ahead."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import ModelDefinition, seconds

Times = NDArray[np.int64]


class TooFewRowsError(ValueError):
    """Not enough rows, or not both classes, where a step of the training needs them."""


@dataclass(frozen=True, slots=True)
class Holdout:
    """Rows before `train` fit, rows from `holdout` on evaluate; those between have labels that came too late.

    `train_end` and `holdout_start` are the same bounds in microseconds of event time.
    """

    train: int
    holdout: int
    train_end: int
    holdout_start: int


def split_holdout(times: Times, definition: ModelDefinition) -> Holdout:
    """Keep the newest `holdout` of the rows, and leave out of training what was not labelled when it began.

    `times` are microseconds since 1970, ascending. A row is labelled at the latest `label.delay` after its own time.

    Raises:
        TooFewRowsError: fewer than `min_rows`, or none on one side.
    """
    training = definition.training
    if len(times) < training.min_rows:
        raise TooFewRowsError(
            f"the dataset has {len(times)} labelled rows, training.min_rows asks for {training.min_rows}: "
            "wait for more data, or lower it"
        )
    holdout_start = int(times[-1]) - _micros(training.holdout)
    train_end = holdout_start - _micros(definition.label.delay)
    train, holdout = np.searchsorted(times, [train_end, holdout_start], side="left")
    if not train:
        raise TooFewRowsError(
            f"no row is left to train on before the held-out {training.holdout} and the label's delay of "
            f"{definition.label.delay}: lengthen training.history or shorten training.holdout"
        )
    return Holdout(int(train), int(holdout), train_end, holdout_start)


def split_folds(times: Times, folds: int, delay: str) -> Sequence[tuple[int, slice]]:
    """Time-ordered folds, as (rows to fit: all before this index, rows to score).

    The rows are cut into `folds + 1` blocks of about equal size, rows of one moment together; each block after the
    first is scored by what was labelled before it began.

    Raises:
        TooFewRowsError: a fold has nothing to fit or to score.
    """
    cuts = [int(np.searchsorted(times, times[len(times) * k // (folds + 1)], side="left")) for k in range(1, folds + 1)]
    bounds = [*cuts, len(times)]
    pairs = []
    for number, (start, end) in enumerate(pairwise(bounds), start=1):
        known = int(np.searchsorted(times, int(times[start]) - _micros(delay), side="left"))
        if not known or start == end:
            raise TooFewRowsError(
                f"fold {number} of {folds} has {known} rows to fit and {end - start} to score: "
                "lengthen training.history or ask for fewer pipeline.folds"
            )
        pairs.append((known, slice(start, end)))
    return pairs


def require_both_classes(labels: NDArray[np.int64], where: str) -> None:
    """Refuse rows that show one class only: a classifier learns nothing of the other.

    Raises:
        TooFewRowsError: all labels are the same.
    """
    positives = int(np.count_nonzero(labels))
    if positives in {0, labels.size}:
        raise TooFewRowsError(
            f"all {labels.size} rows of {where} have the label {int(bool(positives))}: a classifier needs both; "
            "look at label.value, or lengthen training.history"
        )


def _micros(duration: str) -> int:
    return seconds(duration) * 1_000_000
