"""Numbers that are the same to the last bit on every machine: what deciders compute with, so that a replay agrees."""

from decimal import ROUND_HALF_EVEN, Context
from typing import Final

from pelton.exact.logarithm import FRACTION_BITS, fixed_log

__all__ = ["EXACT", "FRACTION_BITS", "fixed_log"]

EXACT: Final = Context(prec=34, rounding=ROUND_HALF_EVEN)
"""Decimal arithmetic whose `exp` and `ln` are correctly rounded on every platform."""
