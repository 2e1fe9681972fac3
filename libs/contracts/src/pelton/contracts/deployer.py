"""Facts of the deployer: which version answers which requests, and the tests that decided it."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from pelton.contracts.definitions import RolloutDefinition
from pelton.contracts.fact import Fact, Value
from pelton.contracts.values import ModelVersion, Name, OffsetRange, Probability

Phase = Literal["initial", "shadow", "canary", "bake"]
Verdict = Literal["no_worse", "worse", "inconclusive"]


class StepSettings(Value):
    """Which rows a step's test counts, and how it judges them: fixed before the step's first row.

    A `paired` test takes every row that both versions scored; a `split` test takes the row's answer alone, given by
    the challenger with probability `weight`, and `centre` is what it subtracts from each loss before weighting it.
    """

    model: str
    revision: int
    phase: Phase
    step: int
    kind: Literal["paired", "split"]
    champion: int
    challenger: int
    weight: Probability
    centre: Probability
    margin: float
    alpha: Probability
    max_error_rate: Probability
    began: str


class Evidence(Value):
    """The state of a sequential test when it decided.

    `log_e_no_worse` and `log_e_worse` are the natural logarithms of the e-values against the two null hypotheses,
    `log_e_errors` against "the challenger fails no more often than it may"; a verdict needs one of them to reach
    -log(alpha). Losses are mean Brier scores. `since` and `until` bound the event time of what was counted.
    """

    settings: StepSettings
    rows: int
    champion_loss: float | None
    challenger_loss: float | None
    log_e_no_worse: float
    log_e_worse: float
    verdict: Verdict
    answers: int
    errors: int
    log_e_errors: float
    breached: bool
    since: AwareDatetime | None
    until: AwareDatetime | None
    offsets: tuple[OffsetRange, ...]


class RolloutStarted(Fact, owner="deployer"):
    """A staged version meets the champion; the first version of a model has none to meet."""

    rollout_id: str
    model: str
    champion: ModelVersion | None
    challenger: ModelVersion
    plan: RolloutDefinition


class RolloutAdvanced(Fact, owner="deployer"):
    """A step was passed; the next one begins, with this share of the requests."""

    rollout_id: str
    model: str
    step: int
    weight: Probability
    evidence: Evidence


class RolloutSucceeded(Fact, owner="deployer"):
    """The challenger passed every step. The registry decides whether it is promoted."""

    rollout_id: str
    model: str
    version: int
    evidence: Evidence | None


class RolloutAborted(Fact, owner="deployer"):
    """The challenger goes no further; the champion stays."""

    rollout_id: str
    model: str
    version: int
    reason: Literal["worse", "errors", "patience", "superseded", "denied", "person"]
    evidence: Evidence | None


class GuardrailBreached(Fact, owner="deployer"):
    """A version did harm. In `bake` it is the new champion, and the registry rolls it back."""

    rollout_id: str
    model: str
    version: int
    phase: Phase
    guardrail: Literal["errors", "worse"]
    evidence: Evidence


class VariantArm(Value):
    """One of several versions that answer beside each other, and its share of the keys."""

    name: Name
    weight: Annotated[float, Field(gt=0, le=1)]
    version: ModelVersion


class Variants(Value):
    """Versions that share the keys: a row is answered by the arm into whose part the hash of its key falls.

    The parts lie side by side in the order of the arms. `key` is the field of the request whose value counts; where a
    request does not have it, the row's own key does.
    """

    key: str
    salt: str
    arms: Annotated[tuple[VariantArm, ...], Field(min_length=1)]

    def has(self, version: int) -> bool:
        """Whether a version answers in some arm."""
        return any(arm.version.version == version for arm in self.arms)


class TrafficShifted(Fact, owner="deployer"):
    """The whole route of a model: enough for a replica of inference that knows nothing else.

    `challenger` in `shadow` or `bake` scores every row and answers none; in `canary` it answers those rows whose
    key hashes below `weight` under `salt`. Where there are `variants`, they answer, there is no challenger, and the
    champion stands in for an arm that fails. `revision` grows by one with each change of a model's route.
    """

    model: str
    revision: int
    mode: Literal["champion", "shadow", "canary", "bake"]
    champion: ModelVersion
    challenger: ModelVersion | None
    weight: Probability
    salt: str
    variants: Variants | None = None


class ModelDeployed(Fact, owner="deployer"):
    """The champion that the registry named answers the requests."""

    model: str
    version: int
    revision: int
