"""Runs, their params, tags and latest metrics."""

# ruff: noqa: S608 - statements are made of constants

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import asyncpg

from pelton.registry.tracking.refusals import InactiveError, MissingError, NeededError

Found = TypeVar("Found")

RUN_NAME: Final = "mlflow.runName"
"""The tag that says a run's name too; the two are kept in step."""

INFO: Final = """
    json_strip_nulls(json_build_object(
        'run_id', r.run_id, 'run_uuid', r.run_id, 'run_name', r.run_name, 'experiment_id', r.experiment_id::text,
        'user_id', r.user_id, 'status', r.status, 'start_time', r.start_time, 'end_time', r.end_time,
        'artifact_uri', r.artifact_uri, 'lifecycle_stage', r.lifecycle_stage))
"""
"""What clients read of a run `r` itself."""

JSON: Final = f"""
    json_build_object(
        'info', {INFO},
        'data', json_build_object(
            'metrics', coalesce((SELECT json_agg(m) FROM (
                SELECT key, value, timestamp, step FROM run_metrics WHERE run = r.run ORDER BY key) AS m), '[]'),
            'params', coalesce((SELECT json_agg(p) FROM (
                SELECT key, value FROM run_params WHERE run = r.run ORDER BY key) AS p), '[]'),
            'tags', coalesce((SELECT json_agg(t) FROM (
                SELECT key, value FROM run_tags WHERE run = r.run ORDER BY key) AS t), '[]')),
        'inputs', json_build_object(
            'dataset_inputs', coalesce((SELECT json_agg(d) FROM (
                SELECT i.tags, json_strip_nulls(json_build_object(
                    'name', name, 'digest', digest, 'source_type', source_type, 'source', source,
                    'schema', schema, 'profile', profile)) AS dataset
                FROM run_datasets AS i JOIN datasets USING (dataset) WHERE i.run = r.run
                ORDER BY i.dataset) AS d), '[]'),
            'model_inputs', coalesce((SELECT json_agg(i) FROM (
                SELECT model_id FROM run_models WHERE run = r.run AND relation = 'input'
                ORDER BY model_id) AS i), '[]')),
        'outputs', json_build_object(
            'model_outputs', coalesce((SELECT json_agg(o) FROM (
                SELECT model_id, step FROM run_models WHERE run = r.run AND relation = 'output'
                ORDER BY step, model_id) AS o), '[]')))
"""
"""A whole run `r` as clients read it. JSON has no NaN and no infinity: PostgreSQL writes their names, as clients do."""

CREATE: Final = """
    WITH e AS (SELECT experiment_id, artifact_location, lifecycle_stage FROM experiments WHERE experiment_id = $1),
    created AS (
        INSERT INTO tracked_runs
            (run_id, experiment_id, run_name, user_id, status, start_time, artifact_uri)
        SELECT $2, experiment_id, $3, $4, 'RUNNING', $5, artifact_location || '/' || $2 || '/artifacts'
        FROM e WHERE lifecycle_stage = 'active' RETURNING run, experiment_id, start_time
    ), tagged AS (
        INSERT INTO run_tags (run, experiment_id, start_time, key, value)
        SELECT run, experiment_id, start_time, key, value
        FROM created, unnest($6::text[], $7::text[]) AS given (key, value)
    )
    SELECT lifecycle_stage, artifact_location || '/' || $2 || '/artifacts' AS artifact_uri FROM e
"""
GET: Final = f"SELECT {JSON} FROM tracked_runs AS r WHERE run_id = $1"
UPDATE: Final = f"""
    WITH was AS (SELECT run, lifecycle_stage FROM tracked_runs WHERE run_id = $1),
    r AS (
        UPDATE tracked_runs AS changed SET status = coalesce($2, status), end_time = coalesce($3, end_time),
                                           run_name = coalesce($4, run_name)
        FROM was WHERE changed.run = was.run AND was.lifecycle_stage = 'active' RETURNING changed.*
    ), tagged AS (
        INSERT INTO run_tags (run, experiment_id, start_time, key, value)
        SELECT run, experiment_id, start_time, '{RUN_NAME}', $4 FROM r WHERE $4::text IS NOT NULL
        ON CONFLICT (run, key) DO UPDATE SET value = excluded.value
    )
    SELECT was.lifecycle_stage, {INFO} AS info FROM was LEFT JOIN r USING (run)
"""
DELETE: Final = """
    WITH needed AS (
        SELECT 'version ' || version || ' of ' || model AS version
        FROM versions WHERE run_id = $1 ORDER BY model, version
    ), gone AS (
        UPDATE tracked_runs SET lifecycle_stage = 'deleted'
        WHERE run_id = $1 AND NOT EXISTS (SELECT FROM needed)
    )
    SELECT run_id, ARRAY(SELECT version FROM needed) AS needed FROM tracked_runs WHERE run_id = $1
"""
RESTORE: Final = "UPDATE tracked_runs SET lifecycle_stage = 'active' WHERE run_id = $1 RETURNING run_id"
DELETE_TAG: Final = """
    WITH was AS (SELECT run, lifecycle_stage FROM tracked_runs WHERE run_id = $1),
    gone AS (
        DELETE FROM run_tags AS t USING was
        WHERE t.run = was.run AND key = $2 AND lifecycle_stage = 'active' RETURNING key
    )
    SELECT lifecycle_stage, (SELECT count(*) FROM gone) AS gone FROM was
"""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that begins; its tags hold its name too."""

    run_id: str
    experiment_id: int
    name: str
    user: str
    start_time: int
    tags: Mapping[str, str]


async def create(pool: asyncpg.Pool, new: NewRun) -> str:
    """Begin a run; returns where its artifacts are.

    Raises:
        MissingError: there is no such experiment.
        InactiveError: the experiment is deleted.
    """
    row = await pool.fetchrow(
        CREATE,
        new.experiment_id,
        new.run_id,
        new.name,
        new.user,
        new.start_time,
        list(new.tags),
        list(new.tags.values()),
    )
    if row is None:
        raise MissingError(f"No Experiment with id={new.experiment_id} exists")
    if row["lifecycle_stage"] != "active":
        raise InactiveError(
            f"The experiment {new.experiment_id} must be in the 'active' state. "
            f"Current state is {row['lifecycle_stage']}. Restore it first."
        )
    return str(row["artifact_uri"])


async def get(pool: asyncpg.Pool, run_id: str) -> str:
    """A whole run as JSON.

    Raises:
        MissingError: there is none.
    """
    found: str | None = await pool.fetchval(GET, run_id)
    return _found(found, run_id)


async def update(pool: asyncpg.Pool, run_id: str, status: str | None, end_time: int | None, name: str | None) -> str:
    """Change what is not None; returns what the run is, without its data, as JSON.

    Raises:
        MissingError: there is no such run.
        InactiveError: it is deleted.
    """
    row = await pool.fetchrow(UPDATE, run_id, status, end_time, name)
    check_active(row and row["lifecycle_stage"], run_id)
    return str(row["info"])


async def delete(pool: asyncpg.Pool, run_id: str) -> None:
    """Mark a run as deleted.

    Raises:
        MissingError: there is no such run.
        NeededError: versions of models were made from it.
    """
    row = _found(await pool.fetchrow(DELETE, run_id), run_id)
    if row["needed"]:
        raise NeededError(f"Run {run_id}", row["needed"])


async def restore(pool: asyncpg.Pool, run_id: str) -> None:
    """Undo the deletion of a run.

    Raises:
        MissingError: there is no such run.
    """
    _found(await pool.fetchval(RESTORE, run_id), run_id)


async def delete_tag(pool: asyncpg.Pool, run_id: str, key: str) -> None:
    """Take a tag away.

    Raises:
        MissingError: there is no such run, or it has no such tag.
        InactiveError: the run is deleted.
    """
    row = await pool.fetchrow(DELETE_TAG, run_id, key)
    check_active(row and row["lifecycle_stage"], run_id)
    if not row["gone"]:
        raise MissingError(f"No tag with name: {key} in run with id {run_id}")


def check_active(stage: str | None, run_id: str) -> None:
    """Whether a run in this stage may be written to.

    Raises:
        MissingError: there is no such run.
        InactiveError: it is deleted.
    """
    if _found(stage, run_id) != "active":
        raise InactiveError(
            f"The run {run_id} must be in the 'active' state. Current state is {stage}. Restore it first."
        )


def _found(found: Found | None, run_id: str) -> Found:
    if found is None:
        raise MissingError(f"Run with id={run_id} not found")
    return found
