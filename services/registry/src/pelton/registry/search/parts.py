"""Splits an order into parts that come one after the other, each of which an index has in its order.

In an order by a metric these are the rows with a number, then those with NaN, then those without the metric: no index
has all of them in a row, and most pages are full before the second part is looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pelton.registry.search import sql
from pelton.registry.search.sql import Binds, ByValue, Ordered, Tables
from pelton.registry.search.terms import Comparison, Kind, Operator, OrderTerm

LEADER: Final = "leader"
"""The alias of the related row whose value leads the order."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that all come before those of the next part.

    `joins` follow the searched table. Of each row one of the `slices` is true, and each slice has an index of its own.
    `led` says that the first join finds the rows: that of what leads the order.
    """

    joins: Sequence[str]
    conditions: Sequence[str]
    slices: Sequence[str]
    columns: Sequence[Ordered]
    led: bool


def split(terms: Sequence[OrderTerm], filters: Sequence[Comparison], tables: Tables, bind: Binds) -> list[Part]:
    """The parts of an order, of which there is one where its first term is an attribute.

    Raises:
        SearchSyntaxError: an attribute that is an integer is compared with text that is none.
    """
    first, *rest = terms
    if first.kind is Kind.ATTRIBUTE:
        return [_unled(terms, filters, tables, bind)]
    value = f"{LEADER}.{tables.related[first.kind].value}"
    by_value = Ordered(value, "ASC" if first.ascending else "DESC")
    if first.kind is Kind.METRIC:
        numbers = _led(first, rest, filters, tables, bind, slices=[f"{value} < 'NaN'"], columns=[by_value])
        parts = [numbers, _led(first, rest, filters, tables, bind, slices=[f"{value} = 'NaN'"])]
    else:
        slices = sql.slices(tables.related[first.kind], LEADER, [one for one in filters if one.of == first.of])
        parts = [_led(first, rest, filters, tables, bind, slices=slices, columns=[by_value])]
    if any(one.of == first.of and one.operator is not Operator.IS_NULL for one in filters):
        return parts
    absent = f"NOT {sql.exists(tables.related[first.kind], first.key, bind)}"
    return [*parts, _unled(rest, filters, tables, bind, absent)]


def _led(
    leader: OrderTerm,
    rest: Sequence[OrderTerm],
    filters: Sequence[Comparison],
    tables: Tables,
    bind: Binds,
    *,
    slices: Sequence[str],
    columns: Sequence[Ordered] = (),
) -> Part:
    related = tables.related[leader.kind]
    index = related.by_value or ByValue({})
    join = f"JOIN {related.table} AS {LEADER} ON {sql.belongs(related, LEADER, leader.key, bind)}"
    repeated = {name: replace(tables.attributes[name], sql=f"{LEADER}.{name}") for name in index.repeated}
    led = replace(tables, attributes={**tables.attributes, **repeated}, joined={leader.of: LEADER})
    joins, others = sql.order(rest, led, bind)
    scope = [f"{LEADER}.{column} = {value}" for column, value in index.scope.items()]
    conditions = [*scope, *sql.conditions(filters, led, bind)]
    return Part([join, *joins], conditions, slices, [*columns, *others], led=True)


def _unled(
    terms: Sequence[OrderTerm], filters: Sequence[Comparison], tables: Tables, bind: Binds, *conditions: str
) -> Part:
    joins, columns = sql.order(terms, tables, bind)
    return Part(joins, [*sql.conditions(filters, tables, bind), *conditions], ["true"], columns, led=False)
