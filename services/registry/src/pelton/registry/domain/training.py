"""What is decided about a finished training: a run, a version, and whether the version is staged."""

from collections.abc import Mapping, Sequence
from typing import Any

from pelton.contracts.canonical import canonical_json
from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.registry import (
    Gate,
    ModelVersionCreated,
    ModelVersionRejected,
    ModelVersionValidated,
    RunFinished,
)
from pelton.contracts.trainer import TrainingCompleted
from pelton.contracts.values import ModelVersion
from pelton.registry.domain.gates import judge, scores_of
from pelton.registry.domain.model import Model, Version
from pelton.registry.domain.stages import Ground, move


class UnknownDefinitionError(LookupError):
    """A training by a definition that this model never had."""


def conclude(model: Model, training: TrainingCompleted) -> Sequence[Fact]:
    """A finished training becomes a run and a version; the gates send the version to staging or to the archive.

    The definition is the one that the training was requested with, whatever was registered since.

    Raises:
        UnknownDefinitionError: the model never had that definition.
    """
    if any(one.details and one.details.training_id == training.training_id for one in model.versions.values()):
        return []
    definition = model.definitions.get(training.definition_digest)
    if definition is None:
        raise UnknownDefinitionError(
            f"training {training.training_id} used the definition {training.definition_digest}, "
            f"which {model.name} never had"
        )
    details = _details(model, definition, training)
    gates = judge(definition.gates, training, model.champion)
    return [
        RunFinished(
            model=model.name,
            run_id=training.training_id,
            training_id=training.training_id,
            parameters=_scalars(training.candidates[training.chosen].parameters),
            metrics=dict(scores_of(training.evaluation)),
            environment=training.environment,
        ),
        ModelVersionCreated(
            model=model.name,
            version=details,
            run_id=training.training_id,
            code=training.code,
            definition_digest=training.definition_digest,
        ),
        *_through_gates(details, gates),
    ]


def _through_gates(details: ModelVersion, gates: tuple[Gate, ...]) -> Sequence[Fact]:
    model, number = details.model, details.version
    version = Version(model, number, details, details.artifact)
    failed = [gate for gate in gates if not gate.passed]
    if failed:
        reason = f"failed {len(failed)} of {len(gates)} gates: " + "; ".join(gate.reason for gate in failed)
        return [
            ModelVersionRejected(model=model, version=number, gates=gates),
            move(version, "archived", Ground.WITHDRAWAL, reason),
        ]
    reason = f"passed {len(gates)} gates" if gates else "the definition has no gates"
    return [
        ModelVersionValidated(model=model, version=number, gates=gates),
        move(version, "staging", Ground.GATES, reason),
    ]


def _details(model: Model, definition: ModelDefinition, training: TrainingCompleted) -> ModelVersion:
    return ModelVersion(
        model=model.name,
        version=model.last + 1,
        training_id=training.training_id,
        artifact=training.artifact,
        request=definition.inputs.request,
        features=definition.inputs.features,
        views=training.views,
        threshold=definition.threshold,
        dataset=training.dataset,
        evaluation=training.evaluation,
    )


def _scalars(parameters: Mapping[str, Any]) -> dict[str, str | int | float | bool | None]:
    """Parameters as a run's record has them: what is no scalar becomes its JSON text."""
    return {
        name: value if value is None or isinstance(value, str | int | float | bool) else canonical_json(value).decode()
        for name, value in parameters.items()
    }
