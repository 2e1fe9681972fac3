"""Experiments and their tags."""

# ruff: noqa: S608 - statements are made of constants

from collections.abc import Mapping
from typing import Final, TypeVar

import asyncpg

from pelton.registry.tracking.refusals import InactiveError, MissingError, NameTakenError, NeededError

Found = TypeVar("Found")

DEFAULT: Final = 0
"""The experiment that is there from the start, named Default, and meant where a client names none."""

JSON: Final = """
    json_build_object(
        'experiment_id', e.experiment_id::text, 'name', e.name, 'artifact_location', e.artifact_location,
        'lifecycle_stage', e.lifecycle_stage, 'creation_time', e.creation_time, 'last_update_time', e.last_update_time,
        'tags', coalesce((SELECT json_agg(json_build_object('key', key, 'value', value) ORDER BY key)
                          FROM experiment_tags AS t WHERE t.experiment_id = e.experiment_id), '[]'))
"""
"""An experiment `e` as clients read it."""

BEGIN_WITH_DEFAULT: Final = """
    INSERT INTO experiments (experiment_id, name, artifact_location, creation_time, last_update_time)
    VALUES ($1, 'Default', 'mlflow-artifacts:/0', $2, $2) ON CONFLICT DO NOTHING
"""
CREATE: Final = """
    WITH created AS (
        INSERT INTO experiments (experiment_id, name, artifact_location, creation_time, last_update_time)
        SELECT id, $1, coalesce($2, 'mlflow-artifacts:/' || id), $3, $3 FROM nextval('experiment_ids') AS id
        ON CONFLICT (name) DO NOTHING RETURNING experiment_id
    ), tagged AS (
        INSERT INTO experiment_tags (experiment_id, key, value)
        SELECT experiment_id, key, value FROM created, unnest($4::text[], $5::text[]) AS given (key, value)
    )
    SELECT experiment_id FROM created
"""
GET: Final = f"SELECT {JSON} FROM experiments AS e WHERE experiment_id = $1"
GET_BY_NAME: Final = f"SELECT {JSON} FROM experiments AS e WHERE name = $1"
RENAME: Final = """
    WITH was AS (SELECT experiment_id, lifecycle_stage FROM experiments WHERE experiment_id = $1),
    changed AS (
        UPDATE experiments AS e SET name = $2, last_update_time = $3
        FROM was WHERE e.experiment_id = was.experiment_id AND was.lifecycle_stage = 'active'
    )
    SELECT lifecycle_stage FROM was
"""
NEEDED: Final = """
    SELECT 'version ' || version || ' of ' || model
    FROM versions JOIN tracked_runs USING (run_id) WHERE experiment_id = $1 ORDER BY model, version
"""
SET_STAGE: Final = """
    WITH changed AS (
        UPDATE experiments SET lifecycle_stage = $2, last_update_time = $3
        WHERE experiment_id = $1 AND lifecycle_stage <> $2 RETURNING experiment_id
    ), runs AS (
        UPDATE tracked_runs SET lifecycle_stage = $2 FROM changed
        WHERE tracked_runs.experiment_id = changed.experiment_id
    )
    SELECT experiment_id FROM changed
"""
SET_TAG: Final = """
    WITH was AS (SELECT experiment_id, lifecycle_stage FROM experiments WHERE experiment_id = $1),
    tagged AS (
        INSERT INTO experiment_tags (experiment_id, key, value)
        SELECT experiment_id, $2, $3 FROM was WHERE lifecycle_stage = 'active'
        ON CONFLICT (experiment_id, key) DO UPDATE SET value = excluded.value
    )
    SELECT lifecycle_stage FROM was
"""
DELETE_TAG: Final = """
    WITH was AS (SELECT experiment_id, lifecycle_stage FROM experiments WHERE experiment_id = $1),
    gone AS (
        DELETE FROM experiment_tags AS t USING was
        WHERE t.experiment_id = was.experiment_id AND key = $2 AND lifecycle_stage = 'active' RETURNING key
    )
    SELECT lifecycle_stage, (SELECT count(*) FROM gone) AS gone FROM was
"""


async def begin_with_default(pool: asyncpg.Pool, now: int) -> None:
    """See to it that the default experiment exists."""
    await pool.execute(BEGIN_WITH_DEFAULT, DEFAULT, now)


async def create(pool: asyncpg.Pool, name: str, location: str | None, tags: Mapping[str, str], now: int) -> int:
    """A new experiment's number.

    Raises:
        NameTakenError: an experiment has the name.
    """
    created = await pool.fetchval(CREATE, name, location, now, list(tags), list(tags.values()))
    if created is None:
        raise NameTakenError(
            f"Experiment(name={name}) already exists. If it is deleted, restore it, or take another name."
        )
    return int(created)


async def get(pool: asyncpg.Pool, experiment_id: int) -> str:
    """An experiment as JSON.

    Raises:
        MissingError: there is none.
    """
    found: str | None = await pool.fetchval(GET, experiment_id)
    return _found(found, experiment_id)


async def get_by_name(pool: asyncpg.Pool, name: str) -> str:
    """An experiment, deleted or not, as JSON.

    Raises:
        MissingError: there is none.
    """
    found: str | None = await pool.fetchval(GET_BY_NAME, name)
    if found is None:
        raise MissingError(f"Could not find experiment with name '{name}'")
    return found


async def rename(pool: asyncpg.Pool, experiment_id: int, name: str, now: int) -> None:
    """Give an experiment another name.

    Raises:
        MissingError: there is none.
        InactiveError: it is deleted.
        NameTakenError: another one has the name.
    """
    try:
        stage = await pool.fetchval(RENAME, experiment_id, name, now)
    except asyncpg.UniqueViolationError as error:
        raise NameTakenError(f"Experiment(name={name}) already exists. Take another name.") from error
    _check_active(stage, experiment_id)


async def delete(pool: asyncpg.Pool, experiment_id: int, now: int) -> None:
    """Mark an experiment and its runs as deleted.

    Raises:
        MissingError: there is none that is active.
        NeededError: versions of models were made from its runs.
    """
    if needed := await pool.fetch(NEEDED, experiment_id):
        raise NeededError(f"Experiment {experiment_id}", [row[0] for row in needed])
    _found(await pool.fetchval(SET_STAGE, experiment_id, "deleted", now), experiment_id)


async def restore(pool: asyncpg.Pool, experiment_id: int, now: int) -> None:
    """Undo the deletion of an experiment and of its runs.

    Raises:
        MissingError: there is none that is deleted.
    """
    _found(await pool.fetchval(SET_STAGE, experiment_id, "active", now), experiment_id)


async def set_tag(pool: asyncpg.Pool, experiment_id: int, key: str, value: str) -> None:
    """Set a tag, or give it another value.

    Raises:
        MissingError: there is no such experiment.
        InactiveError: it is deleted.
    """
    _check_active(await pool.fetchval(SET_TAG, experiment_id, key, value), experiment_id)


async def delete_tag(pool: asyncpg.Pool, experiment_id: int, key: str) -> None:
    """Take a tag away.

    Raises:
        MissingError: there is no such experiment, or it has no such tag.
        InactiveError: it is deleted.
    """
    row = await pool.fetchrow(DELETE_TAG, experiment_id, key)
    _check_active(row and row["lifecycle_stage"], experiment_id)
    if not row["gone"]:
        raise MissingError(f"No tag with name: {key} in experiment with id {experiment_id}")


def _found(found: Found | None, experiment_id: int) -> Found:
    if found is None:
        raise MissingError(f"No Experiment with id={experiment_id} exists")
    return found


def _check_active(stage: str | None, experiment_id: int) -> None:
    _found(stage, experiment_id)
    if stage != "active":
        raise InactiveError(
            f"The experiment {experiment_id} must be in the 'active' state. Current state is {stage}. Restore it first."
        )
