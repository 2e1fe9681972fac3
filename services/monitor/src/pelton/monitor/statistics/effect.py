"""How far two samples of counts lie apart, whatever their size: what a p-value does not say."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

from pelton.exact import EXACT
from pelton.monitor.statistics.rounding import decimal

_HALF: Final = Fraction(1, 2)


def stability_index(reference: Sequence[int], window: Sequence[int]) -> Decimal:
    """Population stability index: the sum of (p - q) ln(p / q) over the cells that either sample reached.

    Half a row is added to each such cell (Jeffreys' prior), so that a cell that is empty in one of them adds a large
    number and not an infinite one. Zero if a sample has no rows. Below 0.1 is commonly read as stable, above 0.2 as
    shifted.
    """
    pairs = _reached(reference, window)
    if not pairs:
        return Decimal(0)
    total = sum(a for a, _ in pairs) + _HALF * len(pairs)
    other = sum(b for _, b in pairs) + _HALF * len(pairs)
    with localcontext(EXACT):
        index = Decimal(0)
        for a, b in pairs:
            p, q = (a + _HALF) / total, (b + _HALF) / other
            index += decimal(p - q) * decimal(p / q).ln()
        return index


def jensen_shannon_distance(reference: Sequence[int], window: Sequence[int]) -> Decimal:
    """Square root of the Jensen-Shannon divergence in bits, from 0 (alike) to 1 (disjoint). Zero without rows.

    Endres & Schindelin (2003), A new metric for probability distributions, IEEE Trans. Inf. Theory 49(7).
    """
    pairs = _reached(reference, window)
    if not pairs:
        return Decimal(0)
    total, other = sum(a for a, _ in pairs), sum(b for _, b in pairs)
    with localcontext(EXACT):
        divergence = Decimal(0)
        for a, b in pairs:
            p, q = Fraction(a, total), Fraction(b, other)
            for share in (p, q):
                if share:
                    divergence += decimal(share / 2) * decimal(2 * share / (p + q)).ln()
        return (max(divergence, Decimal(0)) / Decimal(2).ln()).sqrt()


def _reached(reference: Sequence[int], window: Sequence[int]) -> list[tuple[int, int]]:
    if not any(reference) or not any(window):
        return []
    # Sorted: a sum of rounded terms then depends on the cells alone, not on the names that order them.
    return sorted((a, b) for a, b in zip(reference, window, strict=True) if a or b)
