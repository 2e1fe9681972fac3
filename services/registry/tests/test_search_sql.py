"""Comparisons and orders against real rows."""

from collections.abc import Sequence

import asyncpg
import pytest

from pelton.registry.search import sql
from pelton.registry.search.grammar import RUNS
from pelton.registry.search.parser import parse, parse_order
from pelton.registry.search.sql import Binds, Column, Related, Tables
from pelton.registry.search.terms import Kind, SearchSyntaxError

OWN = {"run": "things.run"}
TABLES = Tables(
    attributes={
        "run_id": Column("things.name"),
        "user_id": Column("things.number", "integer"),
        "start_time": Column("things.start", "bigint"),
    },
    related={
        Kind.TAG: Related("thing_tags", OWN),
        Kind.PARAM: Related("thing_tags", OWN, where="{alias}.key <> 'hidden'"),
        Kind.METRIC: Related("thing_metrics", OWN),
    },
    datasets={"name": Related("thing_tags", OWN, key=None)},
)
ROWS = """
    CREATE TEMP TABLE things (run integer, name text COLLATE "C", number integer, start bigint) ON COMMIT DROP;
    CREATE TEMP TABLE thing_tags (run integer, key text, value text) ON COMMIT DROP;
    CREATE TEMP TABLE thing_metrics (run integer, key text, value double precision) ON COMMIT DROP;
    INSERT INTO things VALUES (1, 'a', 1, 10), (2, 'B', 2, 20), (3, 'c%', 3, NULL), (4, 'C\\d', 4, 40);
    INSERT INTO thing_tags VALUES (1, 'k', 'v'), (2, 'k', 'w'), (2, 'hidden', 'x'), (3, 'q''k', 'v''v');
    INSERT INTO thing_metrics VALUES (1, 'm', 0.5), (2, 'm', 'NaN'), (3, 'm', '-Infinity');
"""


async def found(pool: asyncpg.Pool, filter_string: str, order_by: Sequence[str] = ("run_id",)) -> list[int]:
    bind = Binds()
    conditions = sql.conditions(parse(filter_string, RUNS), TABLES, bind)
    joins, order = sql.order(parse_order(order_by, RUNS), TABLES, bind)
    statement = f"""
        SELECT things.run FROM things {" ".join(joins)} WHERE {" AND ".join(conditions) or "true"}
        ORDER BY {", ".join([*map(str, order), "things.run"])}
    """  # noqa: S608 - what the compiler made, with values bound
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(ROWS)
        return [row["run"] for row in await connection.fetch(statement, *bind.values)]


@pytest.mark.parametrize(
    ("filter_string", "runs"),
    [
        ("", {1, 2, 3, 4}),
        ("run_id = 'a'", {1}),
        ("run_id != 'a'", {2, 3, 4}),
        ("run_id LIKE 'b'", set()),
        ("run_id ILIKE 'b'", {2}),
        ("run_id LIKE 'c%'", {3}),
        ("run_id LIKE 'C\\%'", {4}),
        ("run_id LIKE 'C\\'", set()),
        ("run_id IN ('a', 'B')", {1, 2}),
        ("run_id NOT IN ('a', 'B')", {3, 4}),
        ("user_id = '2'", {2}),
        ("user_id IN ('1', '9223372036854775807')", {1}),
        ("start_time >= 20", {2, 4}),
        ("start_time > 19.5", {2, 4}),
        ("start_time < 99999999999999999999", {1, 2, 4}),
        ("start_time != 10", {2, 4}),
        ("tags.k = 'v'", {1}),
        ("tags.k != 'v'", {2}),
        ("tags.k IS NULL", {3, 4}),
        ("tags.k IS NOT NULL", {1, 2}),
        ("tags.`q'k` = 'v''v'", {3}),
        ("tags.k IN ('v', 'w')", {1, 2}),
        ("tags.hidden = 'x'", {2}),
        ("params.hidden = 'x'", set()),
        ("tags.k = ''' OR true --'", set()),
        ("dataset.name = 'x'", {2}),
        ("metrics.m > 0", {1}),
        ("metrics.m >= 0.5", {1}),
        ("metrics.m < 1", {1, 3}),
        ("metrics.m != 0.5", {2, 3}),
        ("metrics.m = 0.5 AND tags.k = 'v'", {1}),
        ("metrics.m = 0.5 AND tags.k = 'w'", set()),
    ],
)
async def test_a_filter_finds_the_rows_that_meet_it(pool: asyncpg.Pool, filter_string: str, runs: set[int]) -> None:
    assert set(await found(pool, filter_string)) == runs


@pytest.mark.parametrize(
    "filter_string", ["user_id = 'x'", "user_id IN ('1', '1.5')", "user_id = '9223372036854775808'"]
)
async def test_text_that_is_no_whole_number_is_refused_where_one_is_needed(
    pool: asyncpg.Pool, filter_string: str
) -> None:
    with pytest.raises(SearchSyntaxError, match="user_id"):
        await found(pool, filter_string)


@pytest.mark.parametrize(
    ("order_by", "runs"),
    [
        (["run_id"], [2, 4, 1, 3]),
        (["start_time DESC"], [4, 2, 1, 3]),
        (["start_time"], [1, 2, 4, 3]),
        (["metrics.m"], [3, 1, 2, 4]),
        (["metrics.m DESC"], [1, 3, 2, 4]),
        (["tags.k DESC", "run_id DESC"], [2, 1, 3, 4]),
        (["tags.k", "metrics.m", "tags.hidden"], [1, 2, 3, 4]),
    ],
)
async def test_an_order_puts_what_is_missing_last_and_nan_before_it(
    pool: asyncpg.Pool, order_by: Sequence[str], runs: list[int]
) -> None:
    assert await found(pool, "", order_by) == runs
