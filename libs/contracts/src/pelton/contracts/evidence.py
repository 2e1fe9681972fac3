"""What a version has shown: the grounds on which gates are judged, whoever measured them."""

from typing import Annotated

from pydantic import Field

from pelton.contracts.fact import Value
from pelton.contracts.values import Digest

Share = Annotated[float, Field(ge=0, le=1)]


class Comparison(Value):
    """Losses of two versions on the same rows, ours minus theirs by row: their `mean` and `variance` (by n - 1).

    `dataset` is the digest of the rows. Below zero the challenger is better.
    """

    against: int
    dataset: Digest
    loss: str
    rows: Annotated[int, Field(ge=2)]
    mean: float
    variance: Annotated[float, Field(ge=0)]


class GroupScores(Value):
    """The rows of one group: how many, how many positive, the share selected (predicted positive), and metrics.

    Without metrics it had fewer rows than the definition asks for.
    """

    group: str
    rows: int
    positives: int
    selected: Share
    metrics: dict[str, float]


class Segment(Value):
    """Scores by the groups of one attribute."""

    attribute: str
    groups: tuple[GroupScores, ...]


class Fairness(Value):
    """Differences between the groups of a sensitive attribute, by measure, such as `demographic_parity_difference`.

    `undefined` has the reason of each measure that these groups do not have.
    """

    attribute: str
    measures: dict[str, float]
    undefined: dict[str, str] = Field(default_factory=dict)


class Latency(Value):
    """How long the version took for single rows on the machine that evaluated it, in milliseconds.

    A measurement, and so not the same when it is repeated: whoever computes a training again passes it over.
    """

    rows: int
    p50_ms: Annotated[float, Field(ge=0)]
    p99_ms: Annotated[float, Field(ge=0)]


class Evidence(Value):
    """All that was measured about a version before anybody decides about it."""

    metrics: dict[str, float] = Field(default_factory=dict)
    comparison: Comparison | None = None
    segments: tuple[Segment, ...] = ()
    fairness: tuple[Fairness, ...] = ()
    latency: Latency | None = None
