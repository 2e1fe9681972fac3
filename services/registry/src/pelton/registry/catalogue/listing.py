"""The catalogue as MLflow's clients read it: models and versions as JSON, found by name, alias, stage or filter."""

# ruff: noqa: S608 - statements are made of constants, and of conditions whose values are bound

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from pelton.contracts.values import Stage
from pelton.registry.search import sql
from pelton.registry.search.sql import Binds, Column, Related, Tables
from pelton.registry.search.terms import Comparison, Kind, Operator, OrderTerm

PROMPT: Final = "mlflow.prompt.is_prompt"
"""The tag of models that are prompts; a search shows them only to who asks for them."""

VERSION: Final = """
    json_strip_nulls(json_build_object(
        'name', v.model, 'version', v.version::text, 'user_id', v.created_by, 'description', v.description,
        'creation_timestamp', floor(extract(epoch FROM v.created_at) * 1000)::bigint,
        'last_updated_timestamp', floor(extract(epoch FROM v.updated_at) * 1000)::bigint,
        'current_stage', CASE v.stage WHEN 'development' THEN 'None' ELSE initcap(v.stage) END,
        'source', coalesce(nullif(v.source, ''), 'pelton:/v1/artifacts/' || v.artifact),
        'run_id', coalesce(v.run_id, ''), 'run_link', v.run_link, 'model_id', v.logged_model_id, 'status', 'READY',
        'tags', coalesce((SELECT json_agg(t) FROM (
            SELECT name AS key, value FROM version_tags WHERE model = v.model AND version = v.version
            ORDER BY name) AS t), '[]'),
        'aliases', coalesce((SELECT json_agg(alias ORDER BY alias) FROM aliases
                             WHERE model = v.model AND version = v.version), '[]')))
"""
"""A version `v` as clients read it. One that Pelton trained lies among the artifacts of Pelton's own interface."""

LATEST: Final = f"""
    SELECT v.version, {VERSION} AS shown
    FROM unnest(array['development', 'staging', 'production', 'archived']) AS wanted (stage)
    CROSS JOIN LATERAL (
        SELECT * FROM versions WHERE versions.model = m.model AND versions.stage = wanted.stage
        ORDER BY versions.version DESC LIMIT 1
    ) AS v
"""
"""The latest version of a model `m` in each stage."""

MODEL: Final = f"""
    json_build_object(
        'name', m.model, 'description', m.description, 'user_id', m.created_by,
        'creation_timestamp', floor(extract(epoch FROM m.created_at) * 1000)::bigint,
        'last_updated_timestamp', floor(extract(epoch FROM m.updated_at) * 1000)::bigint,
        'latest_versions', coalesce((
            SELECT json_agg(shown ORDER BY version) FROM ({LATEST}) AS latest), '[]'),
        'tags', coalesce((SELECT json_agg(t) FROM (
            SELECT name AS key, value FROM model_tags WHERE model = m.model ORDER BY name) AS t), '[]'),
        'aliases', coalesce((SELECT json_agg(a) FROM (
            SELECT alias, version::text FROM aliases WHERE model = m.model ORDER BY alias) AS a), '[]'))
"""
"""A model `m` as clients read it."""

GET_MODEL: Final = f"SELECT {MODEL} FROM models AS m WHERE m.model = $1"
GET_VERSION: Final = f"SELECT {VERSION} FROM versions AS v WHERE v.model = $1 AND v.version = $2"
GET_BY_ALIAS: Final = f"""
    SELECT {VERSION} FROM aliases JOIN versions AS v USING (model, version)
    WHERE aliases.model = $1 AND aliases.alias = $2
"""
GET_NEWEST: Final = f"SELECT {VERSION} FROM versions AS v WHERE v.model = $1 ORDER BY v.version DESC LIMIT 1"
GET_LATEST: Final = f"""
    SELECT latest.shown FROM models AS m CROSS JOIN LATERAL ({LATEST} WHERE wanted.stage = ANY($2)) AS latest
    WHERE m.model = $1 ORDER BY latest.version
"""
EXISTS: Final = "SELECT EXISTS (SELECT FROM models WHERE model = $1)"
PLACE: Final = """
    SELECT coalesce(nullif(location, ''), nullif(source, ''), 'pelton:/v1/artifacts/' || artifact) AS location,
           run_id, logged_model_id,
           EXISTS (SELECT FROM version_tags AS t WHERE t.model = v.model AND t.version = v.version
                   AND t.name = $3 AND lower(t.value) = 'true') AS is_prompt
    FROM versions AS v WHERE model = $1 AND version = $2
"""
VERSION_OF_ALIAS: Final = "SELECT version FROM aliases WHERE model = $1 AND alias = $2"
NEWEST: Final = "SELECT max(version) FROM versions WHERE model = $1 AND ($2::text IS NULL OR stage = $2)"
MODEL_TAGS: Final = Related("model_tags", {"model": "m.model"}, key="name")
VERSION_TAGS: Final = Related("version_tags", {"model": "v.model", "version": "v.version"}, key="name")
OF_MODELS: Final = Tables(
    attributes={
        "name": Column("m.model"),
        "creation_timestamp": Column("m.created_at", "timestamptz"),
        "last_updated_timestamp": Column("m.updated_at", "timestamptz"),
    },
    related={Kind.TAG: MODEL_TAGS},
)
OF_VERSIONS: Final = Tables(
    attributes={
        "name": Column("v.model"),
        "version_number": Column("v.version", "integer"),
        "run_id": Column("v.run_id"),
        "source_path": Column("v.source"),
        "creation_timestamp": Column("v.created_at", "timestamptz"),
        "last_updated_timestamp": Column("v.updated_at", "timestamptz"),
    },
    related={Kind.TAG: VERSION_TAGS},
)
NEWEST_FIRST: Final = (
    OrderTerm(Kind.ATTRIBUTE, "last_updated_timestamp", ascending=False),
    OrderTerm(Kind.ATTRIBUTE, "name"),
    OrderTerm(Kind.ATTRIBUTE, "version_number", ascending=False),
)
IS_PROMPT: Final = Comparison(Kind.TAG, PROMPT, Operator.EQUAL, "true")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a version lies, as far as that is known here, and what it was made by."""

    location: str
    run_id: str | None
    logged_model_id: str | None
    is_prompt: bool


async def get_model(pool: asyncpg.Pool, name: str) -> str | None:
    """A model as JSON."""
    return _text(await pool.fetchval(GET_MODEL, name))


async def get_version(pool: asyncpg.Pool, name: str, number: int) -> str | None:
    """A version as JSON."""
    return _text(await pool.fetchval(GET_VERSION, name, number))


async def get_by_alias(pool: asyncpg.Pool, name: str, alias: str) -> str | None:
    """The version that an alias names, as JSON."""
    return _text(await pool.fetchval(GET_BY_ALIAS, name, alias))


async def get_newest(pool: asyncpg.Pool, name: str) -> str | None:
    """The version with the highest number, as JSON."""
    return _text(await pool.fetchval(GET_NEWEST, name))


async def get_latest(pool: asyncpg.Pool, name: str, stages: Sequence[Stage]) -> list[str]:
    """The latest version in each of the stages, as JSON."""
    return [row[0] for row in await pool.fetch(GET_LATEST, name, stages)]


async def is_there(pool: asyncpg.Pool, name: str) -> bool:
    """Whether a model has this name."""
    return bool(await pool.fetchval(EXISTS, name))


async def place_of(pool: asyncpg.Pool, name: str, number: int) -> Place | None:
    """Where a version lies."""
    row = await pool.fetchrow(PLACE, name, number, PROMPT)
    return None if row is None else Place(**row)


async def number_of_alias(pool: asyncpg.Pool, name: str, alias: str) -> int | None:
    """The number of the version that an alias names."""
    return _number(await pool.fetchval(VERSION_OF_ALIAS, name, alias))


async def newest(pool: asyncpg.Pool, name: str, stage: Stage | None = None) -> int | None:
    """The highest number of a model's versions, or of those in a stage."""
    return _number(await pool.fetchval(NEWEST, name, stage))


async def search_models(
    pool: asyncpg.Pool, comparisons: Sequence[Comparison], order: Sequence[OrderTerm], offset: int, limit: int
) -> list[str]:
    """Models as JSON, by name unless the order says otherwise.

    Raises:
        SearchSyntaxError: a number is compared with text.
    """
    bind = Binds()
    columns = [*map(str, sql.order(order, OF_MODELS, bind)[1]), "m.model"]
    statement = f"""
        SELECT {MODEL} FROM models AS m WHERE {_where(comparisons, OF_MODELS, bind)}
        ORDER BY {", ".join(columns)} LIMIT {bind(limit)} OFFSET {bind(offset)}
    """
    return [row[0] for row in await pool.fetch(statement, *bind.values)]


async def search_versions(
    pool: asyncpg.Pool, comparisons: Sequence[Comparison], order: Sequence[OrderTerm], offset: int, limit: int
) -> list[str]:
    """Versions as JSON, the last changed first unless the order says otherwise.

    Raises:
        SearchSyntaxError: a number is compared with text.
    """
    bind = Binds()
    columns = [*map(str, sql.order(order or NEWEST_FIRST, OF_VERSIONS, bind)[1]), "v.model", "v.version DESC"]
    statement = f"""
        SELECT {VERSION} FROM versions AS v WHERE {_where(comparisons, OF_VERSIONS, bind)}
        ORDER BY {", ".join(columns)} LIMIT {bind(limit)} OFFSET {bind(offset)}
    """
    return [row[0] for row in await pool.fetch(statement, *bind.values)]


def _where(comparisons: Sequence[Comparison], tables: Tables, bind: Binds) -> str:
    """The comparisons as a condition. Prompts are left out, unless one of the comparisons is for prompts.

    Clients ask for what is no prompt by `!= 'true'`, and what is no prompt does not have the tag at all.
    """
    about_prompts = [one for one in comparisons if (one.kind, one.key) == (Kind.TAG, PROMPT)]
    if any((one.operator, one.value) in _FOR_PROMPTS for one in about_prompts):
        return " AND ".join(sql.conditions(comparisons, tables, bind))
    others = [one for one in comparisons if one not in about_prompts]
    (prompt,) = sql.conditions([IS_PROMPT], tables, bind)
    return " AND ".join([*sql.conditions(others, tables, bind), f"NOT {prompt}"])


_FOR_PROMPTS: Final[frozenset[tuple[Operator, object]]] = frozenset(
    {(Operator.EQUAL, "true"), (Operator.NOT_EQUAL, "false")}
)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
