"""Facts of the trainer: when it trained, when it chose not to, and what came of it."""

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from pelton.contracts.evidence import Evidence
from pelton.contracts.fact import Fact, Value
from pelton.contracts.values import Artifact, Digest, Environment, Evaluation, Window

TriggerKind = Literal["first", "drift", "degradation", "new_data", "schedule", "manual"]


class Trigger(Value):
    """Why a training was considered. `moment` is event time; `event_id` the fact that asked."""

    kind: TriggerKind
    moment: AwareDatetime
    event_id: str
    detail: str


class TrainingRequested(Fact, owner="trainer"):
    """The policy decided to train, with this definition and code, however they change before the training is done.

    Rows are those of `span`; nothing later than `as_of` may be looked at.
    """

    training_id: str
    model: str
    trigger: Trigger
    span: Window
    as_of: AwareDatetime
    definition_digest: Digest
    code: Artifact | None = None
    seed: int


class TrainingDeferred(Fact, owner="trainer"):
    """The policy decided not to train now."""

    model: str
    trigger: Trigger
    reason: Literal["cooldown", "budget", "in_flight", "no_champion"]
    until: AwareDatetime | None


class TrainingStarted(Fact, owner="trainer"):
    """A job took the dataset up."""

    training_id: str
    model: str
    dataset: Digest
    code: Digest
    seed: int
    environment: Environment


class Candidate(Value):
    """One point of the search and its mean cross-validated Brier score, folds in order of time."""

    parameters: dict[str, Any]
    brier: float
    folds: tuple[float, ...]


class TrainingCompleted(Fact, owner="trainer"):
    """A challenger exists, evaluated on later rows than it was trained on, beside the champion on the same rows.

    `champion_skipped` says why there is no evaluation of the champion, where there is a champion. `evidence` is what
    gates are judged on besides; trainings from before it was gathered have none.
    """

    training_id: str
    model: str
    dataset: Digest
    artifact: Artifact
    code: Digest
    definition_digest: Digest
    views: dict[str, Digest]
    transformations: dict[str, Digest] = Field(default_factory=dict)
    candidates: tuple[Candidate, ...]
    chosen: int
    train_span: Window
    holdout_span: Window
    evaluation: Evaluation
    champion_version: int | None
    champion_evaluation: Evaluation | None
    champion_skipped: str | None = None
    evidence: Evidence | None = None
    seed: int
    environment: Environment
    duration_seconds: float


class TrainingFailed(Fact, owner="trainer"):
    """A training ended without a model."""

    training_id: str
    model: str
    reason: str
