"""What a version must show, and who must agree, before it enters a stage."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from pelton.contracts.definitions.base import Definition, Duration, FieldName, Fraction


class ChampionTest(Definition):
    """No worse than the champion, shown by a one-sided test at level `alpha` on the losses of the same rows.

    Passed where the mean loss is significantly less than `margin` higher than the champion's; a margin of zero asks
    for a significantly better version.
    """

    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    margin: Annotated[float, Field(ge=0)] = 0.0


class LatencyLimit(Definition):
    """The longest that single rows may take on the machine that evaluates, in milliseconds."""

    p50_ms: Annotated[float, Field(gt=0)] | None = None
    p99_ms: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> "LatencyLimit":
        if self.p50_ms is None and self.p99_ms is None:
            raise ValueError("a latency limit needs `p50_ms`, `p99_ms` or both")
        return self


class EvidenceGates(Definition):
    """Gates on what was measured beside the metrics; each left out where nothing is asked for.

    `fairness` are the highest allowed measures by sensitive attribute, such as
    `{"carrier": {"demographic_parity_difference": 0.1}}`; of a measure named `…_ratio` it is the lowest.
    `compatible_inputs` lets no input in that callers of the champion do not send, `safe_formats` no file that could
    run code when it is loaded and that no administrator answers for; of versions that others log it is always asked.
    """

    champion_test: ChampionTest | None = Field(default=None, exclude_if=lambda asked: asked is None)
    fairness: dict[FieldName, dict[str, Annotated[float, Field(ge=0)]]] = Field(
        default_factory=dict, exclude_if=lambda asked: not asked
    )
    latency: LatencyLimit | None = Field(default=None, exclude_if=lambda asked: asked is None)
    compatible_inputs: bool = Field(default=False, exclude_if=lambda asked: not asked)
    safe_formats: bool = Field(default=False, exclude_if=lambda asked: not asked)


class GateDefinition(EvidenceGates):
    """What a version must pass before it may be staged.

    `floors` are the lowest allowed values of a metric (`auc`, `accuracy`), `ceilings` the highest (`brier`).
    `champion_margin` is how much higher than the champion's its Brier score may be, on the same held-out rows; below
    zero, how much lower it must be. `champion_test` asks for proof of it.
    """

    floors: dict[str, Fraction] = Field(default_factory=dict)
    ceilings: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    champion_margin: Annotated[float, Field(gt=-1, lt=1)] | None = None


class StageGates(EvidenceGates):
    """What a version of any model must show before it may enter a stage: metrics of its run, or of its evidence."""

    floors: dict[str, float] = Field(default_factory=dict)
    ceilings: dict[str, float] = Field(default_factory=dict)


class Approvers(Definition):
    """Who must agree: so many different persons with the role, of the team where one is named.

    A request that was not decided after `expires` is void.
    """

    count: Annotated[int, Field(ge=1, le=20)] = Field(default=1, exclude_if=lambda asked: asked == 1)
    role: Literal["approver", "admin"] = "approver"
    team: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, exclude_if=lambda asked: asked is None
    )
    expires: Duration | None = Field(default=None, exclude_if=lambda asked: asked is None)


class ApprovalDefinition(Approvers):
    """Who lets a version into production: the policy itself, or persons."""

    mode: Literal["automatic", "person"] = "automatic"


class StagePolicy(Definition):
    """What a version of a model needs to enter one stage; without `approvals`, the gates alone decide."""

    gates: StageGates = StageGates()
    approvals: Approvers | None = None
