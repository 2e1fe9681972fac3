"""The SQL of the trainer: what it keeps of other services' facts, and its trainings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.registry import ModelRegistered
from pelton.contracts.trainer import TrainingCompleted, TrainingRequested
from pelton.contracts.values import Artifact, Digest, ModelVersion
from pelton.trainer.domain.triggers import Advance

CHANGED = "trainer_progress"

LOCK_SOURCE = text("SELECT pg_advisory_xact_lock(hashtextextended('pelton.trainer.source/' || :source, 0))")
ADVANCE_SOURCE = text("""
    INSERT INTO sources (source, watermark, first_event, event_id)
    VALUES (:source, :watermark, :first_event, :event_id)
    ON CONFLICT (source) DO UPDATE
    SET watermark = EXCLUDED.watermark, first_event = EXCLUDED.first_event, event_id = EXCLUDED.event_id
    WHERE sources.watermark < EXCLUDED.watermark
""")
SOURCE = text("SELECT watermark, first_event, event_id FROM sources WHERE source = :source")

KEEP_DEFINITION = text("""
    INSERT INTO definitions (digest, definition) VALUES (:digest, :definition) ON CONFLICT (digest) DO NOTHING
""")
DEFINITION = text("SELECT definition FROM definitions WHERE digest = :digest")
REGISTER_MODEL = text("""
    INSERT INTO models (model, source, definition_digest, code) VALUES (:model, :source, :digest, :code)
    ON CONFLICT (model) DO UPDATE
    SET source = EXCLUDED.source, definition_digest = EXCLUDED.definition_digest, code = EXCLUDED.code
""")
MODEL = text("""
    SELECT model, definition, code, champion, archived
    FROM models JOIN definitions ON digest = definition_digest WHERE model = :model
""")
MODELS_OF_SOURCE = text("""
    SELECT model, definition, code, champion, archived
    FROM models JOIN definitions ON digest = definition_digest WHERE source = :source ORDER BY model
""")
SET_ARCHIVED = text("UPDATE models SET archived = :training_id WHERE model = :model")
SET_CHAMPION = text("UPDATE models SET champion = :champion WHERE model = :model")
HANDLED = text("""
    UPDATE models SET handled_until = greatest(handled_until, :moment) WHERE model = :model
""")
NOTIFY = text("SELECT pg_notify(:channel, :model)")

REQUESTED = text("""
    INSERT INTO trainings (training_id, model, as_of, status, requested)
    VALUES (:training_id, :model, :as_of, 'requested', :requested)
""")
STARTED = text("UPDATE trainings SET status = 'running' WHERE training_id = :training_id")
COMPLETED = text("""
    UPDATE trainings SET status = 'completed', completed = :completed WHERE training_id = :training_id
""")
FAILED = text("UPDATE trainings SET status = 'failed', reason = :reason WHERE training_id = :training_id")
TRAINING = text("""
    SELECT training_id, model, as_of, status, requested, completed, reason
    FROM trainings WHERE training_id = :training_id
""")
TRAININGS = text("""
    SELECT training_id, model, as_of, status, requested, completed, reason FROM trainings
    WHERE (CAST(:model AS text) IS NULL OR model = :model)
      AND (CAST(:as_of AS timestamptz) IS NULL OR (as_of, training_id) < (:as_of, :training_id))
    ORDER BY as_of DESC, training_id DESC LIMIT :limit
""")
FORGET_TRAININGS = text("TRUNCATE trainings")

ASKED = text("SELECT model, training_id FROM asked_by_hand WHERE idempotency_key = :key")
REMEMBER_ASKED = text("""
    INSERT INTO asked_by_hand (idempotency_key, model, training_id) VALUES (:key, :model, :training_id)
""")

PROGRESS = text("""
    SELECT models.model, handled_until, training_id, as_of
    FROM models LEFT JOIN trainings
      ON trainings.model = models.model AND status IN ('requested', 'running')
    WHERE CAST(:model AS text) IS NULL OR models.model = :model
    ORDER BY models.model
""")


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model as it stands: its newest definition and code, and the version in production.

    `archived` is the training of the version that was archived last.
    """

    name: str
    definition: ModelDefinition
    code: Artifact
    champion: ModelVersion | None
    archived: str | None


@dataclass(frozen=True, slots=True)
class Training:
    """A training and what came of it: `status` is requested, running, completed or failed."""

    training_id: str
    model: str
    status: str
    requested: TrainingRequested
    completed: TrainingCompleted | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the policy has come with a model, in event time."""

    model: str
    in_flight: str | None
    since: datetime | None
    handled_until: datetime | None

    def settled(self, until: datetime | None) -> bool:
        """Nothing is in flight, and all that may ask for a training up to `until` has been considered."""
        reached = until is None or (self.handled_until is not None and self.handled_until >= until)
        return self.in_flight is None and reached


async def lock_source(connection: AsyncConnection, source: str) -> None:
    """Wait for others that handle this source or register a model of it: neither may miss the other."""
    await connection.execute(LOCK_SOURCE, {"source": source})


async def advance_source(connection: AsyncConnection, source: str, advance: Advance) -> None:
    """Keep how far a source has come; it never goes back."""
    await connection.execute(
        ADVANCE_SOURCE,
        {
            "source": source,
            "watermark": advance.watermark,
            "first_event": advance.first_event,
            "event_id": advance.event_id,
        },
    )


async def source(connection: AsyncConnection, name: str) -> Advance | None:
    """How far a source has come, if it has passed a midnight."""
    row = (await connection.execute(SOURCE, {"source": name})).first()
    return Advance(row.watermark, row.first_event, row.event_id) if row else None


async def register(connection: AsyncConnection, fact: ModelRegistered) -> None:
    """Keep a model's newest definition and code; earlier definitions stay for the trainings that began with them."""
    definition = fact.definition.model_dump_json()
    await connection.execute(KEEP_DEFINITION, {"digest": fact.definition_digest, "definition": definition})
    await connection.execute(
        REGISTER_MODEL,
        {
            "model": fact.model,
            "source": fact.definition.source,
            "digest": fact.definition_digest,
            "code": fact.code.model_dump_json(),
        },
    )


async def definition(connection: AsyncConnection, digest: Digest) -> ModelDefinition | None:
    """A definition that some model has or had."""
    found = (await connection.execute(DEFINITION, {"digest": digest})).scalar()
    return ModelDefinition.model_validate_json(found) if found else None


async def model(connection: AsyncConnection, name: str) -> Model | None:
    """A model, if it is registered."""
    row = (await connection.execute(MODEL, {"model": name})).first()
    return _model(row.model, row.definition, row.code, row.champion, row.archived) if row else None


async def models_of_source(connection: AsyncConnection, name: str) -> Sequence[Model]:
    """The models that are asked at the events of a source."""
    rows = (await connection.execute(MODELS_OF_SOURCE, {"source": name})).all()
    return [_model(row.model, row.definition, row.code, row.champion, row.archived) for row in rows]


async def set_champion(connection: AsyncConnection, version: ModelVersion) -> None:
    """Keep which version is in production."""
    await connection.execute(SET_CHAMPION, {"model": version.model, "champion": version.model_dump_json()})


async def set_archived(connection: AsyncConnection, version: ModelVersion) -> None:
    """Keep which training's version was archived last."""
    await connection.execute(SET_ARCHIVED, {"model": version.model, "training_id": version.training_id})


async def handled(connection: AsyncConnection, name: str, moment: datetime) -> None:
    """Keep that the policy has considered what happened up to a moment, and tell those who wait for it."""
    await connection.execute(HANDLED, {"model": name, "moment": moment})
    await notify(connection, name)


async def notify(connection: AsyncConnection, name: str) -> None:
    """Wake who waits for progress, in every replica, when the transaction commits."""
    await connection.execute(NOTIFY, {"channel": CHANGED, "model": name})


async def training(connection: AsyncConnection, training_id: str) -> Training | None:
    """A training by its id."""
    row = (await connection.execute(TRAINING, {"training_id": training_id})).first()
    return _training(row.training_id, row.model, row.status, row.requested, row.completed, row.reason) if row else None


async def trainings(
    connection: AsyncConnection, name: str | None, before: tuple[datetime, str] | None, limit: int
) -> Sequence[Training]:
    """Trainings of a model, or of all, newest first; `before` is the last one of the page before."""
    as_of, training_id = before or (None, None)
    rows = await connection.execute(
        TRAININGS, {"model": name, "as_of": as_of, "training_id": training_id, "limit": limit}
    )
    return [_training(row.training_id, row.model, row.status, row.requested, row.completed, row.reason) for row in rows]


async def asked_by_hand(connection: AsyncConnection, key: str) -> tuple[str, str] | None:
    """The model and the training that a person's request under this key came to."""
    row = (await connection.execute(ASKED, {"key": key})).first()
    return (row.model, row.training_id) if row else None


async def remember_asked(connection: AsyncConnection, key: str, name: str, training_id: str) -> None:
    """Keep what a person's request came to, so that its repeat comes to the same."""
    await connection.execute(REMEMBER_ASKED, {"key": key, "model": name, "training_id": training_id})


async def progress(connection: AsyncConnection, name: str | None) -> Sequence[Progress]:
    """How far the policy has come with a model, or with every one."""
    rows = (await connection.execute(PROGRESS, {"model": name})).all()
    return [Progress(row.model, row.training_id, row.as_of, row.handled_until) for row in rows]


def _model(name: str, definition_: str, code: str, champion: str | None, archived: str | None) -> Model:
    return Model(
        name,
        ModelDefinition.model_validate_json(definition_),
        Artifact.model_validate_json(code),
        ModelVersion.model_validate_json(champion) if champion else None,
        archived,
    )


def _training(
    training_id: str, name: str, status: str, requested: str, completed: str | None, reason: str | None
) -> Training:
    return Training(
        training_id,
        name,
        status,
        TrainingRequested.model_validate_json(requested),
        TrainingCompleted.model_validate_json(completed) if completed else None,
        reason,
    )
