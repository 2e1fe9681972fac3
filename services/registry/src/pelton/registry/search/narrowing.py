"""Asks indexes of values, before a search, which rows may meet its filters, where these are few.

The planner cannot know: it has one distribution of values for all keys together, and 0.99 is high for an accuracy and
low for a loss. If it took a filter that nearly nothing meets for one that nearly everything does, a search would read
all there is in order; the other way round, it would sort it.
"""

# ruff: noqa: S608 - statements are made of constants, of what a grammar knows, and of the numbers of bound values

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from pelton.registry.search import sql
from pelton.registry.search.sql import Binds, Tables
from pelton.registry.search.terms import Comparison, Kind, Operator

RANGES: Final = frozenset(
    {
        Operator.EQUAL,
        Operator.IN,
        Operator.GREATER,
        Operator.GREATER_OR_EQUAL,
        Operator.LESS,
        Operator.LESS_OR_EQUAL,
    }
)


def narrow(filters: Sequence[Comparison], tables: Tables, source: str, most: int, bind: Binds) -> str | None:
    """The statement that finds, for each key in the filters, which searched rows meet those of the key.

    Each row of its answer has an array, `found`, of that by which related rows name the searched ones. A key for which
    more than `most` rows would have to be read is left out. `source` has what the indexes are scoped by. None where no
    filter has an index.
    """
    limit = f"{bind(most)}::bigint"
    sources: list[str] = []
    found: list[str] = []
    for of, group in groupby(sorted(filters, key=_of), key=_of):
        related, comparisons = tables.related.get(of[0]), list(group)
        index = related and related.by_value
        if not related or not index or any(one.operator is Operator.IS_NULL for one in comparisons):
            continue
        name, (row,), joined = f"range{len(sources)}", related.on, replace(tables, joined={of: "related"})
        conditions = [
            *(f"related.{column} = {value}" for column, value in index.scope.items()),
            f"related.{related.key} = {bind(of[1])}",
            *sql.conditions(filter(None, map(_range, comparisons)), joined, bind),
        ]
        slices = " UNION ALL ".join(
            f"""
            (SELECT {row}, {related.value} FROM {related.table} AS related WHERE {" AND ".join([*conditions, one])}
             ORDER BY {related.value} LIMIT {limit} + 1)
            """
            for one in sql.slices(related, "related", comparisons)
        )
        sources.append(f"""
            {name} AS MATERIALIZED (
                SELECT found.* FROM {source} CROSS JOIN LATERAL ({slices}) AS found LIMIT {limit} + 1)
        """)
        meets = " AND ".join(sql.conditions(comparisons, joined, bind))
        found.append(f"""
            SELECT ARRAY(SELECT {row} FROM {name} AS related WHERE {meets}) AS found
            WHERE (SELECT count(*) FROM {name}) <= {limit}
        """)
    return f"WITH {', '.join(sources)} {' UNION ALL '.join(found)}" if sources else None


def _of(comparison: Comparison) -> tuple[Kind, str]:
    return comparison.of


def _range(comparison: Comparison) -> Comparison | None:
    """What an index can look for, of what a comparison does: a range of values that has all that meet it."""
    if comparison.operator in RANGES:
        return comparison
    if comparison.operator is Operator.LIKE:
        beginning = re.split("[%_]", str(comparison.value), maxsplit=1)[0]
        return replace(comparison, value=f"{beginning}%")
    return None
