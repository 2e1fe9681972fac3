"""Searches for runs and for experiments."""

# ruff: noqa: S608 - statements are made of constants, of what a grammar knows, and of the numbers of bound values

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from pelton.registry.search.sql import Binds, Column, Related, Tables, conditions, order
from pelton.registry.search.terms import Comparison, Kind, OrderTerm
from pelton.registry.tracking import experiments, runs
from pelton.registry.tracking.pool import fetch_planned

OF_RUN: Final = {"run": "r.run"}
DATASETS: Final = "(SELECT run, name, digest, context FROM run_datasets JOIN datasets USING (dataset))"
RUNS: Final = Tables(
    attributes={
        "run_id": Column("r.run_id"),
        "run_name": Column("r.run_name"),
        "user_id": Column("r.user_id"),
        "status": Column("r.status"),
        "artifact_uri": Column("r.artifact_uri"),
        "start_time": Column("r.start_time", "bigint"),
        "end_time": Column("r.end_time", "bigint"),
    },
    related={
        Kind.METRIC: Related("run_metrics", OF_RUN),
        Kind.PARAM: Related("run_params", OF_RUN),
        Kind.TAG: Related("run_tags", OF_RUN),
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
    bind = Binds()
    # an index has the runs of one experiment in their order, and those of several are sorted
    of = bind(experiment_ids[0]) if len(experiment_ids) == 1 else f"ANY({bind(experiment_ids)})"
    clauses = [f"r.experiment_id = {of}", *conditions(search.filters, RUNS, bind)]
    joins, columns = order(search.terms, RUNS, bind)
    if OrderTerm(Kind.ATTRIBUTE, "start_time") not in search.terms:
        columns.append("r.start_time DESC")
    columns.append("r.run_id")
    return await _find(pool, f"tracked_runs AS r {' '.join(joins)}", "r", runs.JSON, clauses, columns, search, bind)


async def find_experiments(pool: asyncpg.Pool, search: Search) -> tuple[str, bool]:
    """Experiments as JSON, and whether there are more after them."""
    bind = Binds()
    clauses = conditions(search.filters, EXPERIMENTS, bind)
    _, columns = order(search.terms, EXPERIMENTS, bind)
    columns += ["e.experiment_id DESC"] if columns else ["e.creation_time DESC", "e.experiment_id"]
    return await _find(pool, "experiments AS e", "e", experiments.JSON, clauses, columns, search, bind)


async def _find(
    pool: asyncpg.Pool,
    source: str,
    alias: str,
    shown: str,
    clauses: Sequence[str],
    columns: Sequence[str],
    search: Search,
    bind: Binds,
) -> tuple[str, bool]:
    limit = bind(search.limit)
    where = " AND ".join([f"{alias}.lifecycle_stage = ANY({bind(search.stages)})", *clauses])
    statement = f"""
        SELECT coalesce(json_agg(found) FILTER (WHERE place <= {limit}), '[]') AS found, count(*) > {limit} AS more
        FROM (
            SELECT {shown} AS found, row_number() OVER () AS place
            FROM (SELECT {alias}.* FROM {source} WHERE {where} ORDER BY {", ".join(columns)}
                  LIMIT {limit} + 1 OFFSET {bind(search.offset)}) AS {alias}) AS page
    """
    # the newest are found by their index whatever the values, and asked for most
    simple = not search.filters and not search.terms
    row = await (pool.fetchrow(statement, *bind.values) if simple else fetch_planned(pool, statement, *bind.values))
    return row["found"], row["more"]
