"""Computing a finding anew from the log: the same payload, to the byte, or the finding does not hold."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar

from pelton.contracts.monitor import (
    DataDriftDetected,
    DataDriftResolved,
    LabelJoin,
    PerformanceDegraded,
    PerformanceRecovered,
    ReferencePinned,
    WindowDrift,
    WindowPerformance,
)
from pelton.contracts.records import decode_predictions
from pelton.contracts.topics import PREDICTIONS, data_topic
from pelton.contracts.values import Window
from pelton.eventkit.replay import Evidence, Record
from pelton.monitor import findings, labels
from pelton.monitor.joins import Joined, LabelIndex
from pelton.monitor.plan import delay_of
from pelton.monitor.rows import UNREADABLE, Located, Rows, fingerprint, flaw, tables
from pelton.monitor.statistics import Reference

DriftFact = TypeVar("DriftFact", DataDriftDetected, DataDriftResolved)
PerformanceFact = TypeVar("PerformanceFact", PerformanceDegraded, PerformanceRecovered)


class IncompleteFactError(ValueError):
    """A fact that does not say all that its replay needs; older ones may not."""


async def data_drift_detected(fact_bytes: bytes, evidence: Evidence) -> bytes:
    """The payload of a `DataDriftDetected`, computed from its reference and the records of its windows."""
    return await _drift(DataDriftDetected.from_bytes(fact_bytes), evidence)


async def data_drift_resolved(fact_bytes: bytes, evidence: Evidence) -> bytes:
    """The payload of a `DataDriftResolved`, computed from its reference and the records of its windows."""
    return await _drift(DataDriftResolved.from_bytes(fact_bytes), evidence)


async def performance_degraded(fact_bytes: bytes, evidence: Evidence) -> bytes:
    """The payload of a `PerformanceDegraded`, computed from its reference, the predictions and their labels."""
    return await _performance(PerformanceDegraded.from_bytes(fact_bytes), evidence)


async def performance_recovered(fact_bytes: bytes, evidence: Evidence) -> bytes:
    """The payload of a `PerformanceRecovered`, computed from its reference, the predictions and their labels."""
    return await _performance(PerformanceRecovered.from_bytes(fact_bytes), evidence)


async def _drift(fact: DriftFact, evidence: Evidence) -> bytes:
    pinned = ReferencePinned.from_bytes(await evidence.fact(fact.reference_id))
    reference = findings.reference_of(pinned)
    windows: list[WindowDrift] = []
    for told in fact.windows:
        rows = _rows(await evidence.records(told.offsets), fact.model, fact.version, reference, told.window)
        windows.append(findings.drift(reference, rows, told.window, told.offsets, fact.configuration))
    computed = {"windows": tuple(windows), "reference_digest": reference.digest}
    return fact.model_copy(update=computed).to_bytes()


async def _performance(fact: PerformanceFact, evidence: Evidence) -> bytes:
    if fact.labels is None or fact.threshold is None:
        raise IncompleteFactError("the fact does not say how labels were read: it is older than its replay")
    pinned = ReferencePinned.from_bytes(await evidence.fact(fact.reference_id))
    reference = findings.reference_of(pinned)
    windows: list[WindowPerformance] = []
    for told in fact.windows:
        records = list(await evidence.records(told.offsets))
        rows = _rows(records, fact.model, fact.version, reference, told.window)
        index = _labels(records, fact.labels)
        joined = [Joined(part, index.labels(part)) for part in rows]
        windows.append(
            findings.performance(
                pinned.evaluation, fact.version, fact.threshold, joined, told.window, told.offsets, fact.configuration
            )
        )
    computed = {"windows": tuple(windows), "reference_digest": reference.digest}
    return fact.model_copy(update=computed).to_bytes()


def _rows(records: Iterable[Record], model: str, version: int, reference: Reference, window: Window) -> list[Rows]:
    """The window's rows of a version; the ranges end where the window was cut, so that no late row is in them."""
    start, end = findings.milliseconds(window.start), findings.milliseconds(window.end)
    features = [one.feature for one in reference.features]
    by_partition: dict[int, list[Located]] = defaultdict(list)
    seen: set[bytes] = set()
    for record in records:
        if record.topic != PREDICTIONS:
            continue
        try:
            batch = decode_predictions(record.value)
        except UNREADABLE:
            continue
        if (batch.model, batch.champion) != (model, version) or flaw(batch, features) is not None:
            continue
        print_ = fingerprint(batch)
        if print_ not in seen:
            seen.add(print_)
            by_partition[record.partition].append(Located(record.offset, batch))
    found = []
    for partition, located in sorted(by_partition.items()):
        for rows, _ in tables(partition, located):
            mask = (rows.times >= start) & (rows.times < end)
            if mask.any():
                found.append(rows.where(mask))
    return found


def _labels(records: Iterable[Record], join: LabelJoin) -> LabelIndex:
    topic = data_topic(join.definition.source)
    by_partition: dict[int, list[labels.Event]] = defaultdict(list)
    for record in records:
        if record.topic == topic:
            by_partition[record.partition].append(labels.Event(record.offset, record.value))
    found = [labels.read(partition, events, join) for partition, events in sorted(by_partition.items())]
    return LabelIndex(found, delay_of(join.definition))
