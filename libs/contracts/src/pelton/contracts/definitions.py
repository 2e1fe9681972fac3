"""What a user declares: sources, feature views and models. Facts carry them whole, so that history explains itself."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from pelton.contracts.canonical import digest
from pelton.contracts.fact import Value
from pelton.contracts.values import Digest, Name, Probability

Duration = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(s|m|h|d)$")]
FeatureRef = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+:[a-z0-9_]+$")]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> int:
    """How long a duration such as `90m` or `7d` is, in seconds."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


class SourceDefinition(Value):
    """Events of one kind from one upstream system.

    `json_schema` (draft 2020-12) describes the payload; `event_time` and `key` name fields of it:
    an RFC 3339 time and the value that identifies the thing the event is about.
    """

    name: Name
    description: str = ""
    json_schema: dict[str, Any]
    event_time: str
    key: str
    lateness: Duration = "1h"
    max_age: Duration | None = None
    owner: str = ""

    @property
    def digest(self) -> Digest:
        """The version of this definition."""
        return digest(self)


class Aggregate(Value):
    """One aggregate over several windows; each window makes a feature named `<name>_<window>`.

    `value` is an expression over the fields of the event, such as `arr_delay` or `arr_delay > 15`;
    `where` keeps the events for which it is true. `count` needs no value.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    function: Literal["count", "sum", "mean", "min", "max"]
    value: str | None = None
    where: str | None = None
    windows: tuple[Duration, ...]

    @model_validator(mode="after")
    def _value_where_needed(self) -> "Aggregate":
        if self.function != "count" and self.value is None:
            raise ValueError(f"aggregate {self.name!r}: {self.function} needs a `value` expression")
        return self


class FeatureViewDefinition(Value):
    """Windowed aggregates of one source by one entity.

    A value at time t covers whole tiles only: events with `floor(t) - window <= event time < floor(t)`,
    where floor rounds down to the tile, so that online and offline see the same events.
    """

    name: Name
    description: str = ""
    source: Name
    entity: str
    tile: Duration = "1h"
    aggregates: tuple[Aggregate, ...]
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
        if len(set(self.feature_names)) != len(self.feature_names):
            raise ValueError("two features of the view have the same name")
        return self


class LabelDefinition(Value):
    """Where the truth comes from: an event of `source` whose `key` equals the prediction's key.

    `value` is a yes-or-no expression over the event; a prediction with no label `delay` after its own
    time counts as never labelled.
    """

    source: Name
    value: str
    delay: Duration


class InputDefinition(Value):
    """The model's inputs in order: fields of the request, then features by `view:feature`."""

    request: tuple[str, ...] = ()
    features: tuple[FeatureRef, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the model's matrix, in order."""
        return (*self.request, *(ref.replace(":", "__") for ref in self.features))


class PipelineDefinition(Value):
    """The code that makes an estimator: `entry` is `module:function`, called with the parameters of a candidate."""

    entry: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*:[a-z_][a-z0-9_]*$")]
    candidates: tuple[dict[str, Any], ...] = ({},)
    folds: Annotated[int, Field(ge=2, le=10)] = 3
    seed: int = 0


class TrainingDefinition(Value):
    """What a training sees: the last `history` of labelled events, the newest `holdout` of them kept for evaluation."""

    history: Duration
    holdout: Duration
    min_rows: Annotated[int, Field(ge=10)] = 1000


class TriggerDefinition(Value):
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


class GateDefinition(Value):
    """What a version must pass before it may be staged.

    `floors` are the lowest allowed values of a metric (`auc`, `accuracy`), `ceilings` the highest (`brier`).
    `champion_margin` is how much higher than the champion's its Brier score may be, on the same held-out rows.
    """

    floors: dict[str, float] = Field(default_factory=dict)
    ceilings: dict[str, float] = Field(default_factory=dict)
    champion_margin: float | None = None


class ApprovalDefinition(Value):
    """Who lets a version into production: the policy itself, or a person with the role."""

    mode: Literal["automatic", "person"] = "automatic"
    role: Literal["approver", "admin"] = "approver"


class RolloutDefinition(Value):
    """Shadow first, then the canary steps, each a sequential test at level `alpha`.

    `margin` is the largest loss of Brier score that counts as no worse, in shadow (paired, every row);
    `canary_margin` the same between the served arms. `patience` bounds a step in event time: a step with no
    verdict by then is aborted, and the champion stays. `bake` is how long the former champion goes on in shadow
    after a promotion; a verdict of worse in that time rolls back.
    """

    steps: tuple[Probability, ...] = (0.1, 0.5)
    alpha: Probability = 0.05
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.005
    canary_margin: Annotated[float, Field(gt=0, lt=1)] = 0.03
    max_error_rate: Probability = 0.01
    patience: Duration = "30d"
    bake: Duration = "3d"


class DriftDefinition(Value):
    """When a window differs from the reference.

    At least `share` of the features drifted, each significant at `q` (Benjamini-Hochberg) and with an effect
    of at least `floor` (population stability index), in `consecutive` windows.
    """

    q: Probability = 0.01
    floor: Annotated[float, Field(gt=0)] = 0.2
    share: Probability = 0.25
    consecutive: Annotated[int, Field(ge=1)] = 1


class DegradationDefinition(Value):
    """When labelled predictions are worse than the reference: Brier score higher by `floor`, significant at `alpha`."""

    floor: Annotated[float, Field(gt=0)] = 0.01
    alpha: Probability = 0.001
    consecutive: Annotated[int, Field(ge=1)] = 2


class MonitorDefinition(Value):
    """Event-time windows over the predictions of the champion."""

    window: Duration = "1d"
    min_rows: Annotated[int, Field(ge=1)] = 100
    drift: DriftDefinition = DriftDefinition()
    degradation: DegradationDefinition = DegradationDefinition()


class ModelDefinition(Value):
    """A model and its whole loop: the content of `pelton.yaml`.

    `source` is the event at which a prediction is asked; the entity of a feature view is
    the field of that event of the same name.
    """

    name: Name
    description: str = ""
    source: Name
    label: LabelDefinition
    inputs: InputDefinition
    threshold: Probability = 0.5
    pipeline: PipelineDefinition
    training: TrainingDefinition
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
