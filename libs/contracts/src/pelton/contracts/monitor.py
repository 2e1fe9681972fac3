"""Facts of the monitor: what it saw in the predictions, with all that a replay needs."""

from pydantic import AwareDatetime

from pelton.contracts.definitions import DegradationDefinition, DriftDefinition, LabelDefinition
from pelton.contracts.fact import Fact, Value
from pelton.contracts.values import Digest, Evaluation, OffsetRange, Probability, Window


class FeatureReference(Value):
    """How one input was distributed: `counts[i]` rows between `edges[i-1]` and `edges[i]`, and how many were missing.

    The first bin is open below, the last above, so there is one count more than edges.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int


class ReferencePinned(Fact, owner="monitor"):
    """What the inputs and the performance of a version are compared with."""

    model: str
    version: int
    dataset: Digest
    features: dict[str, FeatureReference]
    evaluation: Evaluation
    reference_digest: Digest


class FeatureDrift(Value):
    """One input in one window against the reference; `counts` has the bins of the reference, then the missing."""

    feature: str
    counts: tuple[int, ...]
    p_value: float
    effect: float
    rejected: bool
    drifted: bool


class WindowDrift(Value):
    """One window: which records it was computed from, and what each input showed."""

    window: Window
    offsets: tuple[OffsetRange, ...]
    rows: int
    features: tuple[FeatureDrift, ...]
    share: float
    drifted: bool


class DataDriftDetected(Fact, owner="monitor"):
    """The inputs differ from the reference, in as many windows in a row as the configuration asks."""

    model: str
    version: int
    reference_id: str
    reference_digest: Digest
    configuration: DriftDefinition
    code_version: str
    windows: tuple[WindowDrift, ...]


class DataDriftResolved(Fact, owner="monitor"):
    """The inputs are like the reference again."""

    model: str
    version: int
    reference_id: str
    reference_digest: Digest
    configuration: DriftDefinition
    code_version: str
    windows: tuple[WindowDrift, ...]


class LabelJoin(Value):
    """How predictions met their labels: the label's definition, and the fields of its source's events to join by.

    `texts` are the fields in the label's expression that are texts; the others are numbers.
    """

    definition: LabelDefinition
    key: str
    event_time: str
    texts: tuple[str, ...] = ()


class WindowPerformance(Value):
    """The labelled predictions of one window; `unlabelled` had no label in time."""

    window: Window
    offsets: tuple[OffsetRange, ...]
    evaluation: Evaluation
    unlabelled: int
    p_value: float
    degraded: bool


class PerformanceDegraded(Fact, owner="monitor"):
    """The predictions are worse than the reference, in as many windows in a row as the configuration asks."""

    model: str
    version: int
    reference_id: str
    reference_digest: Digest
    configuration: DegradationDefinition
    code_version: str
    windows: tuple[WindowPerformance, ...]
    labels: LabelJoin | None = None
    threshold: Probability | None = None


class PerformanceRecovered(Fact, owner="monitor"):
    """The predictions are as good as the reference again."""

    model: str
    version: int
    reference_id: str
    reference_digest: Digest
    configuration: DegradationDefinition
    code_version: str
    windows: tuple[WindowPerformance, ...]
    labels: LabelJoin | None = None
    threshold: Probability | None = None


def moment(fact: DataDriftDetected | PerformanceDegraded) -> AwareDatetime:
    """The event time at which the last window of a finding ended."""
    return fact.windows[-1].window.end
