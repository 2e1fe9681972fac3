"""What a search for runs should find, said once more without SQL."""

import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pelton.registry.search.terms import Comparison, Kind, Operator, OrderTerm

NUMERIC: Final[dict[Operator, Callable[[float, float], bool]]] = {
    Operator.EQUAL: operator.eq,
    Operator.NOT_EQUAL: operator.ne,
    Operator.GREATER: operator.gt,
    Operator.GREATER_OR_EQUAL: operator.ge,
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
}


@dataclass(frozen=True)
class Logged:
    """A run and what it logged; `values` has attributes, metrics, params and tags by kind and key."""

    experiment: int
    values: dict[tuple[Kind, str], Any]
    deleted: bool = False


def found(runs: Iterable[Logged], filters: Sequence[Comparison], terms: Sequence[OrderTerm]) -> list[str]:
    """The identifiers of the runs that meet all filters, in the order that the terms say, then the newest first."""
    meeting = [run for run in runs if all(_meets(run.values.get(one.of), one) for one in filters)]
    newest = [OrderTerm(Kind.ATTRIBUTE, "start_time", ascending=False), OrderTerm(Kind.ATTRIBUTE, "run_id")]
    for term in reversed([*terms, *newest]):
        meeting = _sorted(meeting, term)
    return [run.values[Kind.ATTRIBUTE, "run_id"] for run in meeting]


def _sorted(runs: Sequence[Logged], term: OrderTerm) -> list[Logged]:
    values = [(run.values.get(term.of), run) for run in runs]
    absent = [run for value, run in values if value is None]
    nan = [run for value, run in values if _is_nan(value)]
    rest = [run for value, run in values if value is not None and not _is_nan(value)]
    return sorted(rest, key=lambda run: run.values[term.of], reverse=not term.ascending) + nan + absent


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _meets(value: Any, comparison: Comparison) -> bool:  # noqa: ANN401 - whatever a run has
    sought = comparison.value
    if value is None or comparison.operator in {Operator.IS_NULL, Operator.IS_NOT_NULL}:
        return (value is None) == (comparison.operator is Operator.IS_NULL)
    match comparison.operator, sought:
        case Operator.IN, tuple(several):
            return value in several
        case Operator.NOT_IN, tuple(several):
            return value not in several
        case ((Operator.LIKE | Operator.ILIKE), str(pattern)):
            escaped = re.escape(pattern).replace("%", ".*").replace("_", ".")
            flags = re.DOTALL | (re.IGNORECASE if comparison.operator is Operator.ILIKE else 0)
            return re.fullmatch(escaped, value, flags) is not None
        case _:
            return NUMERIC[comparison.operator](value, sought)
