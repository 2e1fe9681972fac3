"""What the tests look at: the gain of the challenger over the champion, one number a unit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class UnfitObservationsError(ValueError):
    """Observations or settings that a test is not valid for; the message names the first of them."""


def checked(name: str, values: NDArray[np.float64], lower: float, upper: float) -> NDArray[np.float64]:
    """The values as a flat array of floats, every one within [lower, upper].

    Raises:
        UnfitObservationsError: not one dimension, or a value that is not a number or outside its range.
    """
    flat = np.asarray(values, dtype=np.float64)
    if flat.ndim != 1:
        raise UnfitObservationsError(f"{name} has {flat.ndim} dimensions: pass one number a unit")
    outside = ~((flat >= lower) & (flat <= upper))
    if outside.any():
        row = int(np.argmax(outside))
        raise UnfitObservationsError(
            f"{name}[{row}] is {float(flat[row])}, outside [{lower}, {upper}]: "
            "leave out rows without a score or label, and use a loss bounded to [0, 1]"
        )
    return flat


def require_inside(name: str, value: float, lower: float, upper: float) -> None:
    """Raise unless lower < value < upper."""
    if not lower < value < upper:
        raise UnfitObservationsError(f"{name} is {value}: choose a value above {lower} and below {upper}")


def paired_gains(champion_losses: NDArray[np.float64], challenger_losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Champion's loss minus challenger's, for rows that both scored; losses and result have shape (n,).

    Losses lie in [0, 1] (the Brier score of a yes-or-no event does), so gains lie in [-1, 1].

    Raises:
        UnfitObservationsError: different lengths, or a loss that is not a number in [0, 1].
    """
    champion = checked("champion_losses", champion_losses, 0.0, 1.0)
    challenger = checked("challenger_losses", challenger_losses, 0.0, 1.0)
    if champion.shape != challenger.shape:
        raise UnfitObservationsError(
            f"{champion.size} losses of the champion, {challenger.size} of the challenger: "
            "pass the rows that both scored, in the same order"
        )
    return champion - challenger


@dataclass(frozen=True, slots=True)
class SplitDesign:
    """Units answered by the challenger with probability `share`, otherwise by the champion.

    `centre` is subtracted from each loss before it is weighted: it takes out most of the variance that the weights
    bring in. Any value in [0, 1] keeps the test valid if it was fixed before the first unit of the step; the
    champion's mean loss so far is a good one.

    A unit is what the split draws for: under a sticky split, the key. Rows of one key share their arm, so they are
    not separate draws: average the loss of a key's rows in the step, and pass one number a key.
    """

    share: float
    centre: float

    def __post_init__(self) -> None:
        require_inside("share", self.share, 0.0, 1.0)
        if not 0.0 <= self.centre <= 1.0:
            raise UnfitObservationsError(f"centre is {self.centre}: choose a loss from 0 to 1")

    @property
    def lower(self) -> float:
        """The least gain that a unit can show."""
        return -max((1.0 - self.centre) / self.share, self.centre / (1.0 - self.share))

    @property
    def upper(self) -> float:
        """The greatest gain that a unit can show."""
        return max(self.centre / self.share, (1.0 - self.centre) / (1.0 - self.share))

    def gains(self, to_challenger: NDArray[np.bool_], losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Inverse-probability-weighted gains, shape (n,): their expectation is champion's loss minus challenger's.

        ((1 - A) / (1 - p) - A / p) (loss - centre), where A says that the challenger answered (Horvitz-Thompson).

        Raises:
            UnfitObservationsError: different lengths, or a loss that is not a number in [0, 1].
        """
        loss = checked("losses", losses, 0.0, 1.0)
        arm = np.asarray(to_challenger, dtype=np.bool_)
        if arm.shape != loss.shape:
            raise UnfitObservationsError(f"{arm.size} assignments for {loss.size} losses: pass one of each a unit")
        surplus = loss - self.centre
        return np.where(arm, -surplus / self.share, surplus / (1.0 - self.share))
