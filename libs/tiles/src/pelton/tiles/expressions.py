"""A small language over the fields of events, such as `arr_delay > 15` or `carrier == "UA" and dep_delay * 60 < 900`.

It has fields, numbers, texts, `True`, `False`, `+ - * / %`, comparisons, `and or not`, `is_null(x)`,
`where(condition, x, otherwise)`, `coalesce(x, y, ...)` and the functions of `pelton.tiles.functions`, such as `log(x)`
and `hour(t)`. Null goes through: arithmetic and comparisons with null are null, `and`, `or` and `not` follow Kleene's
logic; `where` gives what is otherwise where its condition is null. It is parsed with Python's own grammar, of which
nothing else is let in, and never run as Python. One row alone gives the bits that it gives among others.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pelton.tiles.functions import FUNCTIONS

MAX_LENGTH: Final = 2000
MAX_DEPTH: Final = 50

Column = NDArray[Any]
Columns = Mapping[str, Column]
Numbers = NDArray[np.float64]

_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: np.mod,
}
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MOST_ARGUMENTS: Final = 20
# How many arguments each function takes, at least and at most.
_ARGUMENTS: Final[Mapping[str, tuple[int, int]]] = {
    "coalesce": (2, _MOST_ARGUMENTS),
    "is_null": (1, 1),
    "where": (3, 3),
} | {name: (count, count) for name, (count, _) in FUNCTIONS.items()}


class ExpressionError(ValueError):
    """An expression outside the language, or a field that the events do not have."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression. `fields` are the names it reads."""

    text: str
    fields: frozenset[str]
    _tree: ast.expr

    @staticmethod
    def parse(text: str) -> "Expression":
        """Parse an expression.

        Raises:
            ExpressionError: not of this language; says what and where.
        """
        return _parse(text)

    def evaluate(self, columns: Columns) -> Numbers:
        """The value for each event, shape (n,): numbers as they are, true as 1, false as 0, null as NaN.

        Columns of shape (n,) are float64 with NaN for null, or objects (texts) with None for null.

        Raises:
            ExpressionError: a field is missing, or texts are where numbers belong.
        """
        value = self.column(columns)
        if value.dtype == object:
            raise ExpressionError(f"{self.text!r} is a text; compare it with one to get a number")
        return value

    def column(self, columns: Columns) -> Column:
        """The value for each event, shape (n,), as `evaluate` gives it; of an expression that is a text, texts.

        Texts are objects, with None for null.

        Raises:
            ExpressionError: a field is missing, or texts are where numbers belong.
        """
        rows = len(next(iter(columns.values()), ()))
        with np.errstate(all="ignore"):
            value = _evaluate(self._tree, columns, self.text)
        if _is_text(value):
            return np.array(np.broadcast_to(np.asarray(value, dtype=object), (rows,)))
        found = np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), (rows,)))
        # There is one null: which of the many NaNs arithmetic makes is left to the processor.
        found[np.isnan(found)] = np.nan
        return found


@lru_cache(maxsize=1024)
def _parse(text: str) -> Expression:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression may have {MAX_LENGTH} characters, and this one has {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError(f"{text!r} is no expression: {error}") from error
    fields: set[str] = set()
    _check(tree, text, fields, 0)
    return Expression(text, frozenset(fields), tree)


def _check(node: ast.expr, text: str, fields: set[str], depth: int) -> None:
    """Let only the language's own nodes through, and note the fields."""
    if depth > MAX_DEPTH:
        raise ExpressionError(f"{text!r} is nested more than {MAX_DEPTH} deep")
    parts: list[ast.expr] = []
    match node:
        case ast.Name(id=name):
            fields.add(name)
        case ast.Constant(value=int() | float() as value) if not _is_finite(value):
            raise ExpressionError(f"{text!r} has a number beyond the range of a double, about 1.8e308")
        case ast.Constant(value=int() | float() | str()):
            pass
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            parts = [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
            parts = [operand]
        case ast.BoolOp(values=parts_of):
            parts = list(parts_of)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
            parts = [left, *others]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _ARGUMENTS:
            least, most = _ARGUMENTS[name]
            if not least <= len(arguments) <= most:
                takes = str(least) if least == most else f"{least} to {most}"
                raise ExpressionError(f"{text!r}: {name} takes {takes} arguments, and has {len(arguments)}")
            parts = arguments
        case _:
            place = f"at character {getattr(node, 'col_offset', 0) + 1}"
            raise ExpressionError(
                f"{text!r}: {type(node).__name__} {place} is not allowed; there are fields, numbers, texts, + - * / %, "
                f"comparisons, and, or, not, and the functions {', '.join(sorted(_ARGUMENTS))}"
            )
    for part in parts:
        _check(part, text, fields, depth + 1)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _evaluate(node: ast.expr, columns: Columns, text: str) -> Any:  # noqa: ANN401 - a number, a text or a column
    match node:
        case ast.Name(id=name):
            if name not in columns:
                known = ", ".join(sorted(columns))
                raise ExpressionError(f"{text!r} reads the field {name!r}, which the events do not have: {known}")
            return columns[name]
        case ast.Constant(value=str() as value):
            return value
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.BinOp(left=left, op=op, right=right):
            sides = [_number(_evaluate(side, columns, text), text) for side in (left, right)]
            return _ARITHMETIC[type(op)](*sides)
        case ast.UnaryOp(op=op, operand=operand):
            number = _number(_evaluate(operand, columns, text), text)
            return _not(number) if isinstance(op, ast.Not) else -number if isinstance(op, ast.USub) else number
        case ast.BoolOp(op=op, values=values):
            truths = [_truth(_number(_evaluate(value, columns, text), text)) for value in values]
            return _all(truths) if isinstance(op, ast.And) else _not(_all([_not(truth) for truth in truths]))
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [_evaluate(side, columns, text) for side in (left, *others)]
            compared = [_compare(a, op, b, text) for a, op, b in zip(sides, ops, sides[1:], strict=False)]
            return _all(compared) if len(compared) > 1 else compared[0]
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _call(name, [_evaluate(argument, columns, text) for argument in arguments], text)
    raise ExpressionError(f"{text!r} cannot be evaluated")


def _call(name: str, given: list[Any], text: str) -> Any:  # noqa: ANN401
    match name:
        case "is_null":
            return _is_null(given[0]).astype(np.float64)
        case "where":
            condition, *choices = given
            left, right = _alike(choices, name, text)
            return np.where(_truth(_number(condition, text)) == 1.0, left, right)
        case "coalesce":
            *before, found = _alike(given, name, text)
            for value in reversed(before):
                found = np.where(_is_null(value), found, value)
            return found
        case _:
            return FUNCTIONS[name][1](*(_number(value, text) for value in given))


def _alike(values: list[Any], name: str, text: str) -> list[Column]:
    """Values of which one may stand for another: numbers, or texts."""
    texts = [_is_text(value) for value in values]
    if any(texts) and not all(texts):
        raise ExpressionError(f"{text!r}: {name} has texts beside numbers; it gives the one or the other")
    return [np.asarray(value, dtype=object if any(texts) else np.float64) for value in values]


def _compare(left: Any, op: ast.cmpop, right: Any, text: str) -> Numbers:  # noqa: ANN401
    if _is_text(left) != _is_text(right):
        raise ExpressionError(f"{text!r} compares a text with a number")
    if _is_text(left) and not isinstance(op, ast.Eq | ast.NotEq):
        raise ExpressionError(f"{text!r}: texts can be compared by == and != only")
    truth = np.asarray(_COMPARISONS[type(op)](left, right), dtype=np.float64)
    return np.where(_is_null(left) | _is_null(right), np.nan, truth)


def _all(truths: list[Numbers]) -> Numbers:
    """Kleene's and: false if one is false, else null if one is null."""
    stacked = np.stack(np.broadcast_arrays(*truths))
    return np.where((stacked == 0).any(axis=0), 0.0, np.where(np.isnan(stacked).any(axis=0), np.nan, 1.0))


def _not(value: Numbers) -> Numbers:
    return 1.0 - _truth(value)


def _truth(value: Numbers) -> Numbers:
    return np.where(np.isnan(value), np.nan, (np.asarray(value) != 0).astype(np.float64))


def _is_null(value: Any) -> NDArray[np.bool_]:  # noqa: ANN401
    if _is_text(value):
        return np.asarray(np.asarray(value, dtype=object) == None, dtype=np.bool_)  # noqa: E711 - elementwise
    return np.isnan(np.asarray(value, dtype=np.float64))


def _is_text(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, str) or (isinstance(value, np.ndarray) and value.dtype == object)


def _number(value: Any, text: str) -> Numbers:  # noqa: ANN401
    if _is_text(value):
        raise ExpressionError(f"{text!r} uses a text as a number")
    return np.asarray(value, dtype=np.float64)
