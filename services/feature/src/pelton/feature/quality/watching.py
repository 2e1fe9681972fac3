"""Rules of a source as a whole: spans of event time are judged as they end; each turn for worse or better is a fact."""

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.canonical import digest
from pelton.contracts.definitions import SourceDefinition, Volume, seconds
from pelton.contracts.feature import SourceRuleRestored, SourceRuleViolated
from pelton.contracts.topics import data_topic
from pelton.contracts.values import OffsetRange, Window
from pelton.eventkit.unit import UnitOfWork
from pelton.feature.domain import Source
from pelton.feature.quality import store
from pelton.feature.quality.store import Progress, RuleState
from pelton.feature.quality.volumes import Turn, VolumeState, begin, judge, needed_from, span_ms

RuleFact = SourceRuleViolated | SourceRuleRestored


async def count(
    unit: UnitOfWork,
    definition: SourceDefinition,
    times_ms: NDArray[np.int64],
    progress: Mapping[int, Progress],
    *,
    from_start: bool,
) -> None:
    """Count events into their spans, and judge the spans that are over by what the partitions have come to.

    Without `from_start` there may have been events before these that were not counted: spans that have begun are not
    whole.
    """
    begun_ms = int(times_ms.min()) if from_start else max(one.newest_ms for one in progress.values())
    rules = [rule for rule in definition.rules if isinstance(rule, Volume)]
    for length in sorted({span_ms(rule) for rule in rules}):
        spans, events = np.unique_counts(times_ms // length)
        counts = dict(zip(spans.tolist(), events.tolist(), strict=True))
        await store.add_volumes(unit.connection, definition.name, length, counts)
    known = await store.states(unit.connection, definition.name) if rules else {}
    kept_from: dict[int, int] = {}
    for rule in rules:
        first = await _judge(unit, definition, rule, known.get(rule.name), progress, begun_ms)
        kept_from[span_ms(rule)] = min(first, kept_from.get(span_ms(rule), first))
    for length, first in kept_from.items():
        await store.drop_volumes(unit.connection, definition.name, length, first)


async def turned(unit: UnitOfWork, source: str, state: RuleState, fact: RuleFact) -> None:
    """Record that a rule is broken, or kept again."""
    await unit.append(await unit.load(Source, source), [fact])
    await store.save_state(unit.connection, source, state)


async def _judge(
    unit: UnitOfWork,
    definition: SourceDefinition,
    rule: Volume,
    known: RuleState | None,
    progress: Mapping[int, Progress],
    begun_ms: int,
) -> int:
    """Judge the spans that are over; the first span whose count is needed from here on."""
    length, rule_digest = span_ms(rule), digest(rule)
    newest = max(one.newest_ms for one in progress.values())
    saved = RuleState(rule.name, rule_digest, None, None, broken=False, detail="", since=unit.now())
    if known is not None and known.rule_digest == rule_digest:
        saved = known
    state = begin(begun_ms // length)
    if saved.first_span is not None and saved.judged_to is not None:
        state = VolumeState(saved.first_span, saved.judged_to, saved.broken)
    counts = await store.volumes(unit.connection, definition.name, length, needed_from(rule, state))
    state, turns = judge(rule, state, counts, (newest - seconds(definition.lateness) * 1000) // length)
    detail, since = saved.detail, saved.since
    for turn in turns:
        detail, since = turn.detail, unit.now()
        at = RuleState(rule.name, rule_digest, state.first, turn.span + 1, turn.broken, detail, since)
        await turned(unit, definition.name, at, _fact(definition, rule, turn, progress))
    at = RuleState(rule.name, rule_digest, state.first, state.judged_to, state.broken, detail, since)
    await store.save_state(unit.connection, definition.name, at)
    return needed_from(rule, state)


def _fact(definition: SourceDefinition, rule: Volume, turn: Turn, progress: Mapping[int, Progress]) -> RuleFact:
    kind = SourceRuleViolated if turn.broken else SourceRuleRestored
    start, end = (datetime.fromtimestamp(span * span_ms(rule) / 1000, UTC) for span in (turn.span, turn.span + 1))
    offsets = tuple(
        OffsetRange(topic=data_topic(definition.name), partition=partition, start=0, end=reached.end_offset)
        for partition, reached in sorted(progress.items())
    )
    return kind(
        source=definition.name,
        rule=rule.name,
        source_digest=definition.digest,
        detail=turn.detail,
        window=Window(start=start, end=end),
        events=turn.events,
        offsets=offsets,
    )
