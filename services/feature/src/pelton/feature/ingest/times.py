"""Times as texts, many at once. What `datetime.fromisoformat` would say of each is the measure."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

# What comes after the seconds, by the length of the whole: digits of a fraction, and whether an offset of hours and
# minutes follows or a Z.
_SHAPES: Final = {20: (0, False), 24: (3, False), 27: (6, False), 25: (0, True), 29: (3, True), 32: (6, True)}
_SEPARATORS: Final = {4: b"-", 7: b"-", 10: b"T ", 13: b":", 16: b":"}
_MONTH_DAYS: Final = np.array([31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_DAY_US: Final = 86_400_000_000


def microseconds(texts: Sequence[str]) -> tuple[Ints, Mask]:
    """The times since 1970 that texts of the usual shapes of RFC 3339 say, and which of the texts are of one.

    Usual are `2013-03-01T12:00:00`, with a fraction of three or six digits or none, and then Z or an offset; a space
    may stand for the T. Others may be times all the same.
    """
    found = np.zeros(len(texts), np.int64)
    usual = np.zeros(len(texts), np.bool_)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    for length in np.unique(lengths).tolist():
        if length not in _SHAPES:
            continue
        rows = np.flatnonzero(lengths == length)
        chosen = texts if rows.size == len(texts) else [texts[row] for row in rows.tolist()]
        # Whatever is not ASCII becomes a question mark, which no time has.
        raw = np.frombuffer("".join(chosen).encode("ascii", "replace"), np.uint8).reshape(-1, length)
        found[rows], usual[rows] = _parsed(raw, *_SHAPES[length])
    return found, usual


def milliseconds(moments_us: Ints) -> Ints:
    """The same to the millisecond, rounded as `round(moment.timestamp() * 1000)` does."""
    return np.rint(moments_us / 1e6 * 1000).astype(np.int64)


def _parsed(raw: NDArray[np.uint8], fraction: int, offset: bool) -> tuple[Ints, Mask]:  # noqa: FBT001 - a shape
    usual = np.ones(len(raw), np.bool_)
    for place, allowed in _SEPARATORS.items():
        usual &= np.isin(raw[:, place], np.frombuffer(allowed, np.uint8))

    def number(start: int, digits: int) -> Ints:
        nonlocal usual
        value: NDArray[Any] = np.zeros(len(raw), np.int64)
        for place in range(start, start + digits):
            digit = raw[:, place].astype(np.int64) - ord("0")
            usual &= (digit >= 0) & (digit <= 9)  # noqa: PLR2004 - digits
            value = value * 10 + digit
        return value

    year, month, day = number(0, 4), number(5, 2), number(8, 2)
    hour, minute, second = number(11, 2), number(14, 2), number(17, 2)
    micros = number(20, fraction) * 10 ** (6 - fraction) if fraction else 0
    if fraction:
        usual &= raw[:, 19] == ord(".")
    ahead: Ints | int = 0
    if offset:
        sign = raw[:, -6]
        hours, minutes = number(raw.shape[1] - 5, 2), number(raw.shape[1] - 2, 2)
        usual &= ((sign == ord("+")) | (sign == ord("-"))) & (raw[:, -3] == ord(":"))
        usual &= (hours < 24) & (minutes < 60)  # noqa: PLR2004 - a clock's
        ahead = np.where(sign == ord("-"), -1, 1) * (hours * 60 + minutes)
    else:
        usual &= raw[:, -1] == ord("Z")
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    longest = _MONTH_DAYS[np.clip(month, 1, 12) - 1] - ((month == 2) & ~leap)  # noqa: PLR2004 - February
    usual &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= longest)  # noqa: PLR2004 - months
    usual &= (hour < 24) & (minute < 60) & (second < 60)  # noqa: PLR2004 - a clock's
    minutes_of_day = hour * 60 + minute - ahead
    moments = _days(year, month, day) * _DAY_US + (minutes_of_day * 60 + second) * 1_000_000 + micros
    return np.where(usual, moments, 0), usual


def _days(year: Ints, month: Ints, day: Ints) -> Ints:
    """Days since 1970 of dates of the Gregorian calendar.

    See https://howardhinnant.github.io/date_algorithms.html#days_from_civil, for years from 1 on.
    """
    shifted = year - (month <= 2)  # noqa: PLR2004 - the year begins in March
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days: Ints = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return days
