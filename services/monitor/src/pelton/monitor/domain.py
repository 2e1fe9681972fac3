"""When windows in a row become an alarm, and when it ends: one episode, one fact."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final, Self

from pelton.contracts.definitions import MonitorDefinition, seconds
from pelton.contracts.fact import Fact
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

# An episode that goes on is told again after so many windows: a policy that deferred a training for its cooldown
# or its budget then gets a second chance.
REMIND_AFTER: Final = 7


@dataclass(frozen=True, slots=True)
class Episode:
    """A finding that stands: of which version, since the end of which window, and when it was last told."""

    version: int
    since: datetime
    told: datetime


@dataclass(frozen=True)
class Monitor:
    """What stands against a model's champion."""

    model: str
    drift: Episode | None = None
    degradation: Episode | None = None

    category: ClassVar[str] = "monitors"

    @classmethod
    def initial(cls, key: str) -> Self:
        """Nothing stands."""
        return cls(key)

    @property
    def key(self) -> str:
        """The model."""
        return self.model

    def evolve(self, fact: Fact) -> Self:
        """Begin, go on with or end an episode."""
        match fact:
            case DataDriftDetected():
                return replace(self, drift=_told(self.drift, fact.version, fact.windows[-1].window.end))
            case DataDriftResolved():
                return replace(self, drift=None)
            case PerformanceDegraded():
                return replace(self, degradation=_told(self.degradation, fact.version, fact.windows[-1].window.end))
            case PerformanceRecovered():
                return replace(self, degradation=None)
        return self


@dataclass(frozen=True)
class PinnedReference:
    """The stream of one version's reference: it is pinned once."""

    name: str
    pinned: bool = False

    category: ClassVar[str] = "references"

    @classmethod
    def initial(cls, key: str) -> Self:
        """Not pinned yet."""
        return cls(key)

    @property
    def key(self) -> str:
        """`<model>@<version>`."""
        return self.name

    def evolve(self, fact: Fact) -> Self:
        """Pinned by its fact."""
        return replace(self, pinned=True) if isinstance(fact, ReferencePinned) else self


@dataclass(frozen=True, slots=True)
class Basis:
    """What a finding rests on, besides its windows."""

    model: str
    version: int
    reference_id: str
    reference_digest: str
    code_version: str
    monitor: MonitorDefinition
    labels: LabelJoin
    threshold: float


def judge_drift(monitor: Monitor, basis: Basis, recent: Sequence[WindowDrift]) -> list[Fact]:
    """What the newest of the `recent` conclusive windows of the version, oldest first, makes of the episode.

    Another version's episode is over: the reference is another.
    """
    definition = basis.monitor.drift
    told = monitor.drift if monitor.drift and monitor.drift.version == basis.version else None
    last = tuple(recent[-definition.consecutive :])
    if len(last) < definition.consecutive:
        return []
    verdict = _verdict([one.drifted for one in last], told, last[-1].window.end, basis.monitor)
    if verdict is None:
        return []
    kind = DataDriftDetected if verdict else DataDriftResolved
    return [
        kind(
            model=basis.model,
            version=basis.version,
            reference_id=basis.reference_id,
            reference_digest=basis.reference_digest,
            configuration=definition,
            code_version=basis.code_version,
            windows=last,
        )
    ]


def judge_performance(monitor: Monitor, basis: Basis, recent: Sequence[WindowPerformance]) -> list[Fact]:
    """As `judge_drift`, of windows of labelled predictions."""
    definition = basis.monitor.degradation
    told = monitor.degradation if monitor.degradation and monitor.degradation.version == basis.version else None
    last = tuple(recent[-definition.consecutive :])
    if len(last) < definition.consecutive:
        return []
    verdict = _verdict([one.degraded for one in last], told, last[-1].window.end, basis.monitor)
    if verdict is None:
        return []
    kind = PerformanceDegraded if verdict else PerformanceRecovered
    return [
        kind(
            model=basis.model,
            version=basis.version,
            reference_id=basis.reference_id,
            reference_digest=basis.reference_digest,
            configuration=definition,
            code_version=basis.code_version,
            windows=last,
            labels=basis.labels,
            threshold=basis.threshold,
        )
    ]


def _verdict(found: Sequence[bool], told: Episode | None, end: datetime, monitor: MonitorDefinition) -> bool | None:
    """True to tell that the finding stands, False that it is over, None to say nothing."""
    if all(found):
        if told is None:
            return True
        windows_since = (end - told.told).total_seconds() / seconds(monitor.window)
        return True if windows_since >= REMIND_AFTER else None
    return False if told is not None and not any(found) else None


def _told(before: Episode | None, version: int, end: datetime) -> Episode:
    since = before.since if before is not None and before.version == version else end
    return Episode(version, since, end)
