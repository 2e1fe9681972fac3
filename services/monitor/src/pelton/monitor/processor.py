"""Reading predictions and label events into windows, and closing them: facts, outcomes and offsets together."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pelton.contracts.monitor import WindowDrift, WindowPerformance
from pelton.contracts.records import OutcomeBatch, encode
from pelton.contracts.topics import OUTCOMES
from pelton.eventkit.envelope import Cause
from pelton.eventkit.failures import TransientError
from pelton.eventkit.leadership import Leadership
from pelton.eventkit.publisher import Outgoing, Publisher
from pelton.eventkit.reader import Partition, Records
from pelton.eventkit.store import reader_offsets
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.monitor import findings, store
from pelton.monitor.configuration import CODE_VERSION, load_plans
from pelton.monitor.domain import Basis, Monitor, judge_drift, judge_performance
from pelton.monitor.gateways import Reach
from pelton.monitor.gauges import Gauges
from pelton.monitor.intake import Intake
from pelton.monitor.joins import outcomes
from pelton.monitor.plan import Pinned, Plan
from pelton.monitor.watched import ClosedWindow, SettledWindow, Watched

# So many records are read again at most after a restart in which no window closed.
SAVE_AFTER = 20_000
LEAST_ROWS = 2  # a variance needs two


@dataclass(frozen=True)
class DriftFinding:
    """A version in a closed window; without a finding, it is inconclusive."""

    version: int
    bounds: tuple[int, int]
    rows: int
    finding: WindowDrift | None


@dataclass(frozen=True)
class PerformanceFinding:
    """A version in a settled window; without a finding, it is inconclusive."""

    version: int
    bounds: tuple[int, int]
    labelled: int
    unlabelled: int
    finding: WindowPerformance | None


@dataclass(frozen=True)
class Findings:
    """What the windows of one model that ended now show, oldest first."""

    drift: Sequence[DriftFinding]
    performance: Sequence[PerformanceFinding]
    outcomes: Sequence[OutcomeBatch]


class WindowProcessor:
    """Memory is built by reading; PostgreSQL keeps from where.

    One process leads and does this; the others stand by, with nothing in memory: predictions and labels that several
    shared out would never meet. `revision` is that of the configuration that memory was built for.
    """

    def __init__(
        self, units: Units, publisher: Publisher, reach: Reach, gauges: Gauges, leadership: Leadership
    ) -> None:
        self._units = units
        self._leadership = leadership
        leadership.when_over(self._forget)
        self._reach = reach
        self._publisher = publisher
        self._gauges = gauges
        self._intake = Intake({})
        self._unsaved = 0
        self.revision = -1
        self._moved = asyncio.Condition()

    def watched(self, model: str) -> Watched | None:
        """What memory holds of a model."""
        return self._intake.watched.get(model)

    async def wait(self, seconds: float) -> None:
        """Until the next batch is committed, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait()

    async def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Begin anew: empty memory, and the offsets from which it is filled again."""
        async with self._units.begin() as unit:
            self.revision = await store.revision(unit.connection)
            plans = await load_plans(unit.connection)
            offsets = await reader_offsets(unit.connection, store.READER)
            marks = await store.label_marks(unit.connection)
        ours = {place: offset for place, offset in offsets.items() if place in set(partitions)}
        self._intake = Intake.begin(plans, ours, marks, await self._reach.ends(partitions))
        self._unsaved = 0
        return ours

    async def process(self, batch: Mapping[Partition, Records]) -> None:
        """Take a batch, and commit what it closed."""
        intake = self._intake
        await asyncio.to_thread(intake.take, batch)
        if intake.wants_labels_again:
            raise TransientError("a prediction may meet labels that were set aside: memory is built again")
        self._unsaved += sum(len(records) for records in batch.values())
        for watched in intake.watched.values():
            await self._conclude(watched)
        if self._unsaved >= SAVE_AFTER:
            async with self._units.begin() as unit:
                await self._leadership.confirm(unit.connection)
                await self._save_low_water(unit)
        self._gauges.show(intake)
        async with self._moved:
            self._moved.notify_all()

    def _forget(self) -> None:
        self._intake = Intake({})
        self._gauges.forget()

    async def _conclude(self, watched: Watched) -> None:
        found = await asyncio.to_thread(conclude, watched)
        if found is None:
            return
        await self._publisher.publish([_outgoing(batch) for batch in found.outcomes])
        async with self._units.begin() as unit:
            await self._leadership.confirm(unit.connection)
            await self._record(unit, watched.plan, found)
            plan = watched.plan
            await store.save_progress(unit.connection, plan.model, watched.drift_until, watched.settled_until)
            await self._save_low_water(unit)

    async def _record(self, unit: UnitOfWork, plan: Plan, found: Findings) -> None:
        monitor = await unit.load(Monitor, plan.model)
        for one in found.drift:
            if not await store.close(unit.connection, plan.model, one.version, one.bounds, one.rows, one.finding):
                continue
            self._gauges.closed("drift", one.finding is not None and one.finding.drifted, one.finding is not None)
            if one.finding is not None:
                monitor = await self._judge_drift(unit, plan, monitor, one.version)
        for late in found.performance:
            counts = (late.labelled, late.unlabelled)
            if not await store.settle(unit.connection, plan.model, late.version, late.bounds[0], counts, late.finding):
                continue
            self._gauges.closed(
                "performance", late.finding is not None and late.finding.degraded, late.finding is not None
            )
            if late.finding is not None:
                monitor = await self._judge_performance(unit, plan, monitor, late.version)

    async def _judge_drift(self, unit: UnitOfWork, plan: Plan, monitor: Monitor, version: int) -> Monitor:
        recent = await store.recent_drift(unit.connection, plan.model, version, plan.monitor.drift.consecutive)
        told = monitor.drift
        if told and await store.interrupted(unit.connection, plan.model, version, findings.milliseconds(told.told)):
            monitor = replace(monitor, drift=None)
        facts = judge_drift(monitor, _basis(plan, plan.pinned[version]), recent)
        return await unit.append(monitor, facts, cause=self._cause(plan, version))

    async def _judge_performance(self, unit: UnitOfWork, plan: Plan, monitor: Monitor, version: int) -> Monitor:
        consecutive = plan.monitor.degradation.consecutive
        recent = await store.recent_performance(unit.connection, plan.model, version, consecutive)
        told = monitor.degradation
        if told and await store.interrupted(unit.connection, plan.model, version, findings.milliseconds(told.told)):
            monitor = replace(monitor, degradation=None)
        facts = judge_performance(monitor, _basis(plan, plan.pinned[version]), recent)
        return await unit.append(monitor, facts, cause=self._cause(plan, version))

    def _cause(self, plan: Plan, version: int) -> Cause:
        """A finding follows from the reference, and begins a story of its own."""
        traceparent = self._intake.traceparents.get(plan.model)
        return Cause(plan.pinned[version].reference_id, str(self._units.new_id()), traceparent)

    async def _save_low_water(self, unit: UnitOfWork) -> None:
        await store.save_low_water(unit.connection, self._intake.low_water(), self._intake.label_marks())
        self._unsaved = 0


def conclude(watched: Watched) -> Findings | None:
    """What the windows show that ended now, which are then closed and settled; None where none has rows."""
    closed, settled = list(watched.closable()), list(watched.settleable())
    found = examine(watched.plan, closed, settled) if closed or settled else None
    watched.close()
    watched.settle()
    return found


def examine(plan: Plan, closed: Sequence[ClosedWindow], settled: Sequence[SettledWindow]) -> Findings:
    """What windows show. Pure; windows with fewer rows than the plan asks for are inconclusive."""
    drift = [_drift(plan, window, version) for window in closed for version in range(len(window.versions))]
    performance = [_performance(plan, one, version) for one in settled for version in one.joined]
    batches = [
        batch
        for one in settled
        for batch in outcomes(
            plan.model, one.window.start, one.window.end, [part for parts in one.joined.values() for part in parts]
        )
    ]
    return Findings(drift, performance, batches)


def _drift(plan: Plan, window: ClosedWindow, place: int) -> DriftFinding:
    found = window.versions[place]
    rows = sum(len(part.keys) for part in found.rows)
    bounds = (window.start, window.end)
    pinned = plan.pinned[found.version]
    if pinned.reference is None or rows < plan.monitor.min_rows:
        return DriftFinding(found.version, bounds, rows, None)
    finding = findings.drift(pinned.reference, found.rows, findings.window(*bounds), found.offsets, plan.monitor.drift)
    return DriftFinding(found.version, bounds, rows, finding)


def _performance(plan: Plan, settled: SettledWindow, version: int) -> PerformanceFinding:
    window, joined = settled.window, settled.joined[version]
    bounds = (window.start, window.end)
    labelled = findings.labelled(version, joined)
    unlabelled = sum(part.unlabelled for part in joined)
    pinned = plan.pinned[version]
    if (
        pinned.reference is None
        or min(labelled, pinned.evaluation.rows) < LEAST_ROWS
        or labelled < plan.monitor.min_rows
    ):
        return PerformanceFinding(version, bounds, labelled, unlabelled, None)
    rows = next(one for one in window.versions if one.version == version)
    finding = findings.performance(
        pinned.evaluation,
        version,
        pinned.threshold,
        joined,
        findings.window(*bounds),
        findings.in_order(rows.offsets, settled.label_offsets),
        plan.monitor.degradation,
    )
    return PerformanceFinding(version, bounds, labelled, unlabelled, finding)


def _basis(plan: Plan, pinned: Pinned) -> Basis:
    return Basis(
        model=plan.model,
        version=pinned.version,
        reference_id=pinned.reference_id,
        reference_digest=pinned.reference.digest if pinned.reference else "",
        code_version=CODE_VERSION,
        monitor=plan.monitor,
        labels=plan.labels,
        threshold=pinned.threshold,
    )


def _outgoing(batch: OutcomeBatch) -> Outgoing:
    identity = f"{batch.model}/{batch.window_start}/{batch.revision}/{batch.chunk}"
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", identity.encode()),
        ("ce_source", b"/pelton/monitor"),
        ("ce_type", b"pelton.outcomes"),
        ("ce_subject", f"models/{batch.model}".encode()),
        ("content-type", b"application/json"),
    ]
    return Outgoing(OUTCOMES, batch.model.encode(), headers, encode(batch))
