"""A function over columns is traced into expressions that give the bits of the function itself."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pelton.contracts.definitions import TransformationDefinition
from pelton.sdk import Transformation, functions, transformation
from pelton.sdk.frames import FrameError
from pelton.sdk.functions import coalesce, day_of_week, hour, is_null, log1p, maximum, where
from pelton.sdk.tracing import TransformationError
from pelton.tiles.expressions import ExpressionError
from pelton.tiles.functions import FUNCTIONS

Function = Callable[..., Any]


@transformation(inputs={"usual": "carrier_landings:delay_1d"}, owner="ann", tags={"team": "flights"})
def surprise(delay: Any, usual: Any, carrier: Any, at: Any) -> dict[str, Any]:  # noqa: ANN401
    """How much later than usual."""
    excess = delay - coalesce(usual, 0)
    return {
        "excess": excess,
        "ratio": where(usual > 0, delay / maximum(usual, 1), 0),
        "ours": (carrier == "UA") & ~is_null(usual),
        "weekend": day_of_week(at) >= 5,
        "night": (hour(at) < 6) | (hour(at) >= 22),
        "log": log1p(abs(excess)),
    }


ROWS = {
    "delay": np.array([10.0, 3.0, math.nan]),
    "usual": np.array([4.0, math.nan, 2.0]),
    "carrier": np.array(["UA", "UA", "AA"], dtype=object),
    "at": np.array([0.0, 86_400_000.0 * 2, 23 * 3_600_000.0]),
}


def test_a_function_is_traced_into_a_definition() -> None:
    assert surprise.definition == TransformationDefinition(
        name="surprise",
        description="How much later than usual.",
        inputs={"usual": "carrier_landings:delay_1d"},
        request=("delay", "carrier", "at"),
        features={
            "excess": "delay - coalesce(usual, 0)",
            "ratio": "where(usual > 0, delay / maximum(usual, 1), 0)",
            "ours": "carrier == 'UA' and (not is_null(usual))",
            "weekend": "day_of_week(at) >= 5",
            "night": "hour(at) < 6 or hour(at) >= 22",
            "log": "log1p(abs(delay - coalesce(usual, 0)))",
        },
        owner="ann",
        tags={"team": "flights"},
    )


def test_it_is_called_with_arrays_and_computed_of_tables() -> None:
    found = surprise(**ROWS)
    assert found["excess"].tolist()[:2] == [6.0, 3.0]
    assert found["ours"].tolist() == [1.0, 0.0, 0.0]
    assert found["weekend"].tolist() == [0.0, 1.0, 0.0]
    table = pl.DataFrame(
        {
            name: pl.Series(values.tolist()).fill_nan(None) if values.dtype != object else values.tolist()
            for name, values in ROWS.items()
        }
    )
    for frame in (table, table.to_pandas(), table.to_arrow()):
        computed = surprise.compute(frame)
        assert type(computed) is type(frame)
        for name, column in found.items():
            np.testing.assert_array_equal(pl.DataFrame(computed)[name].fill_null(math.nan).to_numpy(), column)
    with pytest.raises(FrameError, match="'surprise' reads the column 'delay', which the table lacks: at, carrier"):
        surprise.compute(table.select("at", "carrier"))
    assert surprise(1, None, "UA", 0)["excess"].tolist() == [1.0]
    with pytest.raises(ExpressionError, match="text"):
        surprise("late", 1, "UA", 0)


def test_one_column_is_the_feature_of_the_functions_name() -> None:
    @transformation(name="a-rate", description="")
    def rate(part: Any, whole: Any) -> Any:  # noqa: ANN401
        return part / whole

    assert isinstance(rate, Transformation)
    assert (rate.name, rate.features, rate.definition.description) == ("a-rate", {"rate": "part / whole"}, "")


def test_numpys_own_functions_are_traced() -> None:
    @transformation()
    def same(x: Any, y: Any) -> dict[str, Any]:  # noqa: ANN401
        return {
            "a": np.where(np.isnan(x) | np.less(x, y), np.log1p(x), np.float64(2) * y),
            "b": np.maximum(x, np.add(1, y)) - np.negative(y),
            "c": np.round(np.abs(x)),
        }

    assert same.features == {
        "a": "where(is_null(x) or x < y, log1p(x), 2.0 * y)",
        "b": "maximum(x, 1 + y) - -y",
        "c": "round(abs(x))",
    }


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: 1 if x > 0 else 2, "an `if`"),
        (lambda x: x > 0 and x < 1, "`and`"),
        (lambda x: 0 < x < 1, "chained"),
        (lambda x: max(x, 1), "max"),
        (lambda x: sum(one for one in x), "a loop over a column"),
        (lambda x: x[0], "an element"),
        (lambda x: len(x) * x, "the length"),
        (lambda x: 2 * math.log(x), r"a function of `math`.*use pelton\.sdk\.functions"),
        (lambda x: int(x) + x, r"write floor\(x\)"),
        (lambda x: x // 2, r"write floor\(x / y\)"),
        (lambda x: x.fillna(0), "no 'fillna' here"),
        (lambda x: 1 - np.cumsum(x), r"numpy\.cumsum cannot be traced"),
        (lambda x: x / np.add.reduce(x), r"numpy\.add cannot be traced"),
        (lambda x: where(x > 0, x, None), r"None is no value.*coalesce"),
        (lambda x: x + np.arange(3), "cannot be part of a transformation"),
        (lambda x: x + math.inf, "inf is no number"),
        (lambda x: {"Bad": x}, "Bad"),
        (lambda x: {} if x is None else {"": x}, "features"),
        (lambda x: {"x": sum([x] * 60)}, "nested more than .* make several features of it"),
        (lambda *x: x[0], "name each argument"),
    ],
)
def test_what_cannot_be_traced_says_what_to_write_instead(function: Function, words: str) -> None:
    with pytest.raises(TransformationError, match=words):
        transformation(name="t")(function)


def test_an_input_that_is_no_argument_is_refused() -> None:
    with pytest.raises(TransformationError, match="`inputs` names y, no argument of it"):
        transformation(inputs={"y": "v:y"})(lambda x: x)


def test_every_function_of_the_language_is_there_to_write_with() -> None:
    written = {name for name in vars(functions) if not name.startswith("_")}
    assert FUNCTIONS.keys() - {"abs"} <= written


one_number = st.floats(-50, 50).map(lambda value: float(np.round(value, 3)))
columns = st.sampled_from(["x", "y"]).map(lambda name: lambda of: getattr(of, name))
SIGNS: list[Function] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: a % b,
    lambda a, b: where(a > b, a, b),
    lambda a, b: where((a >= b) & (b <= 9) | (a == 2), a, b),
    lambda a, b: where(a < b, 1, 0),
    lambda a, b: where(a <= b, -a, +b),
    functions.minimum,
    functions.maximum,
    functions.coalesce,
    functions.arctan2,
]
NAMES = sorted(name for name, (count, _) in FUNCTIONS.items() if count == 1 and name != "abs")


def binary(sign: Function, left: Function, right: Function) -> Function:
    return lambda of: sign(left(of), right(of))


def unary(name: str, operand: Function) -> Function:
    return lambda of: getattr(functions, name)(operand(of))


numbers = one_number.map(lambda value: lambda _: value)
written = st.recursive(
    st.one_of(columns, st.builds(binary, st.sampled_from(SIGNS), columns, numbers)),
    lambda parts: st.one_of(
        st.builds(binary, st.sampled_from(SIGNS), parts, parts), st.builds(unary, st.sampled_from(NAMES), parts)
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(written, st.lists(st.tuples(one_number, one_number), min_size=1, max_size=40))
def test_the_function_on_arrays_gives_the_bits_of_what_was_traced(
    function: Function, rows: list[tuple[float, float]]
) -> None:
    x, y = (np.array(values) for values in zip(*rows, strict=True))
    made = transformation(name="t")(lambda x, y: {"f": function(SimpleNamespace(x=x, y=y))})
    with np.errstate(all="ignore"):
        itself = np.array(function(SimpleNamespace(x=x, y=y)), dtype=np.float64)
    itself[np.isnan(itself)] = np.nan
    assert made(x, y)["f"].tobytes() == itself.tobytes()
