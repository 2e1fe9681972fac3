"""Logged models, their params, tags and metrics."""

# ruff: noqa: S608 - statements are made of constants, and of conditions whose values are bound

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import asyncpg

from pelton.registry.search import sql
from pelton.registry.search.sql import Binds, Column, Ordered, Related, Tables
from pelton.registry.search.terms import Comparison, Kind, OrderTerm
from pelton.registry.tracking.refusals import InactiveError, MissingError, ParamChangedError

JSON: Final = """
    json_build_object(
        'info', json_strip_nulls(json_build_object(
            'model_id', m.model_id, 'experiment_id', m.experiment_id::text, 'name', m.name,
            'artifact_uri', m.artifact_uri, 'model_type', m.model_type, 'source_run_id', m.source_run_id,
            'status', 'LOGGED_MODEL_' || CASE m.status WHEN 'FAILED' THEN 'UPLOAD_FAILED' ELSE m.status END,
            'creation_timestamp_ms', m.creation_timestamp, 'last_updated_timestamp_ms', m.last_updated_timestamp,
            'tags', coalesce((SELECT json_agg(t ORDER BY key) FROM (
                SELECT key, value FROM logged_model_tags
                WHERE model_id = m.model_id AND key <> 'mlflow.modelVersions'
                UNION ALL
                SELECT 'mlflow.modelVersions', jsonb_agg(
                    jsonb_build_object('name', model, 'version', version) ORDER BY created_at, model, version)::text
                FROM versions WHERE logged_model_id COLLATE "C" = m.model_id HAVING count(*) > 0) AS t), '[]'),
            'registrations', coalesce((SELECT json_agg(v) FROM (
                SELECT model AS name, version::text FROM versions WHERE logged_model_id COLLATE "C" = m.model_id
                ORDER BY model, versions.version) AS v), '[]'))),
        'data', json_build_object(
            'params', coalesce((SELECT json_agg(p) FROM (
                SELECT key, value FROM logged_model_params WHERE model_id = m.model_id ORDER BY key) AS p), '[]'),
            'metrics', coalesce((SELECT json_agg(json_strip_nulls(to_json(s))) FROM (
                SELECT DISTINCT ON (key, run_id, dataset_name, dataset_digest)
                       key, value, timestamp, step, model_id, run_id,
                       nullif(dataset_name, '') AS dataset_name, nullif(dataset_digest, '') AS dataset_digest
                FROM model_metrics JOIN tracked_runs USING (run) WHERE model_id = m.model_id
                ORDER BY key, run_id, dataset_name, dataset_digest, step DESC, timestamp DESC) AS s), '[]')))
"""
"""A logged model `m` as clients read it, with the latest point of each metric that a run measured on a dataset.

Which versions were made of it is shown as a tag too, as MLflow's own server does.
"""

CREATE: Final = """
    WITH e AS (SELECT experiment_id, artifact_location, lifecycle_stage FROM experiments WHERE experiment_id = $1),
    created AS (
        INSERT INTO logged_models
            (model_id, experiment_id, name, artifact_uri, model_type, source_run_id, creation_timestamp,
             last_updated_timestamp)
        SELECT $2, experiment_id, $3, artifact_location || '/models/' || $2 || '/artifacts', $4, $5, $6, $6
        FROM e WHERE lifecycle_stage = 'active' RETURNING model_id
    ), described AS (
        INSERT INTO logged_model_params (model_id, key, value)
        SELECT model_id, key, value FROM created, unnest($7::text[], $8::text[]) AS given (key, value)
    ), tagged AS (
        INSERT INTO logged_model_tags (model_id, key, value)
        SELECT model_id, key, value FROM created, unnest($9::text[], $10::text[]) AS given (key, value)
    )
    SELECT lifecycle_stage FROM e
"""
GET: Final = f"SELECT {JSON} FROM logged_models AS m WHERE model_id = $1 AND (lifecycle_stage = 'active' OR $2)"
ARTIFACT_URI: Final = "SELECT artifact_uri FROM logged_models WHERE model_id = $1 AND lifecycle_stage = 'active'"
FINISH: Final = """
    UPDATE logged_models SET status = $2, last_updated_timestamp = $3
    WHERE model_id = $1 AND lifecycle_stage = 'active' RETURNING model_id
"""
DELETE: Final = """
    UPDATE logged_models SET lifecycle_stage = 'deleted', last_updated_timestamp = $2
    WHERE model_id = $1 AND lifecycle_stage = 'active' RETURNING model_id
"""
LOCK: Final = "SELECT model_id FROM logged_models WHERE model_id = $1 AND lifecycle_stage = 'active' FOR UPDATE"
CHANGED_PARAMS: Final = """
    SELECT key FROM logged_model_params JOIN unnest($2::text[], $3::text[]) AS given (key, value) USING (key)
    WHERE model_id = $1 AND logged_model_params.value <> given.value ORDER BY key
"""
ADD_PARAMS: Final = """
    INSERT INTO logged_model_params (model_id, key, value)
    SELECT $1, key, value FROM unnest($2::text[], $3::text[]) AS given (key, value) ON CONFLICT DO NOTHING
"""
SET_TAGS: Final = """
    WITH m AS (SELECT model_id FROM logged_models WHERE model_id = $1 AND lifecycle_stage = 'active'),
    tagged AS (
        INSERT INTO logged_model_tags (model_id, key, value)
        SELECT model_id, key, value FROM m, unnest($2::text[], $3::text[]) AS given (key, value)
        ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value
    )
    SELECT model_id FROM m
"""
DELETE_TAG: Final = "DELETE FROM logged_model_tags WHERE model_id = $1 AND key = $2 RETURNING key"

OF_MODEL: Final = {"model_id": "m.model_id"}
METRICS: Final = Related("model_metrics", OF_MODEL)
TABLES: Final = Tables(
    attributes={
        "name": Column("m.name"),
        "model_id": Column("m.model_id"),
        "experiment_id": Column("m.experiment_id", "bigint"),
        "model_type": Column("m.model_type"),
        "status": Column("m.status"),
        "source_run_id": Column("m.source_run_id"),
        "creation_timestamp": Column("m.creation_timestamp", "bigint"),
        "last_updated_timestamp": Column("m.last_updated_timestamp", "bigint"),
    },
    related={
        Kind.METRIC: METRICS,
        Kind.PARAM: Related("logged_model_params", OF_MODEL),
        Kind.TAG: Related("logged_model_tags", OF_MODEL),
    },
)
BY_CREATION: Final = "m.creation_timestamp DESC, m.model_id"


@dataclass(frozen=True, slots=True)
class NewModel:
    """What a program says of a model that it begins to log."""

    experiment_id: int
    name: str
    model_type: str | None
    source_run_id: str | None
    params: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a metric was measured on; every dataset of the name where there is no digest."""

    name: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for: models of experiments that meet all comparisons, by metrics on any of the datasets.

    Each term of the order may be of metrics on one dataset alone.
    """

    experiments: Sequence[int]
    comparisons: Sequence[Comparison]
    datasets: Sequence[Dataset]
    order: Sequence[tuple[OrderTerm, Dataset | None]]


async def create(pool: asyncpg.Pool, model_id: str, new: NewModel, now: int) -> str:
    """Begin a model, whose artifacts are yet to come; returns it as JSON.

    Raises:
        MissingError: there is no such experiment.
        InactiveError: the experiment is deleted.
    """
    stage = await pool.fetchval(
        CREATE,
        new.experiment_id,
        model_id,
        new.name,
        new.model_type,
        new.source_run_id,
        now,
        list(new.params),
        list(new.params.values()),
        list(new.tags),
        list(new.tags.values()),
    )
    if stage is None:
        raise MissingError(f"No Experiment with id={new.experiment_id} exists")
    if stage != "active":
        raise InactiveError(f"The experiment {new.experiment_id} must be active: restore it, then log the model")
    return await get(pool, model_id)


async def get(pool: asyncpg.Pool, model_id: str, *, deleted: bool = False) -> str:
    """A model as JSON; a deleted one only where `deleted` says so.

    Raises:
        MissingError: there is none.
    """
    return _found(await pool.fetchval(GET, model_id, deleted), model_id)


async def artifact_uri(pool: asyncpg.Pool, model_id: str) -> str:
    """Where a model's files lie.

    Raises:
        MissingError: there is no such model.
    """
    return _found(await pool.fetchval(ARTIFACT_URI, model_id), model_id)


async def finish(pool: asyncpg.Pool, model_id: str, status: str, now: int) -> str:
    """Say whether the artifacts arrived; returns the model as JSON.

    Raises:
        MissingError: there is no such model.
    """
    _found(await pool.fetchval(FINISH, model_id, status, now), model_id)
    return await get(pool, model_id)


async def delete(pool: asyncpg.Pool, model_id: str, now: int) -> None:
    """Mark a model as deleted.

    Raises:
        MissingError: there is no such model, or it is deleted already.
    """
    _found(await pool.fetchval(DELETE, model_id, now), model_id)


async def add_params(pool: asyncpg.Pool, model_id: str, params: Mapping[str, str]) -> None:
    """Add params; the same again changes nothing.

    Raises:
        MissingError: there is no such model.
        ParamChangedError: one has another value already.
    """
    keys, values = list(params), list(params.values())
    async with pool.acquire() as connection, connection.transaction():
        _found(await connection.fetchval(LOCK, model_id), model_id)
        changed = [row["key"] for row in await connection.fetch(CHANGED_PARAMS, model_id, keys, values)]
        if changed:
            raise ParamChangedError(
                f"Params of the logged model {model_id} have other values already: {', '.join(changed)}. "
                "A param keeps its value: log another model, or use a tag."
            )
        await connection.execute(ADD_PARAMS, model_id, keys, values)


async def set_tags(pool: asyncpg.Pool, model_id: str, tags: Mapping[str, str]) -> None:
    """Set tags.

    Raises:
        MissingError: there is no such model.
    """
    _found(await pool.fetchval(SET_TAGS, model_id, list(tags), list(tags.values())), model_id)


async def delete_tag(pool: asyncpg.Pool, model_id: str, key: str) -> None:
    """Take a tag away.

    Raises:
        MissingError: there is no such model, or it has no such tag.
    """
    await artifact_uri(pool, model_id)
    if await pool.fetchval(DELETE_TAG, model_id, key) is None:
        raise MissingError(f"No tag with key {key!r} found for model with ID {model_id!r}.")


async def search(pool: asyncpg.Pool, asked: Search, offset: int, limit: int) -> list[str]:
    """Models as JSON, the newest first unless the order says otherwise.

    Raises:
        SearchSyntaxError: a number is compared with text.
    """
    bind = Binds(list(asked.experiments))
    tables = TABLES
    narrowed = [f"({_on(dataset, bind)})" for dataset in asked.datasets]
    conditions = []
    if narrowed:
        related = replace(METRICS, where=f"({' OR '.join(narrowed)})")
        tables = replace(TABLES, related={**TABLES.related, Kind.METRIC: related})
        if not any(one.kind is Kind.METRIC for one in asked.comparisons):
            conditions.append(sql.exists(replace(related, key=None), "", bind))
    conditions += sql.conditions(asked.comparisons, tables, bind)
    joins: list[str] = []
    order: list[Ordered] = []
    for term, dataset in asked.order:
        latest = _latest(None if dataset is None else _on(dataset, bind))
        join, columns = sql.order([term], replace(TABLES, related={Kind.METRIC: latest}), bind)
        joins, order = joins + join, order + columns
    statement = f"""
        SELECT {JSON} FROM logged_models AS m {" ".join(joins)}
        WHERE {" AND ".join(["m.experiment_id = ANY($1) AND m.lifecycle_stage = 'active'", *conditions])}
        ORDER BY {", ".join([*map(str, order), BY_CREATION])} LIMIT {bind(limit)} OFFSET {bind(offset)}
    """
    return [row[0] for row in await pool.fetch(statement, *bind.values)]


def _on(dataset: Dataset, bind: Binds) -> str:
    """The condition that a metric was measured on a dataset."""
    condition = f"{{alias}}.dataset_name = {bind(dataset.name)}"
    return condition if dataset.digest is None else f"{condition} AND {{alias}}.dataset_digest = {bind(dataset.digest)}"


def _latest(on_dataset: str | None) -> Related:
    """The latest value of each metric of each model."""
    measured = "" if on_dataset is None else f"AND {on_dataset.format(alias='every')}"
    return Related(
        f"""LATERAL (SELECT DISTINCT ON (key) model_id, key, value FROM model_metrics AS every
                     WHERE every.model_id = m.model_id {measured}
                     ORDER BY key, timestamp DESC, step DESC, run)""",
        OF_MODEL,
    )


def _found(value: str | None, model_id: str) -> str:
    if value is None:
        raise MissingError(f"Logged model with ID '{model_id}' not found.")
    return value
