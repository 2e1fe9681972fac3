"""The SQL of the registry: its facts as they are stored, and the tables that lists and look-ups read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.fact import Fact, fact_class
from pelton.eventkit import driver
from pelton.eventkit.envelope import Cause
from pelton.eventkit.store import NewEvent

BLOCK_WRITERS = text("LOCK TABLE events IN SHARE MODE")
FACTS_BY_ID = text(
    "SELECT seq, id, stream, version, type, data, meta, time FROM events WHERE id = ANY(:ids) ORDER BY seq"
)
FACTS_AFTER = text("""
    SELECT seq, id, stream, version, type, data, meta, time FROM events WHERE seq > :after ORDER BY seq LIMIT :limit
""")
FORGET = tuple(text(f"DELETE FROM {table}") for table in ("approvals", "stage_changes", "versions", "runs", "models"))  # noqa: S608 - constants

SAVE_MODEL = text("""
    INSERT INTO models
        (key, model, description, definition, definition_digest, code, registered_at, registered_by,
         created_at, created_by, updated_at)
    VALUES
        (:key, :model, :description, :definition, :definition_digest, :code, :time, :actor, :time, :actor, :time)
    ON CONFLICT (model) DO UPDATE
    SET definition = EXCLUDED.definition, definition_digest = EXCLUDED.definition_digest, code = EXCLUDED.code,
        description = EXCLUDED.description, registered_at = EXCLUDED.registered_at,
        registered_by = EXCLUDED.registered_by, updated_at = EXCLUDED.updated_at
""")
PROMOTE = text("""
    UPDATE models
    SET champion = :version,
        former = array_remove(
            CASE WHEN champion IS NULL THEN former ELSE array_remove(former, champion) || champion END, :version
        )
    WHERE model = :model
""")
ROLL_BACK = text("""
    UPDATE models SET champion = :version, former = former[1 : array_position(former, :version) - 1]
    WHERE model = :model
""")
RETIRE = text("""
    UPDATE models
    SET champion = :successor, former = array_remove(array_remove(former, champion) || champion, :successor)
    WHERE model = :model
""")
SAVE_RUN = text("""
    INSERT INTO runs (run_id, training_id, model, parameters, metrics, environment, finished_at)
    VALUES (:run_id, :training_id, :model, :parameters, :metrics, :environment, :time)
""")
SAVE_VERSION = text("""
    INSERT INTO versions
        (model, version, stage, details, run_id, code, definition_digest, artifact,
         created_at, created_by, updated_at)
    VALUES
        (:model, :version, 'development', :details, :run_id, :code, :definition_digest, :artifact,
         :time, :actor, :time)
""")
SAVE_GATES = text("UPDATE versions SET gates = :gates WHERE model = :model AND version = :version")
SAVE_STAGE = text("""
    WITH touched AS (UPDATE models SET updated_at = :time WHERE model = :model)
    UPDATE versions SET stage = :to_stage, updated_at = :time WHERE model = :model AND version = :version
""")
SAVE_STAGE_CHANGE = text("""
    INSERT INTO stage_changes (event_id, model, version, number, from_stage, to_stage, reason, actor, cause, time)
    VALUES (:event_id, :model, :version, :number, :from_stage, :to_stage, :reason, :actor, :cause, :time)
""")
MODEL_COLUMNS = """
    SELECT model, description, definition, definition_digest, code, champion,
           former[cardinality(former)] AS previous, created_at, created_by, registered_at, registered_by, updated_at,
           (SELECT count(*) FROM versions WHERE versions.model = models.model) AS versions,
           ARRAY(SELECT version FROM approvals
                 WHERE approvals.model = models.model AND status = 'pending' ORDER BY version) AS pending,
           (SELECT coalesce(json_object_agg(alias, version ORDER BY alias), '{}')::text FROM aliases
            WHERE aliases.model = models.model) AS aliases,
           (SELECT coalesce(json_object_agg(name, value ORDER BY name), '{}')::text FROM model_tags
            WHERE model_tags.model = models.model) AS tags,
           (SELECT to_json(deprecations)::text FROM deprecations
            WHERE deprecations.model = models.model AND version = 0) AS deprecation
    FROM models
"""
MODEL = text(f"{MODEL_COLUMNS} WHERE model = :model")
MODELS = text(f"{MODEL_COLUMNS} WHERE model > :after ORDER BY model LIMIT :limit")
VERSION_COLUMNS = """
    SELECT version, stage, details, gates, created_at, created_by, updated_at, versions.description, source,
           logged_run, versions.artifact, run_id, versions.code, definition_digest, training_id, parameters, metrics,
           environment, finished_at,
           ARRAY(SELECT alias FROM aliases
                 WHERE aliases.model = versions.model AND aliases.version = versions.version ORDER BY alias) AS aliases,
           (SELECT coalesce(json_object_agg(name, value ORDER BY name), '{}')::text FROM version_tags
            WHERE version_tags.model = versions.model AND version_tags.version = versions.version) AS tags,
           (SELECT evidence FROM evidence
            WHERE evidence.model = versions.model AND evidence.version = versions.version) AS evidence,
           (SELECT to_json(deprecations)::text FROM deprecations
            WHERE deprecations.model = versions.model AND deprecations.version = versions.version) AS deprecation
    FROM versions LEFT JOIN runs USING (run_id)
"""
VERSION = text(f"{VERSION_COLUMNS} WHERE versions.model = :model AND version = :version")
VERSIONS = text(f"""
    {VERSION_COLUMNS} WHERE versions.model = :model AND version < :before ORDER BY version DESC LIMIT :limit
""")
STAGE_CHANGES = text("""
    SELECT event_id, from_stage, to_stage, reason, actor, cause, time
    FROM stage_changes WHERE model = :model AND version = :version ORDER BY number
""")
APPROVAL_COLUMNS = """
    SELECT event_id, model, version, artifact, to_stage, request, role, team, needed, expires_at, requested_by,
           requested_at, status, decided_by, reason, decided_at,
           (SELECT coalesce(json_agg(json_build_object('by', by, 'reason', reason, 'time', time) ORDER BY time),
                            '[]')::text
            FROM agreements WHERE agreements.request = approvals.event_id) AS agreed,
           (SELECT coalesce(json_agg(json_build_object('by', by, 'text', text, 'time', time) ORDER BY time), '[]')::text
            FROM comments WHERE comments.request = approvals.event_id) AS comments
    FROM approvals
"""
APPROVALS_OF_VERSION = text(f"""
    {APPROVAL_COLUMNS} WHERE model = :model AND version = :version ORDER BY requested_at, event_id
""")
PENDING = text(f"""
    {APPROVAL_COLUMNS} WHERE status = 'pending' AND (requested_at, event_id) > (:after_time, :after_id)
    ORDER BY requested_at, event_id LIMIT :limit
""")
PENDING_CAUSE = text("""
    SELECT event_id, correlation_id FROM approvals
    WHERE model = :model AND version = :version AND status = 'pending'
""")
RUNS = text("""
    SELECT run_id, runs.training_id, runs.model, version, parameters, metrics, environment, finished_at
    FROM runs LEFT JOIN versions USING (run_id)
    WHERE (CAST(:model AS text) IS NULL OR runs.model = :model)
      AND (finished_at, run_id) < (:before_time, :before_id)
    ORDER BY finished_at DESC, run_id DESC LIMIT :limit
""")

ANSWERED = text("SELECT request, event_id FROM answered WHERE idempotency_key = :key")
REMEMBER_ANSWER = text("""
    INSERT INTO answered (idempotency_key, request, event_id) VALUES (:key, :request, :event_id)
""")


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A fact of the registry with what surrounds it in the event store.

    `version` is its place in its stream, and `key` names the aggregate there: a model's, whatever its name became.
    """

    id: UUID
    key: str
    version: int
    fact: Fact
    actor: str
    correlation_id: str
    causation_id: str | None
    time: datetime

    @classmethod
    def of(cls, event: NewEvent) -> Self:
        """A fact that was appended just now."""
        return cls(
            id=event.id,
            key=event.stream.partition("/")[2],
            version=event.version,
            fact=event.fact,
            actor=str(event.meta["actor"]),
            correlation_id=str(event.meta["correlation_id"]),
            causation_id=event.meta["causation_id"],
            time=event.time,
        )


async def facts_by_id(connection: AsyncConnection, ids: Sequence[UUID]) -> list[StoredFact]:
    """Facts as they were stored, in their order."""
    return [_stored(row) for row in await rows(connection, FACTS_BY_ID, ids=list(ids))]


async def facts_after(connection: AsyncConnection, after: int, limit: int) -> list[tuple[int, StoredFact]]:
    """Facts in the order in which they were appended, published or not, each with its place in it."""
    return [(row["seq"], _stored(row)) for row in await rows(connection, FACTS_AFTER, after=after, limit=limit)]


async def write(connection: AsyncConnection, statement: TextClause, **values: object) -> int:
    """Run one of the statements above; returns how many rows it touched."""
    return await driver.execute(connection, statement, values)


async def rows(connection: AsyncConnection, statement: TextClause, **values: object) -> Sequence[RowMapping]:
    """What one of the queries above finds."""
    return (await connection.execute(statement, values)).mappings().all()


async def row(connection: AsyncConnection, statement: TextClause, **values: object) -> RowMapping | None:
    """The only row that one of the queries above finds, if there is one."""
    return (await connection.execute(statement, values)).mappings().first()


async def pending_cause(connection: AsyncConnection, model: str, version: int) -> Cause | None:
    """What a decision about a version follows from: the request that waits for it."""
    found = await row(connection, PENDING_CAUSE, model=model, version=version)
    return Cause(str(found["event_id"]), found["correlation_id"]) if found else None


def _stored(row: RowMapping) -> StoredFact:
    return StoredFact(
        id=row["id"],
        key=row["stream"].partition("/")[2],
        version=row["version"],
        fact=fact_class(row["type"]).from_bytes(row["data"]),
        actor=row["meta"]["actor"],
        correlation_id=row["meta"]["correlation_id"],
        causation_id=row["meta"]["causation_id"],
        time=row["time"],
    )
