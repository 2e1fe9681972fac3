"""How much searches for runs read, by what PostgreSQL says of the very statements."""

# ruff: noqa: S608 - statements are made of constants, and of what the search itself sends

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from pelton.registry.search.grammar import RUNS
from pelton.registry.search.parser import parse, parse_order
from pelton.registry.tracking import logged_models, search
from pelton.registry.tracking.pool import planned
from pelton.registry.tracking.search import Search

COUNT = 20_000
PAGE = 100
BOUND = 50 * PAGE
ONE, ALL = [9001], [9001, 9002, 9003]
# Three of four runs are of the first experiment. A tenth has no `acc`, and of a tenth it is NaN.
FILL = f"""
    INSERT INTO tracked_runs (run_id, experiment_id, run_name, user_id, status, start_time, artifact_uri)
    SELECT 'planned' || i, CASE i % 8 WHEN 0 THEN 9003 WHEN 1 THEN 9002 ELSE 9001 END, 'n', 'u', 'RUNNING',
           i * 7919 % {COUNT}, 'somewhere'
    FROM generate_series(0, {COUNT} - 1) AS i;
    CREATE TEMP TABLE filled ON COMMIT DROP AS
    SELECT *, substr(run_id, 8)::int AS i FROM tracked_runs WHERE experiment_id BETWEEN 9001 AND 9003;
    INSERT INTO run_metrics (run, experiment_id, start_time, key, value, timestamp, step)
    SELECT run, experiment_id, start_time, 'acc',
           CASE i % 10 WHEN 3 THEN 'NaN'::float8 ELSE i * 104729 % {COUNT} / {COUNT}.0 END, 1, 1
    FROM filled WHERE i % 10 <> 4
    UNION ALL SELECT run, experiment_id, start_time, 'loss', i * 7727 % {COUNT} * 10.0 / {COUNT}, 1, 1 FROM filled
    UNION ALL SELECT run, experiment_id, start_time, 'epochs', i % 5, 1, 1 FROM filled
    UNION ALL SELECT run, experiment_id, start_time, 'rare', i, 1, 1 FROM filled WHERE i % 500 = 11;
    INSERT INTO run_params (run, experiment_id, start_time, key, value)
    SELECT run, experiment_id, start_time, 'lr', i::text FROM filled
    UNION ALL SELECT run, experiment_id, start_time, 'opt', (array['adam', 'lion', 'sgd'])[1 + i % 3] FROM filled;
    INSERT INTO run_tags (run, experiment_id, start_time, key, value)
    SELECT run, experiment_id, start_time, 'team', 'team ' || i % 101 FROM filled
"""
EMPTY = "TRUNCATE tracked_runs, run_metrics, run_params, run_tags"


@pytest.fixture(scope="module")
async def filled(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Pool]:
    """Many runs, of which PostgreSQL knows how many."""
    async with pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute(FILL)
        await connection.execute("ANALYZE tracked_runs, run_metrics, run_params, run_tags")
        yield pool
        await connection.execute(EMPTY)


@asynccontextmanager
async def undone(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose changes are taken back."""
    async with pool.acquire() as connection:
        changes = connection.transaction()
        await changes.start()
        try:
            yield connection
        finally:
            await changes.rollback()


async def read(connection: asyncpg.Connection, experiments: Sequence[int], filter_string: str, order: list[str]) -> int:
    """How many rows a search reads to find its first page."""
    asked = Search(parse(filter_string, RUNS), parse_order(order, RUNS), ["active"], PAGE)
    among, rows = None, 0
    if (narrowing := search.compile_narrowing(experiments, asked)) is not None:
        among = search.fewest(await connection.fetch(narrowing[0], *narrowing[1]))
        rows = await explained(connection, *narrowing)
    return rows + await explained(connection, *search.compile_page(experiments, asked, among))


async def explained(connection: asyncpg.Connection, statement: str, values: Sequence[object]) -> int:
    (plan,) = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values))
    return round(sum(scanned(plan["Plan"])))


def scanned(node: dict[str, Any]) -> Iterator[float]:
    """The rows that each scan of a table read, those included that it then left out."""
    if "Relation Name" in node:
        removed = sum(node.get(f"Rows Removed by {by}", 0) for by in ("Filter", "Index Recheck"))
        yield (node["Actual Rows"] + removed) * node["Actual Loops"]
    for child in node.get("Plans", ()):
        yield from scanned(child)


ORDERS = [
    [],
    ["start_time DESC"],
    ["start_time ASC"],
    ["metrics.acc DESC"],
    ["metrics.acc ASC"],
    ["metrics.epochs DESC"],
    ["metrics.rare DESC"],
    ["metrics.nobodys DESC"],
    ["params.lr ASC"],
    ["params.lr DESC"],
    ["params.opt ASC"],
    ["tags.team ASC"],
    ["metrics.acc DESC", "params.opt ASC"],
]
FILTERS = [
    ("metrics.acc > 0.995", []),
    ("metrics.acc > 0.995", ["params.lr ASC"]),
    ("metrics.acc < 0.3", ["metrics.acc DESC"]),
    ("metrics.acc > 0.9 AND metrics.acc < 0.905", ["metrics.loss"]),
    ("metrics.rare != 11", ["metrics.loss"]),
    ("params.lr = '77'", []),
    ("params.lr LIKE '777%'", ["metrics.acc"]),
    ("params.opt = 'sgd'", []),
    ("tags.team = 'team 7'", []),
    ("tags.team IN ('team 7', 'team 8')", ["start_time DESC"]),
    ("tags.team = 'team 7' AND metrics.loss > 0.01", ["metrics.acc DESC"]),
    ("tags.nobodys IS NULL", ["metrics.acc DESC"]),
]
# Of each experiment a page is looked for, whatever the others have.
COMMON_FILTERS = [
    ("metrics.loss < 9 AND params.opt = 'sgd'", ["metrics.acc DESC"]),
    ("metrics.loss < 0.5 AND params.opt = 'sgd'", ["metrics.loss"]),
]
CASES = [
    *((experiments, "", order) for experiments in (ONE, ALL) for order in ORDERS),
    *((experiments, *case) for experiments in (ONE, ALL) for case in FILTERS),
    *((ONE, *case) for case in COMMON_FILTERS),
]


@pytest.mark.parametrize(("experiments", "filter_string", "order"), CASES)
async def test_a_first_page_is_found_without_reading_most_runs(
    filled: asyncpg.Pool, experiments: Sequence[int], filter_string: str, order: list[str]
) -> None:
    async with planned(filled) as connection:
        assert await read(connection, experiments, filter_string, order) < BOUND


@pytest.mark.parametrize(
    ("index", "filter_string", "order"),
    [
        ("tracked_runs_by_start", "", []),
        ("run_metrics_by_value", "", ["metrics.acc DESC"]),
        ("run_metrics_by_value", "metrics.acc > 0.995", []),
        ("run_params_by_value", "", ["params.lr"]),
        ("run_tags_by_value", "tags.team = 'team 7'", []),
    ],
)
async def test_without_its_index_a_first_page_would_read_them(
    filled: asyncpg.Pool, index: str, filter_string: str, order: list[str]
) -> None:
    async with undone(filled) as connection:
        await connection.execute(f"DROP INDEX {index}")
        assert await read(connection, ONE, filter_string, order) > BOUND


MODELS = """
    INSERT INTO logged_models
    SELECT 'planned' || i, 9001, 'n', 'somewhere', NULL, NULL, 'READY', 'active', i, i
    FROM generate_series(1, 1000) AS i;
    INSERT INTO model_metrics (model_id, run, key, value, timestamp, step)
    SELECT 'planned' || i, i, key, i, 1, 1 FROM generate_series(1, 1000) AS i, unnest(array['acc', 'loss']) AS key
"""


async def test_a_logged_model_is_read_without_those_beside_it(pool: asyncpg.Pool) -> None:
    async with undone(pool) as connection:
        await connection.execute(MODELS)
        assert await explained(connection, logged_models.GET, ["planned7", False]) < 10
