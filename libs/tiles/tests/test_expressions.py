import ast
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pelton.tiles.expressions import MAX_LENGTH, Expression, ExpressionError

Row = Mapping[str, float | str | None]
Answer = float | str | None


@dataclass(frozen=True)
class Meaning:
    """A text of the language, and what it means for one row: None is null."""

    text: str
    of: Callable[[Row], Answer]


def number(value: Answer) -> float | None:
    assert not isinstance(value, str)
    return value


def binary(sign: str, left: Meaning, right: Meaning) -> Meaning:
    def of(row: Row) -> Answer:
        a, b = number(left.of(row)), number(right.of(row))
        if a is None or b is None:
            return None
        match sign:
            case "+":
                return a + b
            case "-":
                return a - b
            case "*":
                return a * b
            case _ if b != 0:
                return a / b
            case _:  # IEEE 754: the sign of a zero counts
                return None if a == 0 else math.copysign(math.inf, a) * math.copysign(1, b)

    return Meaning(f"({left.text} {sign} {right.text})", lambda row: null_if_nan(of(row)))


def null_if_nan(value: Answer) -> Answer:
    return None if isinstance(value, float) and math.isnan(value) else value


def comparison(sign: str, left: Meaning, right: Meaning) -> Meaning:
    def of(row: Row) -> Answer:
        a, b = left.of(row), right.of(row)
        if a is None or b is None:
            return None
        ordered = (a > b) - (a < b)  # type: ignore[operator]
        holds = {"==": a == b, "!=": a != b, "<": ordered < 0, "<=": ordered <= 0, ">": ordered > 0, ">=": ordered >= 0}
        return float(holds[sign])

    return Meaning(f"({left.text} {sign} {right.text})", of)


def logic(word: str, left: Meaning, right: Meaning) -> Meaning:
    """Kleene's tables: `and` is the lesser and `or` the greater, where null lies between false and true."""

    def rank(value: Answer) -> int:
        return 1 if value is None else 2 * (value != 0)

    def of(row: Row) -> Answer:
        chosen = (min if word == "and" else max)(rank(left.of(row)), rank(right.of(row)))
        return (0.0, None, 1.0)[chosen]

    return Meaning(f"({left.text} {word} {right.text})", of)


def unary(sign: str, operand: Meaning) -> Meaning:
    def of(row: Row) -> Answer:
        value = number(operand.of(row))
        if sign == "is_null":
            return float(value is None)
        if value is None:
            return None
        return {"-": -value, "not ": float(value == 0), "abs": abs(value), "+": value}[sign]

    return Meaning(f"({sign}({operand.text}))", of)


def choice(condition: Meaning, left: Meaning, right: Meaning) -> Meaning:
    def of(row: Row) -> Answer:
        return (left if condition.of(row) not in (None, 0) else right).of(row)

    return Meaning(f"where({condition.text}, {left.text}, {right.text})", of)


def first(parts: list[Meaning]) -> Meaning:
    def of(row: Row) -> Answer:
        return next((value for part in parts if (value := part.of(row)) is not None), None)

    return Meaning(f"coalesce({', '.join(part.text for part in parts)})", of)


def field(name: str) -> Meaning:
    return Meaning(name, lambda row: row[name])


eighths = st.integers(-1000, 1000).map(lambda whole: whole / 8)
numbers = st.one_of(
    st.sampled_from(["x", "y"]).map(field),
    eighths.map(lambda value: Meaning(repr(value), lambda _: value)),
    st.booleans().map(lambda value: Meaning(repr(value), lambda _: float(value))),
)
texts = st.one_of(
    st.sampled_from(["carrier", "origin"]).map(field),
    st.sampled_from(["UA", "", "Zürich", 'a"b']).map(lambda value: Meaning(repr(value), lambda _: value)),
)
truths = st.one_of(
    st.builds(comparison, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), numbers, numbers),
    st.builds(comparison, st.sampled_from(["==", "!="]), texts, texts),
    st.sampled_from(["carrier", "x"]).map(
        lambda name: Meaning(f"is_null({name})", lambda row: float(row[name] is None))
    ),
)
expressions = st.recursive(
    st.one_of(numbers, truths),
    lambda parts: st.one_of(
        st.builds(binary, st.sampled_from("+-*/"), parts, parts),
        st.builds(comparison, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), parts, parts),
        st.builds(logic, st.sampled_from(["and", "or"]), parts, parts),
        st.builds(unary, st.sampled_from(["-", "+", "not ", "abs", "is_null"]), parts),
        st.builds(choice, parts, parts, parts),
        st.builds(first, st.lists(parts, min_size=2, max_size=3)),
    ),
    max_leaves=10,
)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "x": st.none() | eighths,
            "y": st.none() | eighths,
            "carrier": st.sampled_from(["UA", "AA", "", None]),
            "origin": st.sampled_from(["UA", "Zürich", None]),
        }
    ),
    min_size=1,
    max_size=8,
)


def arrays(given_rows: list[dict[str, float | str | None]]) -> dict[str, np.ndarray[tuple[int], np.dtype[np.generic]]]:
    return {
        "x": np.array([math.nan if row["x"] is None else row["x"] for row in given_rows], dtype=np.float64),
        "y": np.array([math.nan if row["y"] is None else row["y"] for row in given_rows], dtype=np.float64),
        "carrier": np.array([row["carrier"] for row in given_rows], dtype=object),
        "origin": np.array([row["origin"] for row in given_rows], dtype=object),
    }


@given(expressions, rows)
@settings(max_examples=300)
def test_every_expression_means_what_kleene_and_ieee_say(
    expression: Meaning, given_rows: list[dict[str, float | str | None]]
) -> None:
    found = Expression.parse(expression.text).evaluate(arrays(given_rows))
    assert found.dtype == np.float64
    assert [null_if_nan(value) for value in found.tolist()] == [expression.of(row) for row in given_rows]


@given(expressions, rows)
@settings(max_examples=200)
def test_without_nulls_it_is_python(expression: Meaning, given_rows: list[dict[str, float | str | None]]) -> None:
    whole = [row for row in given_rows if None not in row.values()]
    found = Expression.parse(expression.text).evaluate(arrays(whole)) if whole else np.empty(0)
    for row, value in zip(whole, found.tolist(), strict=True):
        scope = {
            "__builtins__": {},
            "abs": abs,
            "bool": bool,
            "is_null": lambda one: one is None,
            "where": lambda condition, left, right: left if condition else right,
            "coalesce": lambda *values: values[0],
            **row,
        }
        try:
            expected = eval(as_python(expression.text), scope)  # noqa: S307 - the text is generated above
        except ZeroDivisionError:
            continue
        assert value == expected


def as_python(text: str) -> CodeType:
    """The text as Python runs it, but that `and` and `or` answer a truth, not an operand."""

    class Truths(ast.NodeTransformer):
        def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
            return ast.Call(ast.Name("bool", ast.Load()), [self.generic_visit(node)], [])

    tree = ast.fix_missing_locations(Truths().visit(ast.parse(text, mode="eval")))
    return compile(tree, "<expression>", "eval")


@given(expressions)
def test_fields_are_the_names_it_reads(expression: Meaning) -> None:
    known = {"x", "y", "carrier", "origin"}
    names = {node.id for node in ast.walk(ast.parse(expression.text)) if isinstance(node, ast.Name)}
    assert Expression.parse(expression.text).fields == names & known


def test_comparisons_chain_and_precedence_is_pythons() -> None:
    columns = {"x": np.array([1.0, 5.0, math.nan]), "y": np.array([2.0, 2.0, 2.0])}
    assert Expression.parse("0 < x < y").evaluate(columns).tolist()[:2] == [1.0, 0.0]
    assert math.isnan(Expression.parse("0 < x < y").evaluate(columns)[2])
    assert Expression.parse("not x > 3 and y + x * 2 > 3").evaluate(columns).tolist()[:2] == [1.0, 0.0]


REFUSED = [
    "x.real", "x.__class__", "(1).__class__.__bases__", "x[0]", "x[0:1]", "[x]", "(x, y)", "{x}", "{x: y}",
    "open('f')", "__import__('os')", "eval('1')", "abs(x, y)", "abs()", "abs(*x)", "abs(x=y)", "abs(x)(y)",
    "abs.real(x)",
    "lambda: x", "x if y else x", "[i for i in x]", "(y := x)", "await x", "yield x", "f'{x}'", "b'x'", "...", "1j",
    "None",
    "x ** 9 ** 9 ** 9", "x // 2", "x @ y", "log()", "log(x, y)", "where(x, y)", "coalesce(x)", "minimum(x)",
    "coalesce(" + "x, " * 20 + "x)", "x << 9999999999", "x & y", "~x", "x is y", "x in y", "x not in y",
    "", " ", "x;y", "x = 1", "import os", "x\ny", "x\0", "*x", "#x",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_all_else_of_python_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 900 + "x" + ")" * 900,
        "-" * 1900 + "x",
        "not " * 400 + "x",
        "x" + " + x" * 400,
        "abs(" * 300 + "x" + ")" * 300,
        "x" + " " * MAX_LENGTH,
    ],
)
def test_what_is_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression.parse(text)


def test_a_refusal_says_what_where_and_what_is_allowed() -> None:
    with pytest.raises(ExpressionError, match=r"List at character 5 is not allowed; there are fields, .*is_null, log"):
        Expression.parse("x + [1]")


WORDS = [
    "x", "carrier", "nobody", "1", "2.5", "'UA'", "True", "None", "(", ")", "+", "-", "*", "**", "/", "<", "==", "!=",
    "and", "or", "not", "in", "is", "abs(", "is_null(", "eval(", ".", ",", "[", "]", ":", "lambda", "=", "'", "\\", "{",
    "é",
]  # fmt: skip


@given(st.one_of(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), st.text(max_size=40)))
@settings(max_examples=500)
def test_any_text_is_an_expression_or_its_own_error(text: str) -> None:
    columns = {"x": np.array([1.0, math.nan]), "carrier": np.array(["UA", None], dtype=object)}
    with suppress(ExpressionError):
        found = Expression.parse(text).evaluate(columns)
        assert (found.dtype, found.shape) == (np.float64, (2,))


@pytest.mark.parametrize("text", ["carrier + 1", "-carrier", "carrier > 1", "carrier < 'UA'", "carrier", "not carrier"])
def test_a_text_is_only_compared_with_texts(text: str) -> None:
    with pytest.raises(ExpressionError, match="text"):
        Expression.parse(text).evaluate({"carrier": np.array(["UA"], dtype=object)})


def test_a_field_that_is_missing_is_named_with_those_there_are() -> None:
    with pytest.raises(ExpressionError, match=r"'y'.*carrier, x"):
        Expression.parse("x + y").evaluate({"x": np.zeros(1), "carrier": np.array(["UA"], dtype=object)})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("carrier", ["UA", "", None]),
        ("'UA'", ["UA", "UA", "UA"]),
        ("where(x > 1, carrier, 'none')", ["none", "", "none"]),
        ("coalesce(carrier, 'none')", ["UA", "", "none"]),
    ],
)
def test_an_expression_may_be_a_text(text: str, values: list[str | None]) -> None:
    columns = {"x": np.array([1.0, 2.0, math.nan]), "carrier": np.array(["UA", "", None], dtype=object)}
    assert Expression.parse(text).column(columns).tolist() == values


@pytest.mark.parametrize(
    "text", ["where(x, carrier, 1)", "coalesce(x, carrier)", "where(carrier, 1, 2)", "log(carrier)"]
)
def test_texts_do_not_stand_beside_numbers(text: str) -> None:
    with pytest.raises(ExpressionError, match="text"):
        Expression.parse(text).column({"x": np.zeros(1), "carrier": np.array(["UA"], dtype=object)})


@pytest.mark.parametrize("text", ["1", "1 < 2", "'a' == 'a'", "x", "carrier == 'UA'"])
def test_no_rows_have_no_values(text: str) -> None:
    assert Expression.parse(text).evaluate({"x": np.empty(0), "carrier": np.empty(0, dtype=object)}).shape == (0,)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e999", "-1e999"])
def test_a_number_beyond_float64_is_refused_when_it_is_declared(number: str) -> None:
    with pytest.raises(ExpressionError, match="range"):
        Expression.parse(f"x > {number}")


def test_the_largest_whole_number_of_float64_is_let_in() -> None:
    assert Expression.parse(f"x < {2**1024 - 2**971}").evaluate({"x": np.zeros(1)}).tolist() == [1.0]
