"""What to say of an event that breaks a rule."""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import Holds, Length, NotNull, OneOf, Pattern, Range, Reference, Rule, Unique, ValueOf
from pelton.feature.quality.neighbours import Value
from pelton.feature.quality.rules import Column, Columns, EventRules, fields_of
from pelton.feature.validation import Fault, printable

_LONGEST_VALUE: Final = 80
_MOST_VALUES: Final = 10


def refusals(rules: EventRules, columns: Columns) -> dict[int, list[Fault]]:
    """What the rules of single events set aside, by the places of the events, with what is wrong."""
    found: dict[int, list[Fault]] = {}
    for broken in rules.broken(columns):
        if broken.rule.severity == "quarantine":
            for place, fault in zip(
                broken.events.tolist(), faults_of(broken.rule, columns, broken.events), strict=True
            ):
                found.setdefault(place, []).append(fault)
    return found


def faults_of(rule: Rule, columns: Columns, places: NDArray[np.int64]) -> list[Fault]:
    """The fault of each of the events at some places, all of which break the rule."""
    fields, asked = fields_of(rule), _asked(rule)
    fix = f"send what the rule asks for; or change the rule {rule.name!r} of the source, and replay"
    shown = values(columns, fields, places)
    return [Fault(fields[0] if fields else "", f"{_said(fields, one)} {asked}", fix, rule.name) for one in shown]


def values(columns: Columns, fields: tuple[str, ...], places: NDArray[np.int64]) -> list[tuple[Value, ...]]:
    """The values of some fields of the events at some places."""
    if not fields:
        return [()] * places.size
    return list(zip(*(listed(_at(columns[name], places)) for name in fields), strict=True))


def listed(column: Column) -> list[Value]:
    """A column's values; null is None."""
    if isinstance(column, pl.Series):
        return column.to_list()
    return [None if number != number else number for number in column.tolist()]  # noqa: PLR0124 - NaN


def _at(column: Column, places: NDArray[np.int64]) -> Column:
    return column.gather(places) if isinstance(column, pl.Series) else column[places]


def _said(fields: tuple[str, ...], found: tuple[Value, ...]) -> str:
    if len(fields) == 1:
        return _shown(found[0])
    return ", ".join(f"{name} = {_shown(value)}" for name, value in zip(fields, found, strict=True)) or "the event"


def _shown(value: Value) -> str:
    if value is None:
        return "null"
    said = f"{value:.15g}" if isinstance(value, float) else repr(printable(value))
    return said if len(said) <= _LONGEST_VALUE else said[:_LONGEST_VALUE] + "…"


def _asked(rule: Rule) -> str:
    match rule:
        case NotNull():
            return "where a value is asked for"
        case ValueOf():
            return f"is not of the type {rule.type}"
        case Range():
            bounds = ((">=", rule.ge), (">", rule.gt), ("<=", rule.le), ("<", rule.lt))
            return f"is not {' and '.join(f'{sign} {bound:g}' for sign, bound in bounds if bound is not None)}"
        case OneOf():
            first = ", ".join(map(_shown, rule.allowed[:_MOST_VALUES] or rule.forbidden[:_MOST_VALUES]))
            more = ", …" if len(rule.allowed or rule.forbidden) > _MOST_VALUES else ""
            return f"is {'not ' if rule.allowed else ''}one of {first}{more}"
        case Pattern():
            return f"does not match {rule.regex}"
        case Length():
            lengths = (("at least", rule.at_least), ("at most", rule.at_most))
            asked = " and ".join(f"{words} {length}" for words, length in lengths if length is not None)
            return f"does not have {asked} characters"
        case Holds():
            return f"makes {rule.value} false"
        case Unique():
            return f"is what another event has less than {rule.within} away"
        case Reference():
            return f"is the key of no event of the source {rule.source!r}"
        case _:
            raise TypeError(f"a rule of the kind {rule.kind} is not one of events")
