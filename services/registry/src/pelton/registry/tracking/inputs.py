"""What runs were given and what they made: datasets, and models that they logged."""

# ruff: noqa: S608 - statements are made of constants

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import asyncpg

from pelton.registry.tracking.runs import check_active

CONTEXT: Final = "mlflow.data.context"
"""The tag that says what a run used a dataset for."""

MODEL_HISTORY: Final = "mlflow.log-model.history"
"""The tag in which clients of MLflow 2 find what models a run made."""

# Runs of one experiment share a dataset; each has tags of its own for it, and keeps those that it gave first.
ADD_DATASETS: Final = """
    WITH the AS (SELECT run, experiment_id, lifecycle_stage FROM tracked_runs WHERE run_id = $1),
    given AS (
        SELECT DISTINCT ON (name, digest) *
        FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::json[])
            WITH ORDINALITY AS given (name, digest, source_type, source, schema, profile, context, tags, place)
        ORDER BY name, digest, place
    ), kept AS (
        INSERT INTO datasets AS kept (experiment_id, name, digest, source_type, source, schema, profile)
        SELECT experiment_id, name, digest, source_type, source, schema, profile
        FROM the, given WHERE lifecycle_stage = 'active' ORDER BY name, digest
        ON CONFLICT (experiment_id, name, digest) DO UPDATE SET source = kept.source
        RETURNING dataset, name, digest
    ), used AS (
        INSERT INTO run_datasets (run, dataset, context, tags)
        SELECT run, dataset, context, tags FROM the, kept JOIN given USING (name, digest)
        ON CONFLICT DO NOTHING
    )
    SELECT lifecycle_stage FROM the
"""
ADD_MODELS: Final = """
    WITH the AS (SELECT run, lifecycle_stage FROM tracked_runs WHERE run_id = $1),
    added AS (
        INSERT INTO run_models (run, relation, model_id, step)
        SELECT run, $2, model_id, step FROM the, unnest($3::text[], $4::bigint[]) AS given (model_id, step)
        WHERE lifecycle_stage = 'active'
        ON CONFLICT DO NOTHING
    )
    SELECT lifecycle_stage FROM the
"""
SUMMARIES: Final = """
    SELECT coalesce(json_agg(json_strip_nulls(json_build_object(
        'experiment_id', experiment_id::text, 'name', name, 'digest', digest, 'context', context))), '[]')
    FROM (
        SELECT DISTINCT experiment_id, name, digest, context
        FROM datasets JOIN run_datasets USING (dataset) WHERE experiment_id = ANY($1)
        ORDER BY experiment_id, name, digest, context LIMIT $2) AS summary
"""

RECORD_MODEL: Final = f"""
    WITH the AS (SELECT * FROM tracked_runs WHERE run_id = $1),
    recorded AS (
        INSERT INTO run_tags AS kept (run, experiment_id, start_time, key, value)
        SELECT run, experiment_id, start_time, '{MODEL_HISTORY}', json_build_array($2::json)::text
        FROM the WHERE lifecycle_stage = 'active'
        ON CONFLICT (run, key) DO UPDATE SET value = (kept.value::jsonb || excluded.value::jsonb)::text
    )
    SELECT lifecycle_stage FROM the
"""

Relation = Literal["input", "output"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset that a run used; `tags` is JSON, as clients read them."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None
    profile: str | None
    context: str | None
    tags: str


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A logged model, and the step of the run at which it was made."""

    model_id: str
    step: int = 0


async def add_datasets(connection: asyncpg.Connection | asyncpg.Pool, run_id: str, datasets: Sequence[Dataset]) -> None:
    """Say which datasets a run used.

    Raises:
        MissingError: there is no such run.
        InactiveError: it is deleted.
    """
    columns = zip(
        *(
            (one.name, one.digest, one.source_type, one.source, one.schema, one.profile, one.context, one.tags)
            for one in datasets
        ),
        strict=True,
    )
    check_active(await connection.fetchval(ADD_DATASETS, run_id, *(columns if datasets else [()] * 8)), run_id)


async def add_models(
    connection: asyncpg.Connection | asyncpg.Pool, run_id: str, relation: Relation, models: Sequence[LoggedModel]
) -> None:
    """Say which models a run was given, or made.

    Raises:
        MissingError: there is no such run.
        InactiveError: it is deleted.
    """
    ids, steps = [one.model_id for one in models], [one.step for one in models]
    check_active(await connection.fetchval(ADD_MODELS, run_id, relation, ids, steps), run_id)


async def record_model(pool: asyncpg.Pool, run_id: str, model: str) -> None:
    """Add a model's description, which is JSON, to the run's tag for them.

    Raises:
        MissingError: there is no such run.
        InactiveError: it is deleted.
    """
    check_active(await pool.fetchval(RECORD_MODEL, run_id, model), run_id)


async def summaries(pool: asyncpg.Pool, experiment_ids: Sequence[int], limit: int) -> str:
    """The datasets that runs of experiments used, and what for, as JSON."""
    return str(await pool.fetchval(SUMMARIES, experiment_ids, limit))
