"""The functions of the expression language over float64 columns with NaN for null, the same to the bit for any rows.

Null goes through each of them. NumPy may compute exponentials, logarithms and sines by other instructions where an
array is long, or the processor another, and then the last bits differ: those functions go through `math`, value by
value. What is left to NumPy is exact by IEEE 754, whatever the instructions.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Function = Callable[..., Numbers]

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
# 1970 began on a Thursday, and weeks begin on Monday.
_FIRST_DAY: Final = 3
# Whole numbers up to here are exact, and are moments of the proleptic calendar.
_LAST_MS: Final = 2.0**52


def _by_value(function: Callable[..., float], at_its_poles: Callable[..., float] | None = None) -> Function:
    """A function of `math`, value by value: null outside its domain, an infinity beyond the range of a double.

    `at_its_poles` gives the same, and infinities where `math` refuses: it is asked where `math` refused a value.
    """
    patient = at_its_poles or function

    def one(*values: float) -> float:
        try:
            return patient(*values)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    def compute(*columns: Any) -> Numbers:  # noqa: ANN401 - numbers or columns of them
        given = np.broadcast_arrays(*(np.asarray(column, dtype=np.float64) for column in columns))
        flat = [column.ravel().tolist() for column in given]
        try:
            found = list(map(function, *flat))
        except (ValueError, OverflowError):
            found = list(map(one, *flat))
        computed: Numbers = np.array(found, dtype=np.float64).reshape(given[0].shape)
        computed[np.logical_or.reduce([np.isnan(column) for column in given])] = np.nan
        return computed

    return compute


def _log(value: float) -> float:
    return -math.inf if value == 0 else math.log(value)


def _log1p(value: float) -> float:
    return -math.inf if value == -1 else math.log1p(value)


def _power(base: float, exponent: float) -> float:
    if base == 0 and exponent < 0:
        return math.inf
    try:
        return math.pow(base, exponent)
    except OverflowError:
        odd = math.fmod(exponent, 2) != 0
        return -math.inf if base < 0 and odd else math.inf


def _lesser(a: Any, b: Any) -> Numbers:  # noqa: ANN401
    # Not numpy.minimum: which of 0.0 and -0.0 it gives depends on the length.
    return np.where(np.isnan(a) | np.isnan(b), np.nan, np.where(np.less(b, a), b, a))


def _greater(a: Any, b: Any) -> Numbers:  # noqa: ANN401
    return np.where(np.isnan(a) | np.isnan(b), np.nan, np.where(np.greater(b, a), b, a))


def _of_moment(part: Callable[[NDArray[np.int64]], Any]) -> Function:
    """A part of a moment, given in milliseconds since 1970, in UTC; null where there is no such moment."""

    def compute(moments: Any) -> Numbers:  # noqa: ANN401
        given = np.asarray(moments, dtype=np.float64)
        there = np.abs(given) <= _LAST_MS
        whole = np.floor(np.where(there, given, 0.0)).astype(np.int64)
        return np.where(there, part(whole), np.nan)

    return compute


def _month(moments: NDArray[np.int64]) -> Any:  # noqa: ANN401
    return moments.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64) % 12 + 1


def _day_of_month(moments: NDArray[np.int64]) -> Any:  # noqa: ANN401
    days = moments.astype("datetime64[ms]").astype("datetime64[D]")
    return (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1


FUNCTIONS: Final[Mapping[str, tuple[int, Function]]] = {
    "abs": (1, np.abs),
    "arcsin": (1, _by_value(math.asin)),
    "arctan2": (2, _by_value(math.atan2)),
    "ceil": (1, np.ceil),
    "cos": (1, _by_value(math.cos)),
    "day_of_month": (1, _of_moment(_day_of_month)),
    "day_of_week": (1, _of_moment(lambda moments: (moments // DAY_MS + _FIRST_DAY) % 7)),
    "exp": (1, _by_value(math.exp)),
    "expm1": (1, _by_value(math.expm1)),
    "floor": (1, np.floor),
    "hour": (1, _of_moment(lambda moments: moments // HOUR_MS % 24)),
    "log": (1, _by_value(math.log, _log)),
    "log1p": (1, _by_value(math.log1p, _log1p)),
    "maximum": (2, _greater),
    "minimum": (2, _lesser),
    "minute": (1, _of_moment(lambda moments: moments // MINUTE_MS % 60)),
    "month": (1, _of_moment(_month)),
    "power": (2, _by_value(math.pow, _power)),
    "round": (1, np.rint),
    "sign": (1, np.sign),
    "sin": (1, _by_value(math.sin)),
    "sqrt": (1, np.sqrt),
    "tan": (1, _by_value(math.tan)),
    "tanh": (1, _by_value(math.tanh)),
}
"""Each function of numbers by its name: how many arguments it takes, and what computes it."""
