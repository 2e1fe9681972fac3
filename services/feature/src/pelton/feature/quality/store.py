"""The SQL of rules that look beyond one event: what was counted, claimed and judged, in step with the offsets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.feature.quality.neighbours import Claim

LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('quality/' || :source, 0))")
PROGRESS = text("SELECT partition, end_offset, newest_ms FROM quality_progress WHERE source = :source")
ADVANCE = text("""
    INSERT INTO quality_progress (source, partition, end_offset, newest_ms)
    VALUES (:source, :partition, :end_offset, :newest_ms)
    ON CONFLICT (source, partition) DO UPDATE
    SET end_offset = greatest(quality_progress.end_offset, excluded.end_offset),
        newest_ms = greatest(quality_progress.newest_ms, excluded.newest_ms)
""")
ARRIVED = text("""
    INSERT INTO quality_arrivals (source, arrived_at) VALUES (:source, :now)
    ON CONFLICT (source) DO UPDATE SET arrived_at = greatest(quality_arrivals.arrived_at, excluded.arrived_at)
""")
FIRST_LOOK = text("""
    INSERT INTO quality_arrivals (source, arrived_at) VALUES (:source, :now) ON CONFLICT (source) DO NOTHING
""")
ARRIVALS = text("SELECT source, arrived_at FROM quality_arrivals WHERE source = ANY(:sources)")

ADD_BREAKS = text("""
    INSERT INTO rule_breaks (source, rule, source_digest, events, last_at)
    VALUES (:source, :rule, :source_digest, :events, :now)
    ON CONFLICT (source, rule, source_digest) DO UPDATE
    SET events = rule_breaks.events + excluded.events, last_at = excluded.last_at
""")
BREAKS = text("""
    SELECT rule, sum(events) AS events, max(last_at) AS last_at,
           coalesce(sum(events) FILTER (WHERE source_digest = :source_digest), 0) AS of_version
    FROM rule_breaks WHERE source = :source GROUP BY rule
""")
STATES = text("""
    SELECT rule, rule_digest, first_span, judged_to, broken, detail, since FROM rule_states WHERE source = :source
""")
SAVE_STATE = text("""
    INSERT INTO rule_states (source, rule, rule_digest, first_span, judged_to, broken, detail, since)
    VALUES (:source, :rule, :rule_digest, :first_span, :judged_to, :broken, :detail, :since)
    ON CONFLICT (source, rule) DO UPDATE
    SET rule_digest = excluded.rule_digest, first_span = excluded.first_span, judged_to = excluded.judged_to,
        broken = excluded.broken, detail = excluded.detail, since = excluded.since
""")

ADD_VOLUMES = text("""
    INSERT INTO source_volumes (source, span_ms, span, events)
    SELECT :source, :span_ms, span, events FROM unnest(CAST(:spans AS bigint[]), CAST(:events AS bigint[]))
        AS given (span, events)
    ON CONFLICT (source, span_ms, span) DO UPDATE SET events = source_volumes.events + excluded.events
""")
VOLUMES = text("""
    SELECT span, events FROM source_volumes WHERE source = :source AND span_ms = :span_ms AND span >= :first
""")
DROP_VOLUMES = text("DELETE FROM source_volumes WHERE source = :source AND span_ms = :span_ms AND span < :first")

CLAIMS = text("SELECT value, event, time_ms FROM unique_values WHERE source = :source AND value = ANY(:values)")
ADD_CLAIMS = text("""
    INSERT INTO unique_values (source, value, event, time_ms)
    SELECT :source, value, event, time_ms
    FROM unnest(CAST(:values AS bytea[]), CAST(:events AS bytea[]), CAST(:times AS bigint[]))
        AS given (value, event, time_ms)
    ON CONFLICT DO NOTHING
""")
DROP_CLAIMS = text("DELETE FROM unique_values WHERE source = :source AND time_ms < :before_ms")

KNOWN = text("SELECT key FROM known_keys WHERE source = :source AND key = ANY(:keys)")
ADD_KEYS = text("""
    INSERT INTO known_keys (source, key) SELECT :source, unnest(CAST(:keys AS bytea[])) ON CONFLICT DO NOTHING
""")
COMPLETE = text("SELECT 1 FROM known_keys_complete WHERE source = :source")
SET_COMPLETE = text("INSERT INTO known_keys_complete (source) VALUES (:source) ON CONFLICT DO NOTHING")


@dataclass(frozen=True, slots=True)
class RuleState:
    """How a rule of a source as a whole stands; `rule_digest` is the rule's version. Only volumes have spans."""

    rule: str
    rule_digest: str
    first_span: int | None
    judged_to: int | None
    broken: bool
    detail: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """What of a partition was counted: the records before `end_offset`, the newest of which is of `newest_ms`."""

    end_offset: int
    newest_ms: int


async def lock(connection: AsyncConnection, source: str) -> None:
    """Let no other process count or judge the source until this transaction ends."""
    await connection.execute(LOCK, {"source": source})


async def progress(connection: AsyncConnection, source: str) -> dict[int, Progress]:
    """What was counted of each partition."""
    rows = (await connection.execute(PROGRESS, {"source": source})).all()
    return {row.partition: Progress(row.end_offset, row.newest_ms) for row in rows}


async def advance(connection: AsyncConnection, source: str, partition: int, reached: Progress) -> None:
    """Note what was counted of a partition."""
    values = {"end_offset": reached.end_offset, "newest_ms": reached.newest_ms}
    await connection.execute(ADVANCE, values | {"source": source, "partition": partition})


async def arrived(connection: AsyncConnection, source: str, now: datetime) -> None:
    """Note that events of a source came."""
    await connection.execute(ARRIVED, {"source": source, "now": now})


async def arrivals(connection: AsyncConnection, sources: Sequence[str], now: datetime) -> dict[str, datetime]:
    """When the newest event of each source came; of one that had none, since when it is looked at."""
    for source in sources:
        await connection.execute(FIRST_LOOK, {"source": source, "now": now})
    rows = (await connection.execute(ARRIVALS, {"sources": list(sources)})).all()
    return {row.source: row.arrived_at for row in rows}


async def add_breaks(
    connection: AsyncConnection, source: str, source_digest: str, counts: Mapping[str, int], now: datetime
) -> None:
    """Count events that broke a rule, by its name."""
    for rule, events in sorted(counts.items()):
        values = {"source": source, "rule": rule, "source_digest": source_digest, "events": events, "now": now}
        await connection.execute(ADD_BREAKS, values)


async def breaks(connection: AsyncConnection, source: str, source_digest: str) -> dict[str, dict[str, Any]]:
    """By rule: how many events broke it ever, how many of them in this version of the source, and when last."""
    rows = (await connection.execute(BREAKS, {"source": source, "source_digest": source_digest})).all()
    return {
        row.rule: {"events": int(row.events), "events_of_version": int(row.of_version), "last_at": row.last_at}
        for row in rows
    }


async def states(connection: AsyncConnection, source: str) -> dict[str, RuleState]:
    """How the rules of a source as a whole stand."""
    rows = (await connection.execute(STATES, {"source": source})).mappings()
    return {row["rule"]: RuleState(**row) for row in rows}


async def save_state(connection: AsyncConnection, source: str, state: RuleState) -> None:
    """Keep how a rule stands."""
    values = {name: getattr(state, name) for name in RuleState.__slots__}
    await connection.execute(SAVE_STATE, values | {"source": source})


async def add_volumes(connection: AsyncConnection, source: str, span_ms: int, counts: Mapping[int, int]) -> None:
    """Count events by their spans of event time."""
    values = {"source": source, "span_ms": span_ms, "spans": list(counts), "events": list(counts.values())}
    await connection.execute(ADD_VOLUMES, values)


async def volumes(connection: AsyncConnection, source: str, span_ms: int, first: int) -> dict[int, int]:
    """How many events there are of each span from the `first` on."""
    rows = await connection.execute(VOLUMES, {"source": source, "span_ms": span_ms, "first": first})
    return {row.span: row.events for row in rows.all()}


async def drop_volumes(connection: AsyncConnection, source: str, span_ms: int, first: int) -> None:
    """Let the spans before the `first` go."""
    await connection.execute(DROP_VOLUMES, {"source": source, "span_ms": span_ms, "first": first})


async def claims(connection: AsyncConnection, source: str, values: Iterable[bytes]) -> list[Claim]:
    """The events of a source that have one of these values."""
    rows = (await connection.execute(CLAIMS, {"source": source, "values": sorted(set(values))})).all()
    return [Claim(bytes(row.value), bytes(row.event), row.time_ms) for row in rows]


async def add_claims(connection: AsyncConnection, source: str, new: Sequence[Claim]) -> None:
    """Note which events have which values."""
    values = {
        "values": [one.value for one in new],
        "events": [one.event for one in new],
        "times": [one.time_ms for one in new],
    }
    await connection.execute(ADD_CLAIMS, values | {"source": source})


async def drop_claims(connection: AsyncConnection, source: str, before_ms: int) -> None:
    """Let the values of events before a time go."""
    await connection.execute(DROP_CLAIMS, {"source": source, "before_ms": before_ms})


async def known(connection: AsyncConnection, source: str, keys: Iterable[bytes]) -> set[bytes]:
    """Those of the keys that events of a source have."""
    rows = await connection.execute(KNOWN, {"source": source, "keys": sorted(set(keys))})
    return {bytes(row.key) for row in rows.all()}


async def add_keys(connection: AsyncConnection, source: str, keys: Iterable[bytes]) -> None:
    """Note the keys of events of a source."""
    await connection.execute(ADD_KEYS, {"source": source, "keys": sorted(set(keys))})


async def complete(connection: AsyncConnection, source: str) -> bool:
    """Whether the keys are known of all events that a source has ever had."""
    return (await connection.execute(COMPLETE, {"source": source})).first() is not None


async def set_complete(connection: AsyncConnection, source: str) -> None:
    """Note that they are."""
    await connection.execute(SET_COMPLETE, {"source": source})
