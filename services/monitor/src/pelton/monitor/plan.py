"""How a model is watched, and where its watching stands: what memory is built from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pelton.contracts.definitions import LabelDefinition, MonitorDefinition, seconds
from pelton.contracts.monitor import LabelJoin
from pelton.contracts.values import Evaluation
from pelton.monitor.statistics import Reference


@dataclass(frozen=True)
class Pinned:
    """What a version is compared with. One whose dataset could not be read has no reference."""

    version: int
    threshold: float
    evaluation: Evaluation
    reference: Reference | None
    reference_id: str


@dataclass(frozen=True)
class Plan:
    """A model's windows and thresholds, its labels, and its pinned versions.

    All windows that end by `drift_until` are closed, and those that end by `settled_until` have had their labels
    joined as well; both are milliseconds since 1970.
    """

    model: str
    monitor: MonitorDefinition
    labels: LabelJoin
    drift_until: int
    settled_until: int
    pinned: Mapping[int, Pinned] = field(default_factory=dict)

    @cached_property
    def length(self) -> int:
        """The length of a window in milliseconds."""
        return seconds(self.monitor.window) * 1000

    @cached_property
    def delay(self) -> int:
        """How long after a prediction its label may come, in milliseconds."""
        return delay_of(self.labels.definition)


def delay_of(label: LabelDefinition) -> int:
    """How long after a prediction its label may come, in milliseconds."""
    return seconds(label.delay) * 1000
