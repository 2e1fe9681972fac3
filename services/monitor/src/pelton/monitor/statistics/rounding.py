"""The one way in which a computed number enters a fact."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Final

from pelton.exact import EXACT

SIGNIFICANT_DIGITS: Final = 12


def significant(value: Decimal) -> float:
    """The number as it stands in a fact: 12 significant digits, half to even."""
    return float(Context(prec=SIGNIFICANT_DIGITS, rounding=ROUND_HALF_EVEN).plus(value))


def decimal(value: Fraction) -> Decimal:
    """The fraction to 34 digits."""
    return EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
