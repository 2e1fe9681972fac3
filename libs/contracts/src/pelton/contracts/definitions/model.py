"""A model and its whole loop."""

from pydantic import Field, model_validator

from pelton.contracts.canonical import digest
from pelton.contracts.definitions.base import (
    RESERVED,
    Definition,
    Duration,
    ExpressionText,
    FeatureRef,
    FieldName,
    Fraction,
    repeated,
    seconds,
)
from pelton.contracts.definitions.operation import MonitorDefinition, RolloutDefinition
from pelton.contracts.definitions.policies import ApprovalDefinition, GateDefinition
from pelton.contracts.definitions.training import (
    EvaluationDefinition,
    PipelineDefinition,
    TrainingDefinition,
    TriggerDefinition,
)
from pelton.contracts.values import Digest, Name


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
        twice = repeated(self.names)
        if twice:
            raise ValueError(f"two inputs have the same name: {', '.join(twice)}")
        reserved = sorted(set(RESERVED) & set(self.request))
        if reserved:
            raise ValueError(
                f"{', '.join(reserved)} cannot be an input: every dataset has a column of that name; "
                "publish the field under another"
            )
        return self


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
