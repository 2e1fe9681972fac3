"""Searches for runs and for experiments."""

# ruff: noqa: S608 - statements are made of constants, of what a grammar knows, and of the numbers of bound values

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from pelton.registry.search import sql
from pelton.registry.search.parts import split
from pelton.registry.search.sql import Binds, Column, Related, Tables
from pelton.registry.search.terms import Comparison, Kind, OrderTerm
from pelton.registry.tracking import experiments, runs
from pelton.registry.tracking.pool import fetch_planned

OF_RUN: Final = {"run": "r.run"}
LOGGED: Final = {**OF_RUN, "experiment_id": "e.experiment_id"}
REPEATED: Final = ("start_time",)
SHORT: Final = 256
"""How much text the indexes of values take, as the migration says."""
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
        Kind.METRIC: Related("run_metrics", LOGGED, repeated=REPEATED),
        Kind.PARAM: Related("run_params", LOGGED, short=SHORT, repeated=REPEATED),
        Kind.TAG: Related("run_tags", LOGGED, short=SHORT, repeated=REPEATED),
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
    statement, values = compile_runs(experiment_ids, search)
    return await _fetch(pool, statement, values, search)


def compile_runs(experiment_ids: Sequence[int], search: Search) -> tuple[str, list[object]]:
    """The statement that finds runs, and its values.

    Each experiment gives as many runs of a part of the order as are wanted, and of these the first are taken. A part is
    looked at only where those before it have too few.
    """
    bind = Binds()
    ids = sorted(set(experiment_ids))
    # of a single row of VALUES the planner knows which experiment it is, and how much that has
    scope = f"(VALUES ({bind(ids[0])}::bigint))" if len(ids) == 1 else f"unnest({bind(ids)}::bigint[])"
    stages, wanted = bind(search.stages), f"{bind(search.offset + search.limit + 1)}::bigint"
    parts, before = [], ["0"]
    for number, part in enumerate(split([*search.terms, *NEWEST_FIRST], search.filters, RUNS, bind)):
        names = [f"c{place}" for place in range(len(part.columns))]
        order = ", ".join(f"{name} {column.direction}" for name, column in zip(names, part.columns, strict=True))
        shown = ", ".join(f"{column.sql} AS {name}" for name, column in zip(names, part.columns, strict=True))
        conditions = [f"r.lifecycle_stage = ANY({stages})", *part.conditions]
        if not part.led:
            conditions.append("r.experiment_id = e.experiment_id")
        slices = " UNION ALL ".join(
            f"""
            (SELECT r.run, {shown} FROM tracked_runs AS r {" ".join(part.joins)}
             WHERE {" AND ".join([*conditions, one])} ORDER BY {order} LIMIT {wanted})
            """
            for one in part.slices
        )
        parts.append(f"""
            part{number} AS MATERIALIZED (
                SELECT run, row_number() OVER (ORDER BY {order}) AS place
                FROM {scope} AS e (experiment_id) CROSS JOIN LATERAL ({slices}) AS found
                WHERE {" + ".join(before)} < {wanted}
                ORDER BY place LIMIT {wanted})
        """)
        before.append(f"(SELECT count(*) FROM part{number})")
    found = " UNION ALL ".join(f"SELECT {number} AS part, * FROM part{number}" for number in range(len(parts)))
    page = f"""
        SELECT {runs.JSON} AS found, row_number() OVER (ORDER BY part, place) AS place
        FROM (SELECT * FROM ({found}) AS found ORDER BY part, place
              LIMIT {bind(search.limit)} + 1 OFFSET {bind(search.offset)}) AS page
        JOIN tracked_runs AS r USING (run)
    """
    return f"WITH {', '.join(parts)} {_paged(page, bind(search.limit))}", bind.values


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
    return await _fetch(pool, _paged(page, bind(search.limit)), bind.values, search)


def _paged(page: str, limit: str) -> str:
    return f"""
        SELECT coalesce(json_agg(found ORDER BY place) FILTER (WHERE place <= {limit}), '[]') AS found,
               count(*) > {limit} AS more
        FROM ({page}) AS page
    """


async def _fetch(pool: asyncpg.Pool, statement: str, values: Sequence[object], search: Search) -> tuple[str, bool]:
    # the newest are found by their index whatever the values, and asked for most
    simple = not search.filters and not search.terms
    row = await (pool.fetchrow(statement, *values) if simple else fetch_planned(pool, statement, *values))
    return row["found"], row["more"]
