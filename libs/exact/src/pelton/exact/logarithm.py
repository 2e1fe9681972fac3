"""Natural logarithms in fixed point, the same on every machine.

NumPy's own `log` picks an implementation by the CPU's vector units, and the last bit differs between them. This one
uses only operations whose rounding IEEE 754 prescribes (+, -, *, /, splitting off the exponent, floor).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FRACTION_BITS: Final = 40

_LN_2: Final = 0.6931471805599453
_SQRT_HALF: Final = 0.7071067811865476
_LAST_TERM: Final = 21  # the first term left out of the series is below 2**-60 for every mantissa


def fixed_log(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """`floor(ln(v) * 2**40)` of each positive v; the logarithm before the floor is right to 1e-15 for v near 1.

    Uses ln(v) = e ln 2 + 2 atanh((m - 1) / (m + 1)) for v = m 2**e with m in [sqrt(1/2), sqrt(2)).
    """
    mantissa, exponent = np.frexp(values)
    low = mantissa < _SQRT_HALF
    mantissa = np.where(low, 2.0 * mantissa, mantissa)
    exponent = exponent - low
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square = ratio * ratio
    series = np.full_like(square, 1.0 / _LAST_TERM)
    for odd in range(_LAST_TERM - 2, 0, -2):
        series *= square
        series += 1.0 / odd
    logarithm = exponent * _LN_2 + 2.0 * ratio * series
    return np.floor(logarithm * float(1 << FRACTION_BITS)).astype(np.int64)
