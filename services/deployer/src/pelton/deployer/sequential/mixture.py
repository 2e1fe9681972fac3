"""From the log-wealth of single bets to the e-value of their mixture.

Computed in decimal arithmetic, whose `exp` and `ln` are correctly rounded on every platform.
"""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from typing import Final

from pelton.exact import EXACT

SIGNIFICANT_DIGITS: Final = 12


def log_mean_exp(logs: Sequence[Decimal]) -> Decimal:
    """Logarithm of the mean of exp(l) over all l: the log e-value of an equal mixture of these bets."""
    with localcontext(EXACT):
        largest = max(logs)
        total = sum(((log - largest).exp() for log in logs), Decimal(0))
        return largest + (total / len(logs)).ln()


def significant(value: Decimal) -> float:
    """The number as it stands in a fact: 12 significant digits, rounded down so that evidence is never overstated."""
    return float(Context(prec=SIGNIFICANT_DIGITS, rounding=ROUND_FLOOR).plus(value))


def reaches(log_e: float, alpha: float) -> bool:
    """Whether an e-value has reached 1 / alpha, judged on the number that stands in the fact."""
    with localcontext(EXACT):
        return Decimal(log_e) >= -Decimal(repr(alpha)).ln()
