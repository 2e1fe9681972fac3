"""Whether a version is no worse than the champion: a one-sided paired t-test with a margin.

Of n rows both lost something; d is the challenger's loss less the champion's. The null hypothesis is that the mean of
d is at least the margin; it is given up where t = (mean(d) - margin) / sqrt(var(d) / n) is so low that Student's
distribution with n - 1 degrees of freedom is at or below it with a probability of at most alpha. (Non-inferiority by
the two-sample analogue in Wellek, Testing Statistical Hypotheses of Equivalence and Noninferiority, 2nd ed., 5.2-5.3.)
"""

import math
from typing import Final

from pelton.contracts.evidence import Comparison

_PRECISION: Final = 1e-15
_MOST_STEPS: Final = 10_000
_TINY: Final = 1e-300


def p_value(comparison: Comparison, margin: float) -> float:
    """How likely losses like these, or better ones, are of a version that is worse by the margin."""
    excess = comparison.mean - margin
    if comparison.variance == 0:
        return 0.0 if excess < 0 else 1.0
    return student_cdf(excess / math.sqrt(comparison.variance / comparison.rows), comparison.rows - 1)


def student_cdf(t: float, degrees: int) -> float:
    """The distribution function of Student's t (Abramowitz and Stegun, 26.7.1, by the incomplete beta function)."""
    square = t * t
    if math.isinf(square):
        return 0.0 if t < 0 else 1.0
    tail = _incomplete_beta(degrees / 2, 0.5, degrees / (degrees + square), square / (degrees + square)) / 2
    return tail if t < 0 else 1.0 - tail


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """The regularised incomplete beta function I_x(a, b); `rest` is 1 - x, given because near 1 it cannot be taken."""
    if x == 0 or rest == 0:
        return float(rest == 0)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest))
    # the fraction converges fast on one side of the mean alone
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of I_x(a, b) (DLMF 8.17.22) by Lentz's method."""
    value, c, d = 1.0, 1.0, 0.0
    for step in range(_MOST_STEPS):
        half = step // 2
        if step == 0:
            numerator = 1.0
        elif step % 2:
            numerator = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            numerator = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        d = 1.0 / (_apart(1.0 + numerator * d))
        c = _apart(1.0 + numerator / c)
        change = c * d
        value *= change
        if step and abs(change - 1.0) < _PRECISION:
            break
    return value - 1.0


def _apart(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
