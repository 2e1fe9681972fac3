"""Rules of single events, over many events at once: each compiled into one pass over a column."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import (
    Holds,
    Length,
    NotNull,
    OneOf,
    Pattern,
    Range,
    Reference,
    Rule,
    SourceDefinition,
    Unique,
    ValueOf,
)
from pelton.contracts.definitions.rules import ValueRule
from pelton.feature.fields import Kind, kinds
from pelton.tiles.expressions import Expression, ExpressionError

Mask = NDArray[np.bool_]
Column = NDArray[np.float64] | pl.Series
Columns = Mapping[str, Column]
"""Numbers as float64 with NaN for null, texts as String; all of shape (n,)."""
Breaks = Callable[[Columns], Mask]
"""Which of n events break a rule, shape (n,)."""

_FORMS: Final = {
    "number": r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$",
    "integer": r"^[+-]?[0-9]+$",
    "boolean": r"^([tT]rue|[fF]alse|1|0)$",
    "time": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
}


class RuleError(ValueError):
    """A rule that cannot be asked of its source's events; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule, and which of n events break it: `events` has their places, in order."""

    rule: ValueRule
    events: NDArray[np.int64]


class EventRules:
    """The rules of a source that look at one event at a time.

    Raises:
        RuleError: a rule of the source, of whatever kind, asks of a field what it cannot be asked.
    """

    def __init__(self, definition: SourceDefinition) -> None:
        columns = kinds(definition)
        for rule in definition.rules:
            _check_fields(rule, columns)
        self._rules = [(rule, _breaks(rule, columns)) for rule in definition.rules if isinstance(rule, ValueRule)]

    def broken(self, columns: Columns) -> Iterator[Broken]:
        """The rules that some of the events break, in the order in which the source has them."""
        for rule, breaks in self._rules:
            events = np.flatnonzero(breaks(columns))
            if events.size:
                yield Broken(rule, events)


def columns_of(definition: SourceDefinition, events: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """The columns of events, each a parsed JSON object that its source's schema lets in."""
    found: dict[str, Column] = {}
    for name, kind in kinds(definition).items():
        values = [event.get(name) for event in events]
        if kind == "number":
            found[name] = np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
        else:
            found[name] = pl.Series(name, values, dtype=pl.String)
    return found


def fields_of(rule: Rule) -> tuple[str, ...]:
    """The fields that a rule looks at, in order; one of a source as a whole looks at none."""
    match rule:
        case Holds():
            return tuple(sorted(Expression.parse(rule.value).fields))
        case Unique():
            return rule.fields
        case NotNull() | ValueOf() | Range() | OneOf() | Pattern() | Length() | Reference():
            return (rule.field,)
        case _:
            return ()


def _check_fields(rule: Rule, columns: Mapping[str, Kind]) -> None:
    try:
        fields = fields_of(rule)
    except ExpressionError as error:
        raise RuleError(f"rule {rule.name!r}: {error}") from error
    for field in fields:
        if field not in columns:
            raise RuleError(
                f"rule {rule.name!r} looks at {field!r}, which the source's schema does not have as a number or a "
                f"text; it has {', '.join(sorted(columns))}"
            )
    needs: Kind | None = None
    match rule:
        case Range():
            needs = "number"
        case Pattern() | Length() | ValueOf(type="time"):
            needs = "text"
        case OneOf():
            needs = "text" if isinstance((rule.allowed + rule.forbidden)[0], str) else "number"
    if needs is not None and columns[fields[0]] != needs:
        raise RuleError(f"rule {rule.name!r} is one of a {needs}, and {fields[0]!r} is a {columns[fields[0]]}")


def _breaks(rule: ValueRule, columns: Mapping[str, Kind]) -> Breaks:
    """How to find what breaks a rule."""
    match rule:
        case NotNull(field=field):
            return lambda events: _nulls(events[field])
        case ValueOf(field=field):
            return _not_of_type(rule, columns[field])
        case Range(field=field):
            bounds = [
                (beyond, bound)
                for beyond, bound in (
                    (np.less, rule.ge),
                    (np.less_equal, rule.gt),
                    (np.greater, rule.le),
                    (np.greater_equal, rule.lt),
                )
                if bound is not None
            ]
            return lambda events: reduce(
                np.logical_or, (beyond(_numbers(events, field), bound) for beyond, bound in bounds)
            )
        case OneOf(field=field):
            return _not_in_set(rule, columns[field])
        case Pattern(field=field, regex=regex):
            return _unlike(field, _compiled(rule, regex))
        case Length(field=field):
            return lambda events: _mask(_beyond(_texts(events, field), rule))
        case Holds():
            return _not_true(rule, columns)


def _not_of_type(rule: ValueOf, kind: Kind) -> Breaks:
    field = rule.field
    if kind == "text":
        if rule.type == "text":
            return lambda events: np.zeros(len(events[field]), np.bool_)
        return _unlike(field, _FORMS[rule.type])
    match rule.type:
        case "integer":
            return lambda events: _is_fraction(_numbers(events, field))
        case "boolean":
            return lambda events: ~np.isin(_numbers(events, field), (0.0, 1.0)) & ~_nulls(events[field])
        case "text":
            return lambda events: ~_nulls(events[field])
        case _:
            return lambda events: np.zeros(len(events[field]), np.bool_)


def _not_in_set(rule: OneOf, kind: Kind) -> Breaks:
    field, values, wanted = rule.field, list(rule.allowed or rule.forbidden), bool(rule.allowed)
    if kind == "number":
        return lambda events: (np.isin(_numbers(events, field), values) != wanted) & ~_nulls(events[field])
    texts = pl.Series(values, dtype=pl.String)
    return lambda events: _mask(_texts(events, field).is_in(texts.implode()) != wanted)


def _not_true(rule: Holds, columns: Mapping[str, Kind]) -> Breaks:
    expression = Expression.parse(rule.value)
    fields = sorted(expression.fields)

    def breaks(events: Columns) -> Mask:
        # An expression that reads no field still has a value for each event.
        read = fields or sorted(columns)[:1]
        return np.equal(expression.evaluate({name: _array(events[name]) for name in read}), 0)

    empty: dict[str, Column] = {
        name: np.zeros(0) if kind == "number" else pl.Series(name, [], dtype=pl.String)
        for name, kind in columns.items()
    }
    try:
        breaks(empty)
    except ExpressionError as error:
        raise RuleError(f"rule {rule.name!r}: {error}") from error
    return breaks


def _unlike(field: str, regex: str) -> Breaks:
    return lambda events: _mask(~_texts(events, field).str.contains(regex))


def _compiled(rule: Pattern, regex: str) -> str:
    try:
        pl.Series([""]).str.contains(regex)
    except pl.exceptions.ComputeError as error:
        raise RuleError(f"rule {rule.name!r}: {regex!r} is no regular expression that can be used: {error}") from error
    return regex


def _beyond(texts: pl.Series, rule: Length) -> pl.Series:
    lengths = texts.str.len_chars()
    if rule.at_least is None:
        return lengths > rule.at_most
    return lengths < rule.at_least if rule.at_most is None else ~lengths.is_between(rule.at_least, rule.at_most)


def _mask(truths: pl.Series) -> Mask:
    """A series of truths as an array; null is false."""
    return np.asarray(truths.fill_null(value=False).to_numpy(), dtype=np.bool_)


def _is_fraction(numbers: NDArray[np.float64]) -> Mask:
    return np.asarray((np.trunc(numbers) != numbers) & ~np.isnan(numbers), dtype=np.bool_)


def _nulls(column: Column) -> Mask:
    return _mask(column.is_null() if isinstance(column, pl.Series) else pl.Series(np.isnan(column)))


def _numbers(events: Columns, field: str) -> NDArray[np.float64]:
    return np.asarray(events[field], dtype=np.float64)


def _texts(events: Columns, field: str) -> pl.Series:
    column = events[field]
    return column if isinstance(column, pl.Series) else pl.Series(column, dtype=pl.String)


def _array(column: Column) -> NDArray[Any]:
    return np.array(column.to_list(), dtype=object) if isinstance(column, pl.Series) else column
