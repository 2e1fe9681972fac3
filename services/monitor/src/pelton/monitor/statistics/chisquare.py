"""Do two samples of counts come from one distribution?

The survival function is computed here, in decimal arithmetic, and not by SciPy: the last digits of SciPy's change
with its version and with the C library, and a verdict recorded today has to be the same bytes in years.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

from pelton.exact import EXACT
from pelton.monitor.statistics.rounding import decimal

LEAST_EXPECTED: Final = 5  # Cochran's rule for the chi-square approximation

_PI: Final = Decimal("3.141592653589793238462643383279502884197")
_PRECISION: Final = Decimal("1e-30")


@dataclass(frozen=True, slots=True)
class Homogeneity:
    """Pearson's statistic, its degrees of freedom (0: nothing to compare), and the p-value."""

    statistic: Decimal
    degrees: int
    p_value: Decimal


def homogeneity(reference: Sequence[int], window: Sequence[int]) -> Homogeneity:
    """Pearson's test of two rows of counts over the same cells.

    Cells in which either sample expects fewer than five rows are pooled into one, and that one takes in the smallest
    of the others while it is itself too small. With fewer than two cells left, or a sample without rows, nothing can
    be told: p is 1.
    """
    total, other = sum(reference), sum(window)
    pooled = _pool(list(zip(reference, window, strict=True)), min(total, other), total + other)
    degrees = len(pooled) - 1
    if degrees < 1:
        return Homogeneity(Decimal(0), 0, Decimal(1))
    # The two rows' (observed - expected)**2 / expected, summed for a cell, come to this fraction.
    exact = sum((Fraction((other * a - total * b) ** 2, total * other * (a + b)) for a, b in pooled), Fraction(0))
    statistic = decimal(exact)
    return Homogeneity(statistic, degrees, survival(statistic, degrees))


def survival(statistic: Decimal, degrees: int) -> Decimal:
    """P(chi-square with these degrees of freedom > statistic), to 28 digits or more.

    The regularised upper incomplete gamma function Q(degrees / 2, statistic / 2), by the series of its complement
    below a + 1 and by Legendre's continued fraction above (DLMF 8.11.4 and 8.9.2).
    """
    with localcontext(EXACT):
        a, x = Decimal(degrees) / 2, statistic / 2
        if x == 0:
            return Decimal(1)
        scale = (-x).exp() * (a * x.ln()).exp() / _gamma(degrees)
        return 1 - scale * _lower_series(a, x) if x < a + 1 else scale * _upper_fraction(a, x)


def _pool(cells: list[tuple[int, int]], smaller: int, total: int) -> list[tuple[int, int]]:
    def fits(cell: tuple[int, int]) -> bool:
        return smaller * sum(cell) >= LEAST_EXPECTED * total

    kept = sorted((cell for cell in cells if sum(cell) and fits(cell)), key=lambda cell: (sum(cell), cell))
    small = [cell for cell in cells if sum(cell) and not fits(cell)]
    if not small or not smaller:
        return kept if smaller else []
    pool = (sum(a for a, _ in small), sum(b for _, b in small))
    while kept and not fits(pool):
        a, b = kept.pop(0)
        pool = (pool[0] + a, pool[1] + b)
    return [*kept, pool]


def _gamma(degrees: int) -> Decimal:
    """Gamma of half the degrees: from Gamma(1) = 1 or Gamma(1/2) = sqrt(pi) upwards."""
    value = Decimal(1) if degrees % 2 == 0 else _PI.sqrt()
    for twice in range(degrees - 2, 0, -2):
        value *= Decimal(twice) / 2
    return value


def _lower_series(a: Decimal, x: Decimal) -> Decimal:
    term = total = 1 / a
    step = a
    while term > total * _PRECISION:
        step += 1
        term *= x / step
        total += term
    return total


def _upper_fraction(a: Decimal, x: Decimal) -> Decimal:
    """Legendre's continued fraction by the modified method of Lentz."""
    b = x + 1 - a
    d = value = 1 / b
    c = Decimal("Infinity")
    change = Decimal(0)
    index = 0
    while abs(change - 1) > _PRECISION:
        index += 1
        numerator = -index * (index - a)
        b += 2
        d = 1 / (numerator * d + b)
        c = b + numerator / c
        change = c * d
        value *= change
    return value
