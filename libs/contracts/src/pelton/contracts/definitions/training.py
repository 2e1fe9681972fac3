"""When a model is trained, on what and with which code, and how the result is looked at."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from pelton.contracts.canonical import digest
from pelton.contracts.definitions.base import RESERVED, Definition, Duration, FieldName, JsonObject, repeated


class PipelineDefinition(Definition):
    """The code that makes an estimator: `entry` is `module:function`, called with the parameters of a candidate."""

    entry: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*:[a-z_][a-z0-9_]*$")]
    candidates: Annotated[tuple[JsonObject, ...], Field(min_length=1)] = ({},)
    folds: Annotated[int, Field(ge=2, le=10)] = 3
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @model_validator(mode="after")
    def _candidates_differ(self) -> "PipelineDefinition":
        if repeated(map(digest, self.candidates)):
            raise ValueError("two candidates have the same parameters")
        return self


Known = Literal["event_time", "arrival"]


class TrainingDefinition(Definition):
    """What a training sees: the last `history` of labelled events, the newest `holdout` of them kept for evaluation.

    Features of a row are of all events before it that are known now (`event_time`), or of those alone that had arrived
    by then and that serving took in (`arrival`): what it would have answered.
    """

    history: Duration
    holdout: Duration
    min_rows: Annotated[int, Field(ge=10)] = 1000
    known: Known = Field(default="event_time", exclude_if=lambda known: known == "event_time")


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
            twice = repeated(names)
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
