"""The functions that transformations are written with: of columns that are traced, or of arrays, to the same bits.

from pelton.sdk.functions import log, where
"""

from typing import Any

import numpy as np

from pelton.sdk.tracing import Traced, call
from pelton.tiles.expressions import Expression

Column = Any
"""A column of a transformation, an array of shape (n,), a number or a text."""


def where(condition: Column, chosen: Column, otherwise: Column) -> Column:
    """`chosen` where the condition is true; `otherwise` where it is false or null."""
    return _apply("where", condition, chosen, otherwise)


def coalesce(*columns: Column) -> Column:
    """In each row the first value that is not null."""
    return _apply("coalesce", *columns)


def is_null(x: Column) -> Column:
    """Whether there is no value."""
    return _apply("is_null", x)


def minimum(x: Column, y: Column) -> Column:
    """The lesser; null where one is null."""
    return _apply("minimum", x, y)


def maximum(x: Column, y: Column) -> Column:
    """The greater; null where one is null."""
    return _apply("maximum", x, y)


def sign(x: Column) -> Column:
    """1, 0 or -1."""
    return _apply("sign", x)


def floor(x: Column) -> Column:
    """The greatest whole number that is not greater."""
    return _apply("floor", x)


def ceil(x: Column) -> Column:
    """The least whole number that is not less."""
    return _apply("ceil", x)


def round(x: Column) -> Column:  # noqa: A001 - the field's own word
    """The nearest whole number; a half goes to the even one."""
    return _apply("round", x)


def sqrt(x: Column) -> Column:
    """The square root; null below zero."""
    return _apply("sqrt", x)


def power(x: Column, y: Column) -> Column:
    """`x` to the power of `y`."""
    return _apply("power", x, y)


def exp(x: Column) -> Column:
    """The exponential: e to the power of `x`."""
    return _apply("exp", x)


def expm1(x: Column) -> Column:
    """`exp(x) - 1`, exact near zero."""
    return _apply("expm1", x)


def log(x: Column) -> Column:
    """The natural logarithm; null below zero."""
    return _apply("log", x)


def log1p(x: Column) -> Column:
    """`log(1 + x)`, exact near zero."""
    return _apply("log1p", x)


def sin(x: Column) -> Column:
    """The sine of an angle in radians."""
    return _apply("sin", x)


def cos(x: Column) -> Column:
    """The cosine of an angle in radians."""
    return _apply("cos", x)


def tan(x: Column) -> Column:
    """The tangent of an angle in radians."""
    return _apply("tan", x)


def tanh(x: Column) -> Column:
    """The hyperbolic tangent."""
    return _apply("tanh", x)


def arcsin(x: Column) -> Column:
    """The angle in radians whose sine is `x`; null beyond -1 and 1."""
    return _apply("arcsin", x)


def arctan2(y: Column, x: Column) -> Column:
    """The angle in radians of the point (x, y)."""
    return _apply("arctan2", y, x)


def minute(t: Column) -> Column:
    """The minute of the hour of a moment in milliseconds since 1970, in UTC."""
    return _apply("minute", t)


def hour(t: Column) -> Column:
    """The hour of the day of a moment in milliseconds since 1970, in UTC."""
    return _apply("hour", t)


def day_of_week(t: Column) -> Column:
    """The day of the week of a moment in milliseconds since 1970, in UTC: 0 is Monday."""
    return _apply("day_of_week", t)


def day_of_month(t: Column) -> Column:
    """The day of the month of a moment in milliseconds since 1970, in UTC, from 1."""
    return _apply("day_of_month", t)


def month(t: Column) -> Column:
    """The month of a moment in milliseconds since 1970, in UTC, from 1."""
    return _apply("month", t)


def _apply(name: str, *arguments: Column) -> Column:
    if any(isinstance(one, Traced) for one in arguments):
        return call(name, *arguments)
    given = np.broadcast_arrays(*(_array(one) for one in arguments))
    columns = {f"x{place}": np.atleast_1d(one) for place, one in enumerate(given)}
    found = Expression.parse(f"{name}({', '.join(columns)})").column(columns)
    return found if given[0].ndim else found[0]


def _array(value: Column) -> Column:
    array = np.asarray(value)
    return array.astype(object if array.dtype.kind in "OUS" else np.float64)
