"""How good the predictions were, once their labels are known, and whether that is worse than it was."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import DegradationDefinition
from pelton.contracts.values import Evaluation
from pelton.exact import EXACT, FRACTION_BITS, fixed_log
from pelton.monitor.statistics.chisquare import survival
from pelton.monitor.statistics.rounding import decimal, significant

_UNIT: Final = 1 << FRACTION_BITS
_LEAST_PROBABILITY: Final = 2.0**-50  # a log-loss of 34.7 at most: one sure and wrong answer is not an infinite loss
_CHUNK: Final = 1 << 16  # rows a pass: keeps the sum of log-losses in 64 bits
_LEAST_ROWS: Final = 2  # a variance needs two


class UnfitScoresError(ValueError):
    """Labels or probabilities that cannot be scored, or too few of them."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Sums over labelled predictions of a binary event; `add` and `merge` give the same sums in any order.

    `brier`, `brier_square` and `log_loss` are sums in integer units of 2**-40: of (p - y)**2, of (p - y)**4, and of
    -ln of the probability given to what happened, which is taken to be at least 2**-50.
    """

    rows: int = 0
    positives: int = 0
    correct: int = 0
    brier: int = 0
    brier_square: int = 0
    log_loss: int = 0

    def add(self, labels: NDArray[Any], probabilities: NDArray[np.float64], *, threshold: float) -> Self:
        """The sums with these rows: labels 0 or 1 and probabilities of a 1, both of shape (n,).

        A prediction is positive when its probability reaches the threshold.

        Raises:
            UnfitScoresError: different lengths, a label that is not 0 or 1, a probability outside [0, 1].
        """
        happened, p = _checked(labels, probabilities)
        part = type(self)()
        for start in range(0, p.size, _CHUNK):
            rows = slice(start, start + _CHUNK)
            part = part.merge(self._of(happened[rows], p[rows], threshold))
        return self.merge(part)

    def merge(self, other: Self) -> Self:
        """The sums of two disjoint sets of rows together."""
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def evaluation(self) -> Evaluation:
        """Means over the rows; `brier_variance` is the unbiased variance of the rows' Brier scores.

        The area under the curve is left out: it is no sum over rows.

        Raises:
            UnfitScoresError: fewer than two rows.
        """
        if self.rows < _LEAST_ROWS:
            raise UnfitScoresError(f"{self.rows} labelled rows: wait for at least {_LEAST_ROWS}")
        brier, square = Fraction(self.brier, _UNIT), Fraction(self.brier_square, _UNIT)
        variance = max((square - brier * brier / self.rows) / (self.rows - 1), Fraction(0))
        return Evaluation(
            rows=self.rows,
            positives=self.positives,
            brier=significant(decimal(brier / self.rows)),
            brier_variance=significant(decimal(variance)),
            log_loss=significant(decimal(Fraction(self.log_loss, _UNIT * self.rows))),
            accuracy=significant(decimal(Fraction(self.correct, self.rows))),
            auc=None,
        )

    def to_dict(self) -> dict[str, int]:
        """The sums as JSON can say them; `from_dict` gives the same sums back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, state: Mapping[str, int]) -> Self:
        """The sums that `to_dict` wrote."""
        return cls(**state)

    @classmethod
    def _of(cls, happened: NDArray[np.bool_], p: NDArray[np.float64], threshold: float) -> Self:
        loss = (p - happened) * (p - happened)
        given = np.maximum(np.where(happened, p, 1.0 - p), _LEAST_PROBABILITY)
        return cls(
            rows=p.size,
            positives=int(np.count_nonzero(happened)),
            correct=int(np.count_nonzero((p >= threshold) == happened)),
            brier=_units(loss),
            brier_square=_units(loss * loss),
            log_loss=-int(fixed_log(given).sum()),
        )


@dataclass(frozen=True, slots=True)
class Degradation:
    """How much higher the Brier score is than in the reference, and how surely by more than the floor."""

    difference: float
    standard_error: float
    p_value: float
    degraded: bool


def degradation(reference: Evaluation, window: Evaluation, definition: DegradationDefinition) -> Degradation:
    """Test that the Brier score of the window is above that of the reference by more than the floor.

    One-sided Welch's test with the normal limit, against "higher by at most `floor`"; degraded when its p-value is at
    most `alpha`. So with a true difference up to the floor, a window alarms with a chance of at most about alpha:
    "about" is the normal limit, which at alpha 0.001 wants a hundred rows or more. The difference that is found with
    a chance of one half is the floor and as many standard errors as alpha asks for (3.1 at 0.001).

    Raises:
        UnfitScoresError: fewer than two rows on either side.
    """
    for name, evaluation in (("reference", reference), ("window", window)):
        if evaluation.rows < _LEAST_ROWS:
            raise UnfitScoresError(f"the {name} has {evaluation.rows} rows: it takes {_LEAST_ROWS} to compare")
    with localcontext(EXACT):
        difference = Decimal(repr(window.brier)) - Decimal(repr(reference.brier))
        squared_error = sum(
            (Decimal(repr(side.brier_variance)) / side.rows for side in (reference, window)), Decimal(0)
        )
        excess = difference - Decimal(repr(definition.floor))
        p_value = significant(_upper_tail(excess, squared_error))
        error = significant(squared_error.sqrt())
    return Degradation(significant(difference), error, p_value, degraded=p_value <= definition.alpha)


def _upper_tail(excess: Decimal, squared_error: Decimal) -> Decimal:
    """P(Z >= excess / error) for a standard normal Z, whose square is chi-square with one degree of freedom."""
    if not squared_error:
        return Decimal(0 if excess > 0 else 1)
    tail = survival(excess * excess / squared_error, 1) / 2
    return tail if excess >= 0 else 1 - tail


def _units(values: NDArray[np.float64]) -> int:
    return int(np.rint(values * float(_UNIT)).astype(np.int64).sum())


def _checked(labels: NDArray[Any], probabilities: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    y, p = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape:
        raise UnfitScoresError(f"labels of shape {y.shape}, probabilities of shape {p.shape}: pass one of each a row")
    for name, values, fits in (
        ("labels", y, (y == 0) | (y == 1)),
        ("probabilities", p, (p >= 0) & (p <= 1)),
    ):
        if not fits.all():
            row = int(np.argmin(fits))
            raise UnfitScoresError(f"{name}[{row}] is {values[row]}: a label is 0 or 1, a probability from 0 to 1")
    return y == 1, p
