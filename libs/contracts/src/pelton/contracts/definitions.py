"""What a user declares: sources, feature views and models. Facts carry them whole, so that history explains itself."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from pelton.contracts.canonical import digest, json_object
from pelton.contracts.fact import Value
from pelton.contracts.values import Digest, Name, Probability

LONGEST: Final = "36500d"
# Columns that every dataset has besides the model's inputs.
RESERVED: Final = ("key", "event_time", "label")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> int:
    """How long a duration such as `90m` or `7d` is, in seconds."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def _not_too_long(duration: str) -> str:
    if seconds(duration) > seconds(LONGEST):
        raise ValueError(f"the duration {duration} is longer than {LONGEST}, a hundred years")
    return duration


def _twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


Duration = Annotated[
    str, StringConstraints(pattern=r"^[1-9][0-9]*(s|m|h|d)$", max_length=12), AfterValidator(_not_too_long)
]
FeatureRef = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}:[a-z][a-z0-9_]*$")]
FieldName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
ExpressionText = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
JsonObject = Annotated[dict[str, Any], AfterValidator(json_object)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
"""Strictly between 0 and 1: at the ends a test would never decide, or always."""


class Definition(Value):
    """A part of what a user declares. Unknown fields are refused: passed over, they would change what is meant."""

    model_config = ConfigDict(extra="forbid")


class SourceDefinition(Definition):
    """Events of one kind from one upstream system.

    `json_schema` (draft 2020-12) describes the payload; `event_time` and `key` name fields of it:
    an RFC 3339 time and the value that identifies the thing the event is about.
    """

    name: Name
    description: str = ""
    json_schema: JsonObject
    event_time: FieldName
    key: FieldName
    lateness: Duration = "1h"
    max_age: Duration | None = None
    owner: str = ""

    @property
    def digest(self) -> Digest:
        """The version of this definition."""
        return digest(self)


class Aggregate(Definition):
    """One aggregate over several windows; each window makes a feature named `<name>_<window>`.

    `value` is an expression over the fields of the event, such as `arr_delay` or `arr_delay > 15`;
    `where` keeps the events for which it is true. `count` needs no value.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    function: Literal["count", "sum", "mean", "min", "max"]
    value: ExpressionText | None = None
    where: ExpressionText | None = None
    windows: Annotated[tuple[Duration, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _value_where_needed(self) -> "Aggregate":
        if self.function != "count" and self.value is None:
            raise ValueError(f"aggregate {self.name!r}: {self.function} needs a `value` expression")
        return self


class FeatureViewDefinition(Definition):
    """Windowed aggregates of one source by one entity.

    A value at time t covers whole tiles only: events with `floor(t) - window <= event time < floor(t)`,
    where floor rounds down to the tile, so that online and offline see the same events.
    """

    name: Name
    description: str = ""
    source: Name
    entity: FieldName
    tile: Duration = "1h"
    aggregates: Annotated[tuple[Aggregate, ...], Field(min_length=1)]
    owner: str = ""

    @property
    def digest(self) -> Digest:
        """The version of this definition."""
        return digest(self)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature of the view, in order."""
        return tuple(f"{a.name}_{w}" for a in self.aggregates for w in a.windows)

    @model_validator(mode="after")
    def _windows_are_tiles(self) -> "FeatureViewDefinition":
        tile = seconds(self.tile)
        for aggregate in self.aggregates:
            for window in aggregate.windows:
                if seconds(window) % tile:
                    raise ValueError(f"window {window} of {aggregate.name!r} is not a multiple of the tile {self.tile}")
        twice = _twice(self.feature_names)
        if twice:
            raise ValueError(f"two features of the view have the same name: {', '.join(twice)}")
        return self


class LabelDefinition(Definition):
    """Where the truth comes from: an event of `source` whose `key` equals the prediction's key.

    `value` is a yes-or-no expression over the event; a prediction with no label `delay` after its own
    time counts as never labelled.
    """

    source: Name
    value: ExpressionText
    delay: Duration


class InputDefinition(Definition):
    """The model's inputs in order: fields of the request, then features by `view:feature`."""

    request: tuple[FieldName, ...] = ()
    features: tuple[FeatureRef, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the model's matrix, in order."""
        return (*self.request, *(ref.replace(":", "__") for ref in self.features))

    @model_validator(mode="after")
    def _names_are_columns(self) -> "InputDefinition":
        if not self.names:
            raise ValueError("a model needs an input: name one under `request` or `features`")
        twice = _twice(self.names)
        if twice:
            raise ValueError(f"two inputs have the same name: {', '.join(twice)}")
        reserved = sorted(set(RESERVED) & set(self.request))
        if reserved:
            raise ValueError(
                f"{', '.join(reserved)} cannot be an input: every dataset has a column of that name; "
                "publish the field under another"
            )
        return self


class PipelineDefinition(Definition):
    """The code that makes an estimator: `entry` is `module:function`, called with the parameters of a candidate."""

    entry: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*:[a-z_][a-z0-9_]*$")]
    candidates: Annotated[tuple[JsonObject, ...], Field(min_length=1)] = ({},)
    folds: Annotated[int, Field(ge=2, le=10)] = 3
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @model_validator(mode="after")
    def _candidates_differ(self) -> "PipelineDefinition":
        if _twice(map(digest, self.candidates)):
            raise ValueError("two candidates have the same parameters")
        return self


class TrainingDefinition(Definition):
    """What a training sees: the last `history` of labelled events, the newest `holdout` of them kept for evaluation."""

    history: Duration
    holdout: Duration
    min_rows: Annotated[int, Field(ge=10)] = 1000


class EvaluationDefinition(Definition):
    """By which attributes a challenger's held-out rows are looked at in groups, beside the whole of them.

    An attribute is an input of the model or another field of the events of its `source`: the dataset then carries it
    for the evaluation alone, and the model never sees it. Each attribute gives scores by group; each of `fairness`
    also the differences between its groups. A group of fewer than `min_group_rows` rows is counted and not scored.
    """

    segments: tuple[FieldName, ...] = ()
    fairness: tuple[FieldName, ...] = ()
    min_group_rows: Annotated[int, Field(ge=2)] = 100

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute once."""
        return tuple(dict.fromkeys((*self.segments, *self.fairness)))

    @model_validator(mode="after")
    def _attributes_are_columns(self) -> "EvaluationDefinition":
        for where, names in (("segments", self.segments), ("fairness", self.fairness)):
            twice = _twice(names)
            if twice:
                raise ValueError(f"{where} names {', '.join(twice)} twice")
            reserved = sorted(set(RESERVED) & set(names))
            if reserved:
                raise ValueError(
                    f"{where} cannot name {', '.join(reserved)}: that is a column of every dataset and no attribute"
                )
        return self


class TriggerDefinition(Definition):
    """When to train. `first_after` is the history that must have arrived before the first champion is trained.

    Between two trainings lies at least the `cooldown`; when predictions got worse, which is harm and not only a hint,
    the `degradation_cooldown` where one is set. At most `budget` trainings fall into any `budget_period`.
    """

    on_drift: bool = True
    on_degradation: bool = True
    first_after: Duration
    new_data: Duration | None = None
    schedule: Duration | None = None
    cooldown: Duration
    degradation_cooldown: Duration | None = None
    budget: Annotated[int, Field(ge=1)]
    budget_period: Duration


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


class RolloutDefinition(Definition):
    """Shadow first, then the canary steps, each a sequential test at level `alpha`. Without steps, shadow alone.

    `margin` is the largest loss of Brier score that counts as no worse, in shadow (paired, every row);
    `canary_margin` the same between the served arms. `patience` bounds a step in event time: a step with no
    verdict by then is aborted, and the champion stays. `bake` is how long the former champion goes on in shadow
    after a promotion; a verdict of worse in that time rolls back.
    """

    steps: tuple[Fraction, ...] = (0.1, 0.5)
    alpha: Fraction = 0.05
    margin: Fraction = 0.005
    canary_margin: Fraction = 0.03
    max_error_rate: Fraction = 0.01
    patience: Duration = "30d"
    bake: Duration = "3d"

    @model_validator(mode="after")
    def _steps_rise(self) -> "RolloutDefinition":
        for before, after in pairwise(self.steps):
            if after <= before:
                raise ValueError(f"step {after} after {before}: each step gives the challenger more than the last")
        return self


class DriftDefinition(Definition):
    """When a window differs from the reference.

    At least `share` of the features drifted, each significant at `q` (Benjamini-Hochberg) and with an effect
    of at least `floor` (population stability index), in `consecutive` windows. A share of 0 is reached by one feature.
    """

    q: Fraction = 0.01
    floor: Annotated[float, Field(gt=0)] = 0.2
    share: Probability = 0.25
    consecutive: Annotated[int, Field(ge=1)] = 1


class DegradationDefinition(Definition):
    """When labelled predictions are worse than the reference: Brier score higher by `floor`, significant at `alpha`."""

    floor: Fraction = 0.01
    alpha: Fraction = 0.001
    consecutive: Annotated[int, Field(ge=1)] = 2


class MonitorDefinition(Definition):
    """Event-time windows over the predictions of the champion."""

    window: Duration = "1d"
    min_rows: Annotated[int, Field(ge=1)] = 100
    drift: DriftDefinition = DriftDefinition()
    degradation: DegradationDefinition = DegradationDefinition()


class ModelDefinition(Definition):
    """A model and its whole loop: the content of `pelton.yaml`.

    `source` is the event at which a prediction is asked; the entity of a feature view is
    the field of that event of the same name.
    """

    name: Name
    description: str = ""
    source: Name
    label: LabelDefinition
    inputs: InputDefinition
    threshold: Fraction = 0.5
    pipeline: PipelineDefinition
    training: TrainingDefinition
    # Left out where nothing is asked for: the digests of definitions made before it existed stay what they are.
    evaluation: EvaluationDefinition = Field(
        default=EvaluationDefinition(), exclude_if=lambda asked: asked == EvaluationDefinition()
    )
    triggers: TriggerDefinition
    gates: GateDefinition = GateDefinition()
    approval: ApprovalDefinition = ApprovalDefinition()
    rollout: RolloutDefinition = RolloutDefinition()
    monitor: MonitorDefinition = MonitorDefinition()
    owner: str = ""

    @property
    def digest(self) -> Digest:
        """The version of this definition."""
        return digest(self)

    @property
    def attributes(self) -> tuple[str, ...]:
        """What a dataset has besides the inputs and the label: attributes of the evaluation that are no inputs."""
        return tuple(name for name in self.evaluation.attributes if name not in self.inputs.names)

    @model_validator(mode="after")
    def _rows_are_left_to_train_on(self) -> "ModelDefinition":
        kept = seconds(self.training.holdout) + seconds(self.label.delay)
        if seconds(self.training.history) <= kept:
            raise ValueError(
                f"training.history of {self.training.history} leaves no row to train on: it must be longer than "
                f"training.holdout ({self.training.holdout}) and label.delay ({self.label.delay}) together"
            )
        if seconds(self.triggers.first_after) <= seconds(self.training.holdout):
            raise ValueError(
                f"triggers.first_after of {self.triggers.first_after} leaves the first training no row: it must be "
                f"longer than training.holdout ({self.training.holdout})"
            )
        return self
