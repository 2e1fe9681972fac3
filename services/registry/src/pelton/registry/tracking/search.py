"""Searches for runs and for experiments."""

# ruff: noqa: S608 - statements are made of constants, of what a grammar knows, and of the numbers of bound values

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import asyncpg

from pelton.registry.search import sql
from pelton.registry.search.narrowing import narrow
from pelton.registry.search.parts import Part, split
from pelton.registry.search.sql import Binds, ByValue, Column, Related, Tables
from pelton.registry.search.terms import Comparison, Kind, OrderTerm
from pelton.registry.tracking import experiments, runs
from pelton.registry.tracking.pool import planned

OF_RUN: Final = {"run": "r.run"}
METRICS: Final = ByValue({"experiment_id": "e.experiment_id"}, repeated=["start_time"])
TEXTS: Final = replace(METRICS, short=256)
DATASETS: Final = "(SELECT run, name, digest, context FROM run_datasets JOIN datasets USING (dataset))"
RUNS: Final = Tables(
    attributes={
        "run_id": Column("r.run_id", required=True),
        "run_name": Column("r.run_name"),
        "user_id": Column("r.user_id"),
        "status": Column("r.status"),
        "artifact_uri": Column("r.artifact_uri"),
        "start_time": Column("r.start_time", "bigint", required=True),
        "end_time": Column("r.end_time", "bigint"),
    },
    related={
        Kind.METRIC: Related("run_metrics", OF_RUN, by_value=METRICS),
        Kind.PARAM: Related("run_params", OF_RUN, by_value=TEXTS),
        Kind.TAG: Related("run_tags", OF_RUN, by_value=TEXTS),
    },
    datasets={name: Related(DATASETS, OF_RUN, value=name, key=None) for name in ("name", "digest", "context")},
)
EXPERIMENTS: Final = Tables(
    attributes={
        "name": Column("e.name"),
        "experiment_id": Column("e.experiment_id", "bigint"),
        "creation_time": Column("e.creation_time", "bigint"),
        "last_update_time": Column("e.last_update_time", "bigint"),
    },
    related={Kind.TAG: Related("experiment_tags", {"experiment_id": "e.experiment_id"})},
)
NARROW: Final = 10
"""How many times the runs that are wanted an index of values is read for, before it is given up as no help."""

NEWEST_FIRST: Final = (
    OrderTerm(Kind.ATTRIBUTE, "start_time", ascending=False),
    OrderTerm(Kind.ATTRIBUTE, "run_id"),
)


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, in which order, and which part of what is found.

    `stages` are those of the lifecycle. Where the order says nothing more, the newest come first.
    """

    filters: Sequence[Comparison]
    terms: Sequence[OrderTerm]
    stages: Sequence[str]
    limit: int
    offset: int = 0


async def find_runs(pool: asyncpg.Pool, experiment_ids: Sequence[int], search: Search) -> tuple[str, bool]:
    """The runs of some experiments as JSON, and whether there are more after them."""
    if not search.filters and not search.terms:
        # the newest are found by their index whatever the values, and asked for most
        statement, values = compile_page(experiment_ids, search)
        return _answer(await pool.fetchrow(statement, *values))
    async with planned(pool) as connection:
        among = None
        if (narrowing := compile_narrowing(experiment_ids, search)) is not None:
            statement, values = narrowing
            among = fewest(await connection.fetch(statement, *values))
        statement, values = compile_page(experiment_ids, search, among)
        return _answer(await connection.fetchrow(statement, *values))


def compile_narrowing(experiment_ids: Sequence[int], search: Search) -> tuple[str, list[object]] | None:
    """The statement that finds which runs meet the filters of a key, and its values; None where no filter has an index.

    It answers where these are no more than NARROW times as many as are wanted. Where they are more, of N runs, those
    that are wanted are among the first N / NARROW of any order, unless filters or orders depend on one another.
    """
    bind = Binds()
    source = _experiments(experiment_ids, bind)
    most = NARROW * (search.offset + search.limit + 1)
    statement = narrow(search.filters, RUNS, source, most, bind)
    return None if statement is None else (statement, bind.values)


def fewest(narrowed: Sequence[asyncpg.Record]) -> Sequence[int] | None:
    """The shortest of the answers to a narrowing; None where there is none."""
    return min((row["found"] for row in narrowed), key=len, default=None)


def compile_page(
    experiment_ids: Sequence[int], search: Search, among: Sequence[int] | None = None
) -> tuple[str, list[object]]:
    """The statement that finds a page of runs, `among` these if it is not None, and its values.

    Each experiment gives as many runs of a part of the order as are wanted, and of these the first are taken. A part is
    looked at only where those before it have too few.
    """
    bind = Binds()
    source = _experiments(experiment_ids, bind)
    wanted = f"{bind(search.offset + search.limit + 1)}::bigint"
    conditions = [f"r.lifecycle_stage = ANY({bind(search.stages)})"]
    if among is not None:
        conditions.append(f"r.run = ANY({bind(among)}::bigint[])")
    parts: list[str] = []
    for number, part in enumerate(split([*search.terms, *NEWEST_FIRST], search.filters, RUNS, bind)):
        before = " + ".join(["0", *(f"(SELECT count(*) FROM part{one})" for one in range(number))])
        rows = _rows_of(part, source, [*conditions, *part.conditions], wanted, f"{before} < {wanted}")
        parts.append(f"part{number} AS MATERIALIZED ({rows})")
    found = " UNION ALL ".join(f"SELECT {number} AS part, * FROM part{number}" for number in range(len(parts)))
    page = f"""
        SELECT {runs.JSON} AS found, row_number() OVER (ORDER BY part, place) AS place
        FROM (SELECT * FROM ({found}) AS found ORDER BY part, place
              LIMIT {bind(search.limit)} + 1 OFFSET {bind(search.offset)}) AS page
        JOIN tracked_runs AS r USING (run)
    """
    return f"WITH {', '.join(parts)} {_paged(page, bind(search.limit))}", bind.values


def _rows_of(part: Part, source: str, conditions: Sequence[str], wanted: str, only_if: str) -> str:
    """The first runs of a part, with their places in it."""
    names = [f"c{place}" for place in range(len(part.columns))]
    order = ", ".join(f"{name} {column.direction}" for name, column in zip(names, part.columns, strict=True))
    shown = ", ".join(f"{column.sql} AS {name}" for name, column in zip(names, part.columns, strict=True))
    within = [] if part.led else ["r.experiment_id = e.experiment_id"]
    slices = " UNION ALL ".join(
        f"""
        (SELECT r.run, {shown} FROM tracked_runs AS r {" ".join(part.joins)}
         WHERE {" AND ".join([*within, *conditions, one])} ORDER BY {order} LIMIT {wanted})
        """
        for one in part.slices
    )
    return f"""
        SELECT run, row_number() OVER (ORDER BY {order}) AS place
        FROM {source} CROSS JOIN LATERAL ({slices}) AS found WHERE {only_if} ORDER BY place LIMIT {wanted}
    """


def _experiments(experiment_ids: Sequence[int], bind: Binds) -> str:
    """What stands after FROM to have each of the experiments as `e`."""
    ids = sorted(set(experiment_ids))
    # through a single row of VALUES the planner sees which experiment it is, and so how much that has
    listed = f"(VALUES ({bind(ids[0])}::bigint))" if len(ids) == 1 else f"unnest({bind(ids)}::bigint[])"
    return f"{listed} AS e (experiment_id)"


async def find_experiments(pool: asyncpg.Pool, search: Search) -> tuple[str, bool]:
    """Experiments as JSON, and whether there are more after them."""
    bind = Binds()
    active = f"e.lifecycle_stage = ANY({bind(search.stages)})"
    _, columns = sql.order(search.terms, EXPERIMENTS, bind)
    order = [*map(str, columns), "e.experiment_id DESC"] if columns else ["e.creation_time DESC", "e.experiment_id"]
    page = f"""
        SELECT {experiments.JSON} AS found, row_number() OVER () AS place
        FROM (SELECT * FROM experiments AS e
              WHERE {" AND ".join([active, *sql.conditions(search.filters, EXPERIMENTS, bind)])}
              ORDER BY {", ".join(order)} LIMIT {bind(search.limit)} + 1 OFFSET {bind(search.offset)}) AS e
    """
    return _answer(await pool.fetchrow(_paged(page, bind(search.limit)), *bind.values))


def _paged(page: str, limit: str) -> str:
    return f"""
        SELECT coalesce(json_agg(found ORDER BY place) FILTER (WHERE place <= {limit}), '[]') AS found,
               count(*) > {limit} AS more
        FROM ({page}) AS page
    """


def _answer(row: asyncpg.Record) -> tuple[str, bool]:
    return row["found"], row["more"]
