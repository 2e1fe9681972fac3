"""A function over columns, called once with names in their place: what it does to them becomes expressions."""

import ast
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from pelton.sdk.errors import PeltonError

_ROWS: Final = (
    "a transformation is traced once, for all rows: {what} asks for the value of one row. "
    "Write where(condition, x, otherwise) for `if`, & | ~ for `and`, `or`, `not`, and minimum(x, y) and maximum(x, y)"
)


class TransformationError(PeltonError):
    """A function that is no transformation; the message says what of it cannot be traced, and what to write instead."""


class Traced:
    """A column that has no values yet: operators and functions on it are noted down.

    NumPy's functions of the same names are noted down too, so that a function may be written with either.
    """

    __slots__ = ("node",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, node: ast.expr) -> None:
        self.node = node

    def text(self) -> str:
        """The expression."""
        return ast.unparse(self.node)

    def __add__(self, other: object) -> "Traced":
        return _binary(self, ast.Add(), other)

    def __radd__(self, other: object) -> "Traced":
        return _binary(other, ast.Add(), self)

    def __sub__(self, other: object) -> "Traced":
        return _binary(self, ast.Sub(), other)

    def __rsub__(self, other: object) -> "Traced":
        return _binary(other, ast.Sub(), self)

    def __mul__(self, other: object) -> "Traced":
        return _binary(self, ast.Mult(), other)

    def __rmul__(self, other: object) -> "Traced":
        return _binary(other, ast.Mult(), self)

    def __truediv__(self, other: object) -> "Traced":
        return _binary(self, ast.Div(), other)

    def __rtruediv__(self, other: object) -> "Traced":
        return _binary(other, ast.Div(), self)

    def __mod__(self, other: object) -> "Traced":
        return _binary(self, ast.Mod(), other)

    def __rmod__(self, other: object) -> "Traced":
        return _binary(other, ast.Mod(), self)

    def __floordiv__(self, other: object) -> NoReturn:
        raise TransformationError("// cannot be traced; write floor(x / y)")

    __rfloordiv__ = __floordiv__

    def __pow__(self, other: object) -> "Traced":
        return call("power", self, other)

    def __rpow__(self, other: object) -> "Traced":
        return call("power", other, self)

    def __neg__(self) -> "Traced":
        return Traced(ast.UnaryOp(ast.USub(), self.node))

    def __pos__(self) -> "Traced":
        return self

    def __abs__(self) -> "Traced":
        return call("abs", self)

    def __and__(self, other: object) -> "Traced":
        return Traced(ast.BoolOp(ast.And(), [self.node, _node(other)]))

    def __rand__(self, other: object) -> "Traced":
        return Traced(ast.BoolOp(ast.And(), [_node(other), self.node]))

    def __or__(self, other: object) -> "Traced":
        return Traced(ast.BoolOp(ast.Or(), [self.node, _node(other)]))

    def __ror__(self, other: object) -> "Traced":
        return Traced(ast.BoolOp(ast.Or(), [_node(other), self.node]))

    def __invert__(self) -> "Traced":
        return Traced(ast.UnaryOp(ast.Not(), self.node))

    def __eq__(self, other: object) -> "Traced":  # type: ignore[override]
        return _compare(self, ast.Eq(), other)

    def __ne__(self, other: object) -> "Traced":  # type: ignore[override]
        return _compare(self, ast.NotEq(), other)

    def __lt__(self, other: object) -> "Traced":
        return _compare(self, ast.Lt(), other)

    def __le__(self, other: object) -> "Traced":
        return _compare(self, ast.LtE(), other)

    def __gt__(self, other: object) -> "Traced":
        return _compare(self, ast.Gt(), other)

    def __ge__(self, other: object) -> "Traced":
        return _compare(self, ast.GtE(), other)

    def __bool__(self) -> NoReturn:
        raise TransformationError(
            _ROWS.format(what="an `if`, `and`, `or`, `not`, a chained comparison, min() or max()")
        )

    def __iter__(self) -> NoReturn:
        raise TransformationError(_ROWS.format(what="a loop over a column"))

    def __len__(self) -> NoReturn:
        raise TransformationError(_ROWS.format(what="the length of a column"))

    def __getitem__(self, place: object) -> NoReturn:
        raise TransformationError(_ROWS.format(what="an element of a column"))

    def __float__(self) -> NoReturn:
        raise TransformationError(_ROWS.format(what="float() or a function of `math`") + "; use pelton.sdk.functions")

    def __int__(self) -> NoReturn:
        raise TransformationError(_ROWS.format(what="int()") + "; write floor(x)")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # what Python and NumPy look for before they do without
            raise AttributeError(name)
        raise TransformationError(f"a column has no {name!r} here; write with operators and pelton.sdk.functions")

    def __array_ufunc__(self, function: Any, method: str, *given: object, **options: object) -> "Traced":  # noqa: ANN401 - NumPy's
        name = function.__name__
        if method != "__call__" or options or name not in _UFUNCS:
            raise TransformationError(f"numpy.{name} cannot be traced; write with operators and pelton.sdk.functions")
        return _UFUNCS[name](*given)

    def __array_function__(
        self, function: Callable[..., Any], types: object, given: Sequence[Any], options: object
    ) -> "Traced":
        name = function.__name__
        if options or name not in _ARRAY_FUNCTIONS:
            raise TransformationError(f"numpy.{name} cannot be traced; write with operators and pelton.sdk.functions")
        return call(_ARRAY_FUNCTIONS[name], *given)


def field(name: str) -> Traced:
    """A column by its name."""
    return Traced(ast.Name(name, ast.Load()))


def call(function: str, *arguments: object) -> Traced:
    """A function of the language, of columns and values."""
    return Traced(ast.Call(ast.Name(function, ast.Load()), [_node(one) for one in arguments], []))


def traced(value: object) -> Traced:
    """What a function gave back, as a column: a number or a text is the same in each row."""
    return value if isinstance(value, Traced) else Traced(_node(value))


def _binary(left: object, sign: ast.operator, right: object) -> Traced:
    return Traced(ast.BinOp(_node(left), sign, _node(right)))


def _compare(left: object, sign: ast.cmpop, right: object) -> Traced:
    return Traced(ast.Compare(_node(left), [sign], [_node(right)]))


def _node(value: object) -> ast.expr:
    if isinstance(value, Traced):
        return value.node
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()  # a number of NumPy's
    if isinstance(value, bool | str):
        return ast.Constant(value)
    if isinstance(value, int | float) and math.isfinite(value):
        positive = ast.Constant(abs(value))
        return positive if math.copysign(1, value) > 0 else ast.UnaryOp(ast.USub(), positive)
    if value is None:
        raise TransformationError("None is no value of an expression; write is_null(x), or coalesce(x, y)")
    raise TransformationError(
        f"{value!r:.80} is no number, text or column, and so no part of an expression; arrays and tables cannot be "
        "part of a transformation"
    )


_ARRAY_FUNCTIONS: Final = {"where": "where", "round": "round", "around": "round"}
_SAME: Final = (
    "arcsin", "arctan2", "ceil", "cos", "exp", "expm1", "floor", "log", "log1p", "maximum", "minimum", "power", "sign",
    "sin", "sqrt", "tan", "tanh",
)  # fmt: skip


def _named(function: str) -> Callable[..., Traced]:
    return lambda *arguments: call(function, *arguments)


_UFUNCS: Final[dict[str, Callable[..., Traced]]] = {name: _named(name) for name in _SAME} | {
    "absolute": _named("abs"),
    "isnan": _named("is_null"),
    "rint": _named("round"),
    "add": lambda a, b: _binary(a, ast.Add(), b),
    "subtract": lambda a, b: _binary(a, ast.Sub(), b),
    "multiply": lambda a, b: _binary(a, ast.Mult(), b),
    "divide": lambda a, b: _binary(a, ast.Div(), b),
    "remainder": lambda a, b: _binary(a, ast.Mod(), b),
    "negative": lambda a: -traced(a),
    "equal": lambda a, b: _compare(a, ast.Eq(), b),
    "not_equal": lambda a, b: _compare(a, ast.NotEq(), b),
    "less": lambda a, b: _compare(a, ast.Lt(), b),
    "less_equal": lambda a, b: _compare(a, ast.LtE(), b),
    "greater": lambda a, b: _compare(a, ast.Gt(), b),
    "greater_equal": lambda a, b: _compare(a, ast.GtE(), b),
    "logical_and": lambda a, b: traced(a) & b,
    "logical_or": lambda a, b: traced(a) | b,
    "logical_not": lambda a: ~traced(a),
    "bitwise_and": lambda a, b: traced(a) & b,
    "bitwise_or": lambda a, b: traced(a) | b,
    "invert": lambda a: ~traced(a),
}
