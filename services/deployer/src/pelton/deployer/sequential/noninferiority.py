"""Is the challenger no worse than the champion? An answer that stays valid however often it is asked."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from pelton.deployer.sequential.mixture import log_mean_exp, reaches, significant
from pelton.deployer.sequential.observations import (
    SplitDesign,
    UnfitObservationsError,
    checked,
    require_inside,
)
from pelton.exact import EXACT, FRACTION_BITS, fixed_log

BETS: Final = 16
_BOLDEST: Final = 0.99  # of the fraction at which one observation could take all: wealth never reaches zero
_CHUNK: Final = 8192  # rows a pass: bounds the memory, and keeps the integer sums far below 2**63


class Verdict(StrEnum):
    """What the evidence says of the challenger."""

    NO_WORSE = "no_worse"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


def bets(reach: float) -> NDArray[np.float64]:
    """Betting fractions against observations at most `reach` on the losing side, shape (16,).

    Spaced by sqrt(2) from 0.99 / reach down to a 181st of that. The best fraction is about mean / variance: the
    bold end decides fast where losses hardly differ (deviations below 0.1), the timid end where they are noisy. Next
    to the best fraction, the nearest of the grid loses 4 % of the growth at most.
    """
    return np.array([_BOLDEST / reach / (1 << k // 2) / (math.sqrt(2.0) if k % 2 else 1.0) for k in range(BETS)])


@dataclass(frozen=True)
class NonInferiority:
    """Two betting e-processes over gains (champion's loss minus challenger's) in [lower, upper].

    One bets against "the challenger is worse by `margin` or more" (expected gain <= -margin), the other against "it
    is not worse by more than `margin`" (expected gain >= -margin). For each fraction l of a fixed grid the log-wealth
    sum(ln(1 +- l (gain + margin))) is kept in integer units of 2**-40, rounded down. An equal mixture of the wealths
    is a non-negative supermartingale of mean at most one under its hypothesis, so by Ville's inequality the chance
    that it ever reaches 1 / alpha is at most alpha, for each of the two wrong verdicts.

    The hypotheses speak of the expectation of each gain given those before it, so units are to be used in the order
    in which they come, and never chosen by their outcome. Both verdicts cannot hold together: log-wealth is concave
    in the fraction and zero at none, so it is not positive on both sides.

    Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86(1), section 4.
    """

    margin: float
    alpha: float
    lower: float
    upper: float
    observations: int = 0
    no_worse_wealth: tuple[int, ...] = (0,) * BETS
    worse_wealth: tuple[int, ...] = (0,) * BETS

    def __post_init__(self) -> None:
        require_inside("alpha", self.alpha, 0.0, 1.0)
        require_inside("margin", self.margin, 0.0, min(-self.lower, self.upper))

    @classmethod
    def paired(cls, *, margin: float, alpha: float) -> Self:
        """No evidence yet, for gains of `paired_gains`."""
        return cls(margin=margin, alpha=alpha, lower=-1.0, upper=1.0)

    @classmethod
    def split(cls, design: SplitDesign, *, margin: float, alpha: float) -> Self:
        """No evidence yet, for the gains of this design."""
        return cls(margin=margin, alpha=alpha, lower=design.lower, upper=design.upper)

    def increments(self, gains: NDArray[np.float64]) -> NDArray[np.int64]:
        """What each gain adds to the log-wealths, shape (n, 32): 16 bets on no worse, then 16 on worse."""
        on_no_worse = bets(-self.margin - self.lower)
        on_worse = bets(self.upper + self.margin)
        fractions = np.concatenate([on_no_worse, -on_worse])
        return fixed_log(1.0 + (gains + self.margin)[:, np.newaxis] * fractions)

    def update(self, gains: NDArray[np.float64]) -> Self:
        """The evidence with these gains, shape (n,), added.

        Raises:
            UnfitObservationsError: a gain that is not a number in [lower, upper].
        """
        flat = checked("gains", gains, self.lower, self.upper)
        wealth = [*self.no_worse_wealth, *self.worse_wealth]
        for start in range(0, flat.size, _CHUNK):
            added = self.increments(flat[start : start + _CHUNK]).sum(axis=0)
            wealth = [old + int(new) for old, new in zip(wealth, added, strict=True)]
        return self._with(self.observations + flat.size, wealth)

    def merge(self, other: Self) -> Self:
        """The evidence of two disjoint sets of observations together.

        Raises:
            UnfitObservationsError: the two were gathered under different settings.
        """
        if self._settings != other._settings:
            raise UnfitObservationsError(
                f"evidence under (margin, alpha, lower, upper) = {self._settings} cannot be merged with "
                f"evidence under {other._settings}: start a test for each step of a rollout"
            )
        mine = [*self.no_worse_wealth, *self.worse_wealth]
        theirs = [*other.no_worse_wealth, *other.worse_wealth]
        wealth = [a + b for a, b in zip(mine, theirs, strict=True)]
        return self._with(self.observations + other.observations, wealth)

    @cached_property
    def log_e_no_worse(self) -> float:
        """Logarithm of the e-value against "worse by the margin or more", to 12 digits."""
        return _log_e(self.no_worse_wealth)

    @cached_property
    def log_e_worse(self) -> float:
        """Logarithm of the e-value against "not worse by more than the margin", to 12 digits."""
        return _log_e(self.worse_wealth)

    @property
    def verdict(self) -> Verdict:
        """The hypothesis that fell, if one did."""
        if reaches(self.log_e_no_worse, self.alpha):
            return Verdict.NO_WORSE
        if reaches(self.log_e_worse, self.alpha):
            return Verdict.WORSE
        return Verdict.INCONCLUSIVE

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON can say it; `from_dict` gives the same state back."""
        return {
            "margin": self.margin,
            "alpha": self.alpha,
            "lower": self.lower,
            "upper": self.upper,
            "observations": self.observations,
            "no_worse_wealth": list(self.no_worse_wealth),
            "worse_wealth": list(self.worse_wealth),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """The state that `to_dict` wrote."""
        wealth = {name: tuple(state[name]) for name in ("no_worse_wealth", "worse_wealth")}
        return cls(**{**state, **wealth})

    @property
    def _settings(self) -> tuple[float, float, float, float]:
        return (self.margin, self.alpha, self.lower, self.upper)

    def _with(self, observations: int, wealth: list[int]) -> Self:
        return replace(
            self,
            observations=observations,
            no_worse_wealth=tuple(wealth[:BETS]),
            worse_wealth=tuple(wealth[BETS:]),
        )


def _log_e(wealth: tuple[int, ...]) -> float:
    with localcontext(EXACT):
        logs = [Decimal(units) / (1 << FRACTION_BITS) for units in wealth]
    return significant(log_mean_exp(logs))
