"""What the service and its worker process say to each other."""

from pathlib import Path

from pydantic import Field

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.evidence import Evidence
from pelton.contracts.fact import Value
from pelton.contracts.trainer import Candidate
from pelton.contracts.values import Digest, Evaluation, ModelVersion, Window


class ChampionFile(Value):
    """The champion's artifact, to be evaluated beside the challenger."""

    version: ModelVersion
    path: Path


class TrainingOrder(Value):
    """All that a worker needs: paths of files that lie in its own folder, and what to make of them.

    The artifact is written to `output`; `views` and `transformations` are the digests behind the dataset's features.
    """

    definition: ModelDefinition
    seed: int
    span: Window
    dataset: Path
    dataset_digest: Digest
    views: dict[str, Digest]
    transformations: dict[str, Digest] = Field(default_factory=dict)
    code: Path
    code_digest: Digest
    champion: ChampionFile | None
    output: Path


class TrainingResult(Value):
    """What a training found; the artifact lies at the order's `output`."""

    candidates: tuple[Candidate, ...]
    chosen: int
    train_span: Window
    holdout_span: Window
    evaluation: Evaluation
    champion_evaluation: Evaluation | None
    champion_skipped: str | None
    evidence: Evidence


class Answer(Value):
    """Either a result or the reason why there is none."""

    result: TrainingResult | None = None
    reason: str | None = None
