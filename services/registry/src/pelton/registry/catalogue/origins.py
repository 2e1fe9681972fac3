"""What versions that programs log are made from: runs and logged models, as tracking has them."""

import json
import math
from dataclasses import dataclass
from typing import Final

import asyncpg

from pelton.contracts.registry import LoggedRun

COMMIT: Final = "mlflow.source.git.commit"

RUN: Final = """
    SELECT artifact_uri,
           (SELECT json_object_agg(key, value) FROM run_params AS p WHERE p.run = r.run) AS parameters,
           ARRAY(SELECT key FROM run_metrics AS m WHERE m.run = r.run ORDER BY key) AS metrics,
           ARRAY(SELECT value FROM run_metrics AS m WHERE m.run = r.run ORDER BY key) AS values,
           (SELECT value FROM run_tags AS t WHERE t.run = r.run AND key = $2) AS commit
    FROM tracked_runs AS r WHERE run_id = $1
"""
LOGGED_MODEL: Final = """
    SELECT artifact_uri, source_run_id FROM logged_models WHERE model_id = $1 AND lifecycle_stage = 'active'
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run has on record, and where its files lie."""

    logged: LoggedRun
    artifact_uri: str


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """Where a logged model's files lie, and the run that wrote it."""

    artifact_uri: str
    source_run_id: str | None


async def run(pool: asyncpg.Pool, run_id: str) -> Run | None:
    """A run of these clients; None for one that is not known here. Metrics that are no finite number are left out."""
    row = await pool.fetchrow(RUN, run_id, COMMIT)
    if row is None:
        return None
    measured = zip(row["metrics"], row["values"], strict=True)
    logged = LoggedRun(
        run_id=run_id,
        parameters=json.loads(row["parameters"] or "{}"),
        metrics={key: value for key, value in measured if math.isfinite(value)},
        commit=row["commit"],
    )
    return Run(logged, row["artifact_uri"])


async def logged_model(pool: asyncpg.Pool, model_id: str) -> LoggedModel | None:
    """A logged model; None where there is none."""
    row = await pool.fetchrow(LOGGED_MODEL, model_id)
    return None if row is None else LoggedModel(**row)
