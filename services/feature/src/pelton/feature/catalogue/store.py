"""The SQL of definitions: each version that is registered, deprecations, and which models use what."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.definitions import (
    EntityDefinition,
    FeatureServiceDefinition,
    FeatureViewDefinition,
    SourceDefinition,
    TransformationDefinition,
)
from pelton.contracts.fact import Fact
from pelton.contracts.feature import (
    EntityApplied,
    FeatureDefinitionRemoved,
    FeatureServiceApplied,
    FeatureViewApplied,
    FeatureViewDeprecated,
    FeatureViewDeprecationWithdrawn,
    SourceRegistered,
    TransformationApplied,
)
from pelton.contracts.values import Digest
from pelton.feature.catalogue.notices import Notice
from pelton.feature.domain import Entity, FeatureService, Source, Transformation, View
from pelton.feature.domain.models import DeclaredModel, Pinned
from pelton.feature.domain.registered import Registered

CHANNEL: Final = "pelton_feature_definitions"
LOCK = text(f"SELECT pg_advisory_xact_lock(hashtext('{CHANNEL}'))")
ANNOUNCE = text(f"SELECT pg_notify('{CHANNEL}', '')")

SAVE_SOURCE = text("""
    INSERT INTO sources (name, definition) VALUES (:name, CAST(:definition AS jsonb))
    ON CONFLICT (name) DO UPDATE SET definition = EXCLUDED.definition
""")
SOURCES = text("SELECT definition FROM sources ORDER BY name")
SAVE_VIEW = text("""
    INSERT INTO views (digest, name, definition, applied_at) VALUES (:digest, :name, CAST(:definition AS jsonb), :now)
    ON CONFLICT (digest) DO UPDATE SET applied_at = EXCLUDED.applied_at
""")
VIEWS = text("SELECT definition FROM views ORDER BY name, applied_at")
REMOVE_VIEWS = text("DELETE FROM views WHERE digest = ANY(:versions)")
SAVE_DEFINITION = text("""
    INSERT INTO definitions (kind, digest, name, definition, applied_at)
    VALUES (:kind, :digest, :name, CAST(:definition AS jsonb), :now)
    ON CONFLICT (kind, digest) DO UPDATE SET applied_at = EXCLUDED.applied_at
""")
DEFINITIONS = text("SELECT kind, definition FROM definitions ORDER BY kind, name, applied_at")
REMOVE_DEFINITIONS = text("DELETE FROM definitions WHERE kind = :kind AND digest = ANY(:versions)")
REMOVE_OTHERS = text("DELETE FROM definitions WHERE kind = :kind AND name = :name AND digest <> :digest")

DEPRECATE = text("""
    INSERT INTO deprecations (view, fact, since) VALUES (:view, CAST(:fact AS jsonb), :now)
    ON CONFLICT (view) DO UPDATE SET fact = EXCLUDED.fact
""")
DEPRECATIONS = text("SELECT fact, since FROM deprecations")
UNDO_DEPRECATION = text("DELETE FROM deprecations WHERE view = :view")
FORGET_DEPRECATION = text("""
    DELETE FROM deprecations WHERE view = :view AND NOT EXISTS (SELECT 1 FROM views WHERE name = :view)
""")

SAVE_DECLARED = text("""
    INSERT INTO declared_models (model, owner, features) VALUES (:model, :owner, CAST(:features AS jsonb))
    ON CONFLICT (model) DO UPDATE SET owner = EXCLUDED.owner, features = EXCLUDED.features
""")
SAVE_PINS = text("""
    INSERT INTO model_versions (model, version, stage, pins) VALUES (:model, :version, :stage, CAST(:pins AS jsonb))
    ON CONFLICT (model, version) DO NOTHING
""")
SAVE_STAGE = text("UPDATE model_versions SET stage = :stage WHERE model = :model AND version = :version")
REMOVE_VERSION = text("DELETE FROM model_versions WHERE model = :model AND version = :version")
REMOVE_MODEL = (
    text("DELETE FROM model_versions WHERE model = :model"),
    text("DELETE FROM declared_models WHERE model = :model"),
)
RENAME_MODEL = (
    text("UPDATE model_versions SET model = :to WHERE model = :model"),
    text("UPDATE declared_models SET model = :to WHERE model = :model"),
)
PINS = text("""
    SELECT model, version, stage, pins FROM model_versions WHERE stage <> 'archived' ORDER BY model, version
""")
DECLARED = text("SELECT model, owner, features FROM declared_models ORDER BY model")
LAST_CHANGES = text("""
    SELECT DISTINCT ON (stream) stream, meta->>'actor' AS actor, time FROM events
    WHERE stream = ANY(:streams) ORDER BY stream, version DESC
""")
# The newest dataset with each of some columns.
PROFILED = text("""
    SELECT DISTINCT ON (wanted) wanted, digest, fact->>'profile' AS profile, fact->'columns' AS columns, made_at
    FROM unnest(CAST(:columns AS text[])) AS wanted JOIN datasets ON fact->'columns' ? wanted
    WHERE fact->>'profile' IS NOT NULL ORDER BY wanted, made_at DESC
""")
EVENTS_SINCE = text(
    "SELECT coalesce(sum(rows), 0) AS events FROM segments WHERE source = :source AND last_ms >= :since"
)

_ENTITY, _SERVICE, _TRANSFORMATION = "entity", "feature service", "transformation"


@dataclass(frozen=True, slots=True)
class Profiled:
    """A dataset whose profile is in the object store."""

    digest: Digest
    profile: Digest
    columns: tuple[str, ...]
    made_at: datetime


async def lock(connection: AsyncConnection) -> None:
    """Let no one else change definitions before this transaction ends: each is decided on by what is registered."""
    await connection.execute(LOCK)


async def registered(connection: AsyncConnection) -> Registered:
    """All that is registered."""
    sources = [SourceDefinition.model_validate(row.definition) for row in await connection.execute(SOURCES)]
    notes = {name: notice.fact for name, notice in (await notices(connection)).items()}
    views: dict[str, View] = {}
    for row in await connection.execute(VIEWS):
        view = FeatureViewDefinition.model_validate(row.definition)
        before = views.get(view.name, View(view.name, deprecation=notes.get(view.name)))
        views[view.name] = View(view.name, (*before.versions, view), before.deprecation)
    entities: dict[str, Entity] = {}
    services: dict[str, FeatureService] = {}
    transformations: dict[str, Transformation] = {}
    for row in await connection.execute(DEFINITIONS):
        match row.kind:
            case "entity":
                entity = EntityDefinition.model_validate(row.definition)
                entities[entity.name] = Entity(entity.name, entity)
            case "feature service":
                service = FeatureServiceDefinition.model_validate(row.definition)
                services[service.name] = FeatureService(service.name, service)
            case _:
                one = TransformationDefinition.model_validate(row.definition)
                versions = transformations.get(one.name, Transformation(one.name)).versions
                transformations[one.name] = Transformation(one.name, (*versions, one))
    return Registered(entities, {one.name: Source(one.name, one) for one in sources}, views, transformations, services)


async def notices(connection: AsyncConnection) -> dict[str, Notice]:
    """Every deprecation of a view, by its name."""
    rows = await connection.execute(DEPRECATIONS)
    found = [Notice(FeatureViewDeprecated.model_validate(row.fact), row.since) for row in rows]
    return {notice.fact.view: notice for notice in found}


async def project(connection: AsyncConnection, facts: Iterable[Fact], now: datetime) -> None:
    """Show facts in the tables, and announce to every replica that something is registered or removed."""
    for fact in facts:
        await _project(connection, fact, now)
    await connection.execute(ANNOUNCE)


async def _project(connection: AsyncConnection, fact: Fact, now: datetime) -> None:
    match fact:
        case SourceRegistered(definition=source):
            await connection.execute(SAVE_SOURCE, {"name": source.name, "definition": source.model_dump_json()})
        case FeatureViewApplied(definition=view):
            await connection.execute(SAVE_VIEW, _columns(view, now))
        case EntityApplied(definition=entity):
            await _replace(connection, _ENTITY, _columns(entity, now))
        case FeatureServiceApplied(definition=service):
            await _replace(connection, _SERVICE, _columns(service, now))
        case TransformationApplied(definition=transformation):
            await connection.execute(SAVE_DEFINITION, _columns(transformation, now) | {"kind": _TRANSFORMATION})
        case FeatureViewDeprecated(view=name):
            await connection.execute(DEPRECATE, {"view": name, "fact": fact.model_dump_json(), "now": now})
        case FeatureViewDeprecationWithdrawn(view=name):
            await connection.execute(UNDO_DEPRECATION, {"view": name})
        case FeatureDefinitionRemoved(kind="feature view", name=name):
            await connection.execute(REMOVE_VIEWS, {"versions": list(fact.versions)})
            await connection.execute(FORGET_DEPRECATION, {"view": name})
        case FeatureDefinitionRemoved(kind=kind):
            await connection.execute(REMOVE_DEFINITIONS, {"kind": kind, "versions": list(fact.versions)})


async def _replace(connection: AsyncConnection, kind: str, columns: Mapping[str, Any]) -> None:
    """Keep the newest version alone: nothing refers to another."""
    await connection.execute(SAVE_DEFINITION, {**columns, "kind": kind})
    await connection.execute(REMOVE_OTHERS, {"kind": kind, "name": columns["name"], "digest": columns["digest"]})


def _columns(
    definition: FeatureViewDefinition | EntityDefinition | FeatureServiceDefinition | TransformationDefinition,
    now: datetime,
) -> dict[str, Any]:
    return {
        "digest": definition.digest,
        "name": definition.name,
        "definition": definition.model_dump_json(),
        "now": now,
    }


async def declare_model(connection: AsyncConnection, model: DeclaredModel) -> None:
    """Remember which features a model is declared with."""
    values = {"model": model.model, "owner": model.owner, "features": json.dumps(model.features)}
    await connection.execute(SAVE_DECLARED, values)


async def pin(connection: AsyncConnection, one: Pinned) -> None:
    """Remember which definitions a version of a model was trained with."""
    values = {"model": one.model, "version": one.version, "stage": one.stage, "pins": json.dumps(sorted(one.pins))}
    await connection.execute(SAVE_PINS, values)


async def set_stage(connection: AsyncConnection, model: str, version: int, stage: str) -> None:
    """Remember where a version of a model stands."""
    await connection.execute(SAVE_STAGE, {"model": model, "version": version, "stage": stage})


async def remove_version(connection: AsyncConnection, model: str, version: int) -> None:
    """Forget a version of a model."""
    await connection.execute(REMOVE_VERSION, {"model": model, "version": version})


async def remove_model(connection: AsyncConnection, model: str) -> None:
    """Forget a model and its versions."""
    for statement in REMOVE_MODEL:
        await connection.execute(statement, {"model": model})


async def rename_model(connection: AsyncConnection, model: str, to: str) -> None:
    """Remember a model and its versions by another name."""
    for statement in RENAME_MODEL:
        await connection.execute(statement, {"model": model, "to": to})


async def pinned(connection: AsyncConnection) -> list[Pinned]:
    """Every version of a model that may still answer."""
    rows = await connection.execute(PINS)
    return [Pinned(row.model, row.version, row.stage, frozenset(row.pins)) for row in rows]


async def declared_models(connection: AsyncConnection) -> list[DeclaredModel]:
    """Every model that is declared."""
    rows = await connection.execute(DECLARED)
    return [DeclaredModel(row.model, row.owner, tuple(row.features)) for row in rows]


async def last_changes(connection: AsyncConnection, streams: Iterable[str]) -> dict[str, tuple[str, datetime]]:
    """Who changed each of these streams last, and when."""
    rows = await connection.execute(LAST_CHANGES, {"streams": list(streams)})
    return {row.stream: (row.actor, row.time) for row in rows}


async def profiled(connection: AsyncConnection, columns: Iterable[str]) -> list[Profiled]:
    """The newest dataset that has each of these columns, all of them the newest first."""
    rows = await connection.execute(PROFILED, {"columns": list(columns)})
    found = {Profiled(row.digest, row.profile, tuple(row.columns), row.made_at) for row in rows}
    return sorted(found, key=lambda one: one.made_at, reverse=True)


async def events_since(connection: AsyncConnection, source: str, since_ms: int) -> int:
    """How many events the segments of the offline store hold that reach to this event time or beyond."""
    row = (await connection.execute(EVENTS_SINCE, {"source": source, "since": since_ms})).one()
    return int(row.events)
