"""How good the predictions of a binary classifier are: scores over labelled rows it was not trained on."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.evidence import Comparison
from pelton.contracts.values import Digest, Evaluation

_LEAST_PROBABILITY: Final = 2.0**-50  # the monitor's own: one sure and wrong answer is not an infinite loss
_LEAST_ROWS: Final = 2  # a variance needs two
_DIGITS: Final = 12


class UnfitScoresError(ValueError):
    """Labels or probabilities that cannot be scored, or too few of them."""


def evaluate(labels: NDArray[Any], probabilities: NDArray[np.float64], *, threshold: float) -> Evaluation:
    """Score probabilities of a 1 against labels 0 or 1, both of shape (n,), n at least 2.

    Brier score and its unbiased variance over the rows; mean log-loss with probabilities of at least 2**-50;
    accuracy where a probability that reaches the threshold says 1. Each number has 12 significant digits.

    Raises:
        UnfitScoresError: shapes that differ, too few rows, labels or probabilities out of range.
    """
    y, p = _checked(labels, probabilities)
    losses = (p - y) ** 2
    given = np.maximum(np.where(y, p, 1.0 - p), _LEAST_PROBABILITY)
    return Evaluation(
        rows=y.size,
        positives=int(np.count_nonzero(y)),
        brier=rounded(losses.mean()),
        brier_variance=rounded(losses.var(ddof=1)),
        log_loss=rounded(-np.log(given).mean()),
        accuracy=rounded(((p >= threshold) == y).mean()),
        auc=auc(y, p),
    )


def metrics(scores: Evaluation) -> dict[str, float]:
    """The metrics of an evaluation by name, without those that have no value."""
    named = {"accuracy": scores.accuracy, "auc": scores.auc, "brier": scores.brier, "log_loss": scores.log_loss}
    return {name: value for name, value in named.items() if value is not None}


def compare(
    labels: NDArray[Any],
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    *,
    against: int,
    dataset: Digest,
) -> Comparison:
    """Two versions' Brier losses on the same rows, ours minus theirs by row; probabilities as in `evaluate`.

    The variance of the differences is what a test of two versions on the same rows needs, and what two variances do
    not tell: versions of one model err on the same rows.

    Raises:
        UnfitScoresError: as `evaluate`.
    """
    y, p = _checked(labels, ours)
    _, q = _checked(labels, theirs)
    differences = (p - y) ** 2 - (q - y) ** 2
    return Comparison(
        against=against,
        dataset=dataset,
        loss="brier",
        rows=y.size,
        mean=rounded(differences.mean()),
        variance=rounded(differences.var(ddof=1)),
    )


def brier(labels: NDArray[Any], probabilities: NDArray[np.float64]) -> float:
    """The mean squared distance of probability and label: Brier (1950), for a yes-or-no event."""
    y, p = _checked(labels, probabilities)
    return rounded(((p - y) ** 2).mean())


def auc(labels: NDArray[Any], probabilities: NDArray[np.float64]) -> float | None:
    """The chance that a positive row scores above a negative one, a tie counting half; None without both classes.

    By ranks, as Mann and Whitney (1947), with tied rows sharing their mean rank.
    """
    y = np.asarray(labels).astype(bool)
    positives = int(np.count_nonzero(y))
    negatives = y.size - positives
    if not positives or not negatives:
        return None
    _, place, counts = np.unique(np.asarray(probabilities, dtype=np.float64), return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    wins = ranks[place][y].sum() - positives * (positives + 1) / 2
    return rounded(wins / positives / negatives)


def rounded(value: float | np.floating[Any]) -> float:
    """A number as facts have it, with 12 significant digits: the last bits depend on the order of a sum."""
    return float(f"{float(value):.{_DIGITS}g}")


def _checked(labels: NDArray[Any], probabilities: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    y, p = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape:
        raise UnfitScoresError(f"labels of shape {y.shape}, probabilities of shape {p.shape}: pass one of each a row")
    if y.size < _LEAST_ROWS:
        raise UnfitScoresError(f"{y.size} rows to score: it takes at least {_LEAST_ROWS}")
    for name, values, fits in (
        ("labels", y, (y == 0) | (y == 1)),
        ("probabilities", p, (p >= 0) & (p <= 1)),
    ):
        if not fits.all():
            row = int(np.argmin(fits))
            raise UnfitScoresError(f"{name}[{row}] is {values[row]}: a label is 0 or 1, a probability from 0 to 1")
    return y == 1, p
