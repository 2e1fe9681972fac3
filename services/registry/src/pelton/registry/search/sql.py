"""Compiles comparisons and orders to SQL for asyncpg: keys and values are bound, never written into the statement."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pelton.registry.search.terms import Comparison, Kind, Operator, OrderTerm, SearchSyntaxError, Value, whole_number

INTEGER: Final = frozenset({"integer", "bigint"})
EXACT: Final = frozenset({Operator.EQUAL, Operator.IN})


@dataclass(frozen=True, slots=True)
class Column:
    """An expression over the searched table, and the type of its values in PostgreSQL.

    `required` says that each row has a value.
    """

    sql: str
    type: str = "text"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Related:
    """Rows that belong to a searched row: those of `table` whose columns `on` equal what the searched table has.

    `table` is anything that may stand after FROM and be given an alias. `key` is the column that holds the name of a
    tag, parameter or metric, None where every row has the value; `value` is what is compared. `where` narrows the rows
    further: a condition in which `{alias}` stands for the table.
    """

    table: str
    on: Mapping[str, str]
    value: str = "value"
    key: str | None = "key"
    where: str | None = None
    by_value: "ByValue | None" = None


@dataclass(frozen=True, slots=True)
class ByValue:
    """An index of related rows in the order of their values, and of what they have in common before that.

    It begins with the columns `scope`, which equal what the search says, and the key. After the value come columns that
    repeat an attribute of the searched row. Text that is longer than `short` is in an index of its own, in no order.
    """

    scope: Mapping[str, str]
    repeated: Sequence[str] = ()
    short: int | None = None


@dataclass(frozen=True, slots=True)
class Tables:
    """Where each thing that a grammar knows is found. Metrics are double precision, everything else related is text.

    `joined` has the aliases of related rows, by their kind and key, that are joined to every searched row.
    """

    attributes: Mapping[str, Column]
    related: Mapping[Kind, Related] = field(default_factory=dict)
    datasets: Mapping[str, Related] = field(default_factory=dict)
    joined: Mapping[tuple[Kind, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ordered:
    """A term for ORDER BY: an expression, and in which direction, with where its nulls are."""

    sql: str
    direction: str = "ASC"

    def __str__(self) -> str:
        return f"{self.sql} {self.direction}"


class Binds:
    """The values of a statement, in the order of their numbers."""

    def __init__(self, *values: object) -> None:
        self.values: list[object] = list(values)

    def __call__(self, value: object) -> str:
        """Add a value, and return what stands for it in the statement."""
        self.values.append(value)
        return f"${len(self.values)}"


def conditions(comparisons: Iterable[Comparison], tables: Tables, bind: Binds) -> list[str]:
    """A condition for each comparison, to be joined by AND.

    A row that does not have a tag, parameter or metric meets only IS NULL. Backslashes in patterns are ordinary.

    Raises:
        SearchSyntaxError: an attribute that is an integer is compared with text that is none.
    """
    return [_condition(one, tables, bind) for one in comparisons]


def exists(related: Related, key: str, bind: Binds, *conditions: str) -> str:
    """The condition that a searched row has such a row, by the alias `related`, that meets the conditions."""
    where = " AND ".join([belongs(related, "related", key, bind), *conditions])
    # Where there is an index of values it was asked already what it can tell. The planner knows no better: it has one
    # distribution of values for all keys together. OFFSET keeps it from turning the search around.
    fence = " OFFSET 0" if related.by_value else ""
    return f"EXISTS (SELECT FROM {related.table} related WHERE {where}{fence})"


def order(terms: Sequence[OrderTerm], tables: Tables, bind: Binds) -> tuple[list[str], list[Ordered]]:
    """The joins that an order needs, and its terms for ORDER BY. Rows without the value come last, NaN before them."""
    joins, columns = [], []
    for term in terms:
        direction = "ASC" if term.ascending else "DESC"
        if term.kind is Kind.ATTRIBUTE:
            column = tables.attributes[term.key]
            # no index has its nulls last in both directions
            columns.append(Ordered(column.sql, direction if column.required else f"{direction} NULLS LAST"))
            continue
        related, alias = tables.related[term.kind], f"ordered{len(bind.values)}"
        value = f"{alias}.{related.value}"
        joins.append(f"LEFT JOIN {related.table} {alias} ON {belongs(related, alias, term.key, bind)}")
        if term.kind is Kind.METRIC:
            # to PostgreSQL, NaN is above every number; here it is beyond the last, whatever the direction
            columns += [Ordered(f"{value} IS NULL"), Ordered(f"{value} = 'NaN'")]
        columns.append(Ordered(value, f"{direction} NULLS LAST"))
    return joins, columns


def belongs(related: Related, alias: str, key: str, bind: Binds) -> str:
    """The condition that a row of the related table, by this alias, is the searched row's."""
    parts = [f"{alias}.{column} = {searched}" for column, searched in related.on.items()]
    if related.key is not None:
        parts.append(f"{alias}.{related.key} = {bind(key)}")
    if related.where is not None:
        parts.append(related.where.format(alias=alias))
    return " AND ".join(parts)


def slices(related: Related, alias: str, filters: Iterable[Comparison] = ()) -> list[str]:
    """What is true of the rows that an index of values has, for each index that may have some that meet all filters."""
    if related.by_value is None or related.by_value.short is None:
        return ["true"]
    short, length = related.by_value.short, f"length({alias}.{related.value})"
    lengths = [[len(value) for value in _sought(one)] for one in filters if one.operator in EXACT]
    found = []
    if all(min(one) <= short for one in lengths):
        found.append(f"{length} <= {short}")
    if all(max(one) > short for one in lengths):
        found.append(f"{length} > {short}")
    return found or ["false"]


def _sought(comparison: Comparison) -> tuple[str, ...]:
    return comparison.value if isinstance(comparison.value, tuple) else (str(comparison.value),)


def _condition(comparison: Comparison, tables: Tables, bind: Binds) -> str:
    if comparison.kind is Kind.ATTRIBUTE:
        column = tables.attributes[comparison.key]
        return _compare(column.sql, comparison, column.type, bind)
    of_dataset = comparison.kind is Kind.DATASET
    related = tables.datasets[comparison.key] if of_dataset else tables.related[comparison.kind]
    joined = tables.joined.get(comparison.of)
    if comparison.operator is Operator.IS_NULL:
        return "false" if joined else f"NOT {exists(related, comparison.key, bind)}"
    if comparison.operator is Operator.IS_NOT_NULL:
        return "true" if joined else exists(related, comparison.key, bind)
    type_ = "double precision" if comparison.kind is Kind.METRIC else "text"
    if joined:
        return _compare(f"{joined}.{related.value}", comparison, type_, bind)
    return exists(related, comparison.key, bind, _compare(f"related.{related.value}", comparison, type_, bind))


def _compare(column: str, comparison: Comparison, type_: str, bind: Binds) -> str:
    operator = comparison.operator
    value: Value | list[int] = comparison.value
    if type_ in INTEGER:
        # an index of a column of 32 bits serves a number of 64 too, and such a number cannot be out of range
        value, type_ = _integers(comparison), "bigint"
    bound = f"{bind(value)}::{'double precision' if isinstance(value, float) else type_}"
    match operator:
        case Operator.IN:
            return f"{column} = ANY({bound}[])"
        case Operator.NOT_IN:
            return f"{column} <> ALL({bound}[])"
        case Operator.LIKE | Operator.ILIKE:
            return f"{column} {operator} {bound} ESCAPE ''"
        case Operator.GREATER | Operator.GREATER_OR_EQUAL if type_ == "double precision":
            # to PostgreSQL, NaN is above every number; to everybody else it is above none
            return f"({column} {operator} {bound} AND {column} < 'NaN')"
        case _:
            return f"{column} {operator} {bound}"


def _integers(comparison: Comparison) -> Value | list[int]:
    """The value for an integer column; the grammar may have read it as text, as it does for identifiers."""
    value = comparison.value
    if not isinstance(value, str | tuple):
        return value
    found = []
    for one in (value,) if isinstance(value, str) else value:
        number = whole_number(one)
        if number is None:
            raise SearchSyntaxError(f"{comparison.key} is a whole number, and the filter compares it with {one!r}")
        found.append(number)
    return found[0] if isinstance(value, str) else found
