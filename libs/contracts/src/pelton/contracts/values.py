"""Small types that several facts share."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from pelton.contracts.fact import Value

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Probability = Annotated[float, Field(ge=0, le=1)]
Stage = Literal["development", "staging", "production", "archived"]


class Window(Value):
    """A half-open interval of event time, `start <= t < end`, in UTC."""

    start: AwareDatetime
    end: AwareDatetime

    def holds(self, moment: datetime) -> bool:
        """Whether an event of this moment belongs to the window."""
        return self.start <= moment < self.end


class OffsetRange(Value):
    """Records of one partition, `start <= offset < end`: the exact evidence of a decision."""

    topic: str
    partition: int
    start: int
    end: int


class Artifact(Value):
    """A file in the content-addressed object store."""

    digest: Digest
    size: int
    format: str


class Environment(Value):
    """What a result was computed with: enough to build it again."""

    python: str
    platform: str
    lock_digest: Digest
    packages: dict[str, str]
    cpu_count: int


class Evaluation(Value):
    """Scores of a binary classifier on labelled rows it was not trained on; losses are means over the rows."""

    rows: int
    positives: int
    brier: float
    brier_variance: float
    log_loss: float
    accuracy: float
    auc: float | None


class ModelVersion(Value):
    """All that serving, monitoring and lineage need of one version.

    `inputs` are the columns of the model's matrix in order: first `request` fields, then `features` as
    `view:feature` or `transformation:feature`. The definitions behind them are pinned by `views` and `transformations`
    (name to digest); `views` has those too that the transformations read.
    """

    model: Name
    version: int
    training_id: str
    artifact: Artifact
    request: tuple[str, ...]
    features: tuple[str, ...]
    views: dict[str, Digest]
    # Left out of versions without any: what was signed before there were transformations stays what it is.
    transformations: dict[str, Digest] = Field(default_factory=dict, exclude_if=lambda pinned: not pinned)
    threshold: Probability
    dataset: Digest
    evaluation: Evaluation

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns of the model's matrix, in order."""
        return (*self.request, *(ref.replace(":", "__") for ref in self.features))
