"""The SQL of the monitor: what is watched, how far it has come, and the windows that closed."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.definitions import ModelDefinition, SourceDefinition
from pelton.contracts.monitor import ReferencePinned, WindowDrift, WindowPerformance
from pelton.eventkit.store import save_reader_offsets

READER = "monitor"

CHANGED = text("UPDATE configuration SET revision = revision + 1")
REVISION = text("SELECT revision FROM configuration")

SAVE_MODEL = text("""
    INSERT INTO models (model, definition) VALUES (:model, CAST(:definition AS jsonb))
    ON CONFLICT (model) DO UPDATE SET definition = EXCLUDED.definition
""")
MODEL = text("SELECT definition FROM models WHERE model = :model")
SAVE_SOURCE = text("""
    INSERT INTO sources (source, definition) VALUES (:source, CAST(:definition AS jsonb))
    ON CONFLICT (source) DO UPDATE SET definition = EXCLUDED.definition
""")

SAVE_PIN = text("""
    INSERT INTO pins (model, version, event_id, threshold, evaluation, reference, error)
    VALUES (:model, :version, :event_id, :threshold, CAST(:evaluation AS jsonb), CAST(:reference AS jsonb), :error)
    ON CONFLICT (model, version) DO NOTHING
""")
BEGIN_PROGRESS = text("""
    INSERT INTO progress (model, drift_until, settled_until) VALUES (:model, :since, :since)
    ON CONFLICT (model) DO NOTHING
""")
PIN = text("SELECT version, event_id, error FROM pins WHERE model = :model AND version = :version")

WATCHED = text("""
    SELECT m.model, m.definition, s.definition AS source, p.drift_until, p.settled_until
    FROM models m
    JOIN progress p ON p.model = m.model
    JOIN sources s ON s.source = m.definition -> 'label' ->> 'source'
    ORDER BY m.model
""")
PINS = text("SELECT model, version, event_id, threshold, evaluation, reference FROM pins")

SAVE_PROGRESS = text("""
    UPDATE progress SET drift_until = :drift_until, settled_until = :settled_until WHERE model = :model
""")
MARKS = text("SELECT topic, partition, watermark FROM label_marks")
FORGET_MARKS = text("DELETE FROM label_marks")
SAVE_MARK = text("""
    INSERT INTO label_marks (topic, partition, watermark) VALUES (:topic, :partition, :watermark)
""")

CLOSE = text("""
    INSERT INTO windows (model, version, window_start, window_end, rows, drift_verdict, drift)
    VALUES (:model, :version, :start, :end, :rows, :verdict, CAST(:drift AS jsonb))
    ON CONFLICT (model, version, window_start) DO NOTHING
    RETURNING id
""")
SETTLE = text("""
    UPDATE windows
    SET labelled = :labelled, unlabelled = :unlabelled, performance_verdict = :verdict,
        performance = CAST(:performance AS jsonb)
    WHERE model = :model AND version = :version AND window_start = :start AND performance_verdict IS NULL
    RETURNING id
""")
RECENT_DRIFT = text("""
    SELECT version, drift AS finding FROM windows
    WHERE model = :model AND drift_verdict <> 'inconclusive' ORDER BY id DESC LIMIT :limit
""")
RECENT_PERFORMANCE = text("""
    SELECT version, performance AS finding FROM windows
    WHERE model = :model AND performance_verdict <> 'inconclusive' ORDER BY id DESC LIMIT :limit
""")
INTERRUPTED = text("""
    SELECT 1 FROM windows WHERE model = :model AND version <> :version AND window_end > :since LIMIT 1
""")
WINDOWS = text("""
    SELECT id, model, version, window_start, window_end, rows, labelled, unlabelled,
           drift_verdict, drift, performance_verdict, performance
    FROM windows
    WHERE (CAST(:model AS text) IS NULL OR model = :model) AND (CAST(:before AS bigint) IS NULL OR id < :before)
    ORDER BY id DESC LIMIT :limit
""")
MODELS = text("SELECT model FROM models ORDER BY model")
MODEL_STATE = text("""
    SELECT m.model, p.drift_until, p.settled_until
    FROM models m LEFT JOIN progress p ON p.model = m.model WHERE m.model = :model
""")
MODEL_PINS = text("""
    SELECT version, event_id, error, evaluation, reference ->> 'reference_digest' AS digest,
           reference ->> 'dataset' AS dataset
    FROM pins WHERE model = :model ORDER BY version DESC
""")


async def changed(connection: AsyncConnection) -> None:
    """What is watched changed: memory is to be built anew."""
    await connection.execute(CHANGED)


async def revision(connection: AsyncConnection) -> int:
    """Grows with each change of what is watched."""
    return int((await connection.execute(REVISION)).scalar_one())


async def save_model(connection: AsyncConnection, definition: ModelDefinition) -> None:
    """Keep how a model is to be watched."""
    values = {"model": definition.name, "definition": definition.model_dump_json()}
    await connection.execute(SAVE_MODEL, values)


async def model(connection: AsyncConnection, name: str) -> ModelDefinition | None:
    """The newest definition of a model."""
    row = (await connection.execute(MODEL, {"model": name})).first()
    return ModelDefinition.model_validate(row.definition) if row else None


async def save_source(connection: AsyncConnection, definition: SourceDefinition) -> None:
    """Keep how a source's events are read."""
    values = {"source": definition.name, "definition": definition.model_dump_json()}
    await connection.execute(SAVE_SOURCE, values)


async def pin(connection: AsyncConnection, name: str, version: int) -> Mapping[str, Any] | None:
    """The pinned reference of a version, or why it has none; None before either is known."""
    row = (await connection.execute(PIN, {"model": name, "version": version})).mappings().first()
    return dict(row) if row else None


async def save_pin(
    connection: AsyncConnection,
    *,
    name: str,
    version: int,
    threshold: float,
    evaluation: str,
    fact: ReferencePinned | None,
    event_id: str | None,
    error: str | None,
) -> None:
    """Keep what a version is compared with, or why it cannot be."""
    values = {
        "model": name,
        "version": version,
        "event_id": event_id,
        "threshold": threshold,
        "evaluation": evaluation,
        "reference": fact.model_dump_json() if fact else None,
        "error": error,
    }
    await connection.execute(SAVE_PIN, values)


async def begin_progress(connection: AsyncConnection, name: str, since: int) -> None:
    """Watch a model from this window on, unless it is watched already."""
    await connection.execute(BEGIN_PROGRESS, {"model": name, "since": since})


async def watched(connection: AsyncConnection) -> Sequence[Mapping[str, Any]]:
    """Every watched model with its definition, its label source's and its progress."""
    return [dict(row) for row in (await connection.execute(WATCHED)).mappings()]


async def pins(connection: AsyncConnection) -> Sequence[Mapping[str, Any]]:
    """Every pinned version."""
    return [dict(row) for row in (await connection.execute(PINS)).mappings()]


async def save_progress(connection: AsyncConnection, name: str, drift_until: int, settled_until: int) -> None:
    """Keep until when a model's windows are closed and settled."""
    values = {"model": name, "drift_until": drift_until, "settled_until": settled_until}
    await connection.execute(SAVE_PROGRESS, values)


async def save_low_water(
    connection: AsyncConnection,
    offsets: dict[tuple[str, int], int],
    marks: Mapping[tuple[str, int], int],
) -> None:
    """Keep from where memory can be rebuilt, and the watermarks of label partitions from which nothing is held."""
    await save_reader_offsets(connection, READER, offsets)
    await connection.execute(FORGET_MARKS)
    if marks:
        rows = [
            {"topic": topic, "partition": partition, "watermark": watermark}
            for (topic, partition), watermark in sorted(marks.items())
        ]
        await connection.execute(SAVE_MARK, rows)


async def label_marks(connection: AsyncConnection) -> dict[tuple[str, int], int]:
    """What `save_low_water` kept of the label partitions."""
    return {(row.topic, row.partition): row.watermark for row in (await connection.execute(MARKS)).all()}


async def close(
    connection: AsyncConnection,
    name: str,
    version: int,
    bounds: tuple[int, int],
    rows: int,
    finding: WindowDrift | None,
) -> bool:
    """Keep a closed window; False when it was closed before. Without a finding it is inconclusive."""
    values = {
        "model": name,
        "version": version,
        "start": bounds[0],
        "end": bounds[1],
        "rows": rows,
        "verdict": "inconclusive" if finding is None else "drifted" if finding.drifted else "stable",
        "drift": finding.model_dump_json() if finding else None,
    }
    return (await connection.execute(CLOSE, values)).first() is not None


async def settle(
    connection: AsyncConnection,
    name: str,
    version: int,
    start: int,
    counts: tuple[int, int],
    finding: WindowPerformance | None,
) -> bool:
    """Keep what a window's labels showed (`counts`: labelled, unlabelled); False when that was known before."""
    values = {
        "model": name,
        "version": version,
        "start": start,
        "labelled": counts[0],
        "unlabelled": counts[1],
        "verdict": "inconclusive" if finding is None else "degraded" if finding.degraded else "sound",
        "performance": finding.model_dump_json() if finding else None,
    }
    return (await connection.execute(SETTLE, values)).first() is not None


async def recent_drift(connection: AsyncConnection, name: str, version: int, limit: int) -> list[WindowDrift]:
    """The newest conclusive windows of the model as long as they are of this version, oldest first."""
    rows = (await connection.execute(RECENT_DRIFT, {"model": name, "limit": limit})).all()
    return [WindowDrift.model_validate(finding) for finding in _of_version(rows, version)]


async def recent_performance(
    connection: AsyncConnection, name: str, version: int, limit: int
) -> list[WindowPerformance]:
    """As `recent_drift`, of labelled windows."""
    rows = (await connection.execute(RECENT_PERFORMANCE, {"model": name, "limit": limit})).all()
    return [WindowPerformance.model_validate(finding) for finding in _of_version(rows, version)]


async def interrupted(connection: AsyncConnection, name: str, version: int, since: int) -> bool:
    """Whether another version answered in a window that ended after this time."""
    values = {"model": name, "version": version, "since": since}
    return (await connection.execute(INTERRUPTED, values)).first() is not None


def _of_version(rows: Sequence[Any], version: int) -> list[Any]:
    unbroken = []
    for row in rows:
        if row.version != version:
            break
        unbroken.append(row.finding)
    return unbroken[::-1]


async def windows(
    connection: AsyncConnection, name: str | None, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """Windows, newest first, before an id."""
    rows = await connection.execute(WINDOWS, {"model": name, "before": before, "limit": limit})
    return [dict(row) for row in rows.mappings()]


async def models(connection: AsyncConnection) -> list[str]:
    """Every registered model."""
    return [row.model for row in (await connection.execute(MODELS)).all()]


async def model_state(connection: AsyncConnection, name: str) -> Mapping[str, Any] | None:
    """Until when a model's windows are closed and settled; None of an unknown model."""
    row = (await connection.execute(MODEL_STATE, {"model": name})).mappings().first()
    return dict(row) if row else None


async def model_pins(connection: AsyncConnection, name: str) -> list[dict[str, Any]]:
    """The references of a model's versions, newest first."""
    return [dict(row) for row in (await connection.execute(MODEL_PINS, {"model": name})).mappings()]
