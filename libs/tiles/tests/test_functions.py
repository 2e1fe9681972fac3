"""The functions of the language, against Python's own, and one row against many."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.tiles.expressions import Expression
from pelton.tiles.functions import FUNCTIONS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
doubles = st.floats(width=64) | st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, math.inf, -math.inf, math.nan, 1e308])
ORACLES: dict[str, Callable[..., float]] = {
    "abs": abs,
    "arcsin": math.asin,
    "arctan2": math.atan2,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "expm1": math.expm1,
    "floor": math.floor,
    "log": math.log,
    "log1p": math.log1p,
    "maximum": max,
    "minimum": min,
    "power": math.pow,
    "round": round,
    "sign": lambda value: (value > 0) - (value < 0),
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
    "tanh": math.tanh,
}
MOMENTS: dict[str, Callable[[datetime], float]] = {
    "day_of_month": lambda moment: moment.day,
    "day_of_week": lambda moment: moment.weekday(),
    "hour": lambda moment: moment.hour,
    "minute": lambda moment: moment.minute,
    "month": lambda moment: moment.month,
}


def call(name: str, rows: list[tuple[float, float]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    arguments = "x" if FUNCTIONS[name][0] == 1 else "x, y"
    columns = {"x": np.array([row[0] for row in rows]), "y": np.array([row[1] for row in rows])}
    return Expression.parse(f"{name}({arguments})").evaluate(columns)


def test_every_function_has_an_oracle() -> None:
    assert FUNCTIONS.keys() == ORACLES.keys() | MOMENTS.keys()


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(st.tuples(doubles, doubles), min_size=1, max_size=70))
def test_one_row_alone_gives_the_bits_that_it_gives_among_others(name: str, rows: list[tuple[float, float]]) -> None:
    alone = [call(name, [row]).tobytes() for row in rows]
    assert b"".join(alone) == call(name, rows).tobytes()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_many_ordinary_rows_give_the_bits_of_each(name: str) -> None:
    rows = list(zip(np.linspace(0.001, 40, 4001).tolist(), np.linspace(-3, 7, 4001).tolist(), strict=True))
    assert b"".join(call(name, [row]).tobytes() for row in rows) == call(name, rows).tobytes()


@given(st.sampled_from(sorted(ORACLES)), doubles, doubles)
def test_a_function_is_pythons_and_null_outside_its_domain(name: str, x: float, y: float) -> None:
    (found,) = call(name, [(x, y)])
    used = (x, y)[: FUNCTIONS[name][0]]
    if any(map(math.isnan, used)):
        assert math.isnan(found)
        return
    try:
        expected = float(ORACLES[name](*used))
    except OverflowError:
        assert math.isinf(found)
    except ValueError:  # a logarithm of zero and a negative power of it are poles, all else is outside
        pole = (name, x) in {("log", 0), ("log1p", -1)} or (name == "power" and x == 0)
        assert math.isinf(found) if pole else math.isnan(found)
    else:
        assert found == expected


def test_a_power_beyond_a_double_keeps_its_sign() -> None:
    assert call("power", [(-10.0, 401.0), (-10.0, 400.0), (10.0, 401.0)]).tolist() == [-math.inf, math.inf, math.inf]


@given(st.sampled_from(sorted(MOMENTS)), st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001
def test_the_parts_of_a_moment_are_those_of_the_calendar(name: str, naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    (found,) = call(name, [((moment - EPOCH) // timedelta(milliseconds=1), 0.0)])
    assert found == MOMENTS[name](moment)


@pytest.mark.parametrize("moment", [math.nan, math.inf, 1e300])
def test_what_is_no_moment_has_no_parts(moment: float) -> None:
    assert all(math.isnan(call(name, [(moment, 0.0)])[0]) for name in MOMENTS)


@given(st.lists(st.tuples(doubles, doubles), min_size=1, max_size=20))
def test_there_is_one_null(rows: list[tuple[float, float]]) -> None:
    columns = {"x": np.array([row[0] for row in rows]), "y": np.array([row[1] for row in rows])}
    for text in ("x - y", "-x", "x / y", "x % y", "sqrt(x)"):
        found = Expression.parse(text).evaluate(columns)
        assert {value.tobytes() for value in found[np.isnan(found)]} <= {np.float64(math.nan).tobytes()}
