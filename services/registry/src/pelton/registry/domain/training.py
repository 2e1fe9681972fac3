"""What is decided about a finished training: a run, a version, and whether the version is staged."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pelton.contracts.canonical import canonical_json
from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.registry import (
    EvidenceRecorded,
    Gate,
    ModelVersionCreated,
    ModelVersionValidated,
    RunFinished,
)
from pelton.contracts.trainer import TrainingCompleted
from pelton.contracts.values import ModelVersion
from pelton.registry.domain.approvals import ask, needed_for
from pelton.registry.domain.gates import judge, scores_of
from pelton.registry.domain.model import Model, Version
from pelton.registry.domain.policies import judge_policy
from pelton.registry.domain.stages import Ground, move, reject

TRAINER: Final = "service:trainer"


class UnknownDefinitionError(LookupError):
    """A training by a definition that this model never had."""


def conclude(model: Model, training: TrainingCompleted, now: datetime) -> Sequence[Fact]:
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
    version = Version(model.name, details.version, details, details.artifact, evidence=training.evidence)
    champion = None if model.champion is None else model.version(model.champion).details
    served_inputs = None if champion is None else champion.request
    gates = (
        *judge(definition.gates, training, model.champion, details.request, served_inputs),
        *judge_policy(model, version, "staging"),
    )
    facts: list[Fact] = [
        RunFinished(
            model=model.name,
            run_id=training.training_id,
            training_id=training.training_id,
            parameters=_scalars(training.candidates[training.chosen].parameters),
            metrics=dict(scores_of(training.evaluation)),
            environment=training.environment,
            seed=training.seed,
        ),
        ModelVersionCreated(
            model=model.name,
            version=details,
            run_id=training.training_id,
            code=training.code,
            definition_digest=training.definition_digest,
        ),
    ]
    if training.evidence is not None:
        number = details.version
        facts.append(EvidenceRecorded(model=model.name, version=number, evidence=training.evidence, by=TRAINER))
    return [*facts, *_through_gates(model, version, gates, now)]


def _through_gates(model: Model, version: Version, gates: tuple[Gate, ...], now: datetime) -> Sequence[Fact]:
    if any(not gate.passed for gate in gates):
        return reject(version, gates)
    validated = ModelVersionValidated(model=version.model, version=version.number, gates=gates)
    approvers = needed_for(model, "staging")
    if approvers is not None:
        return [validated, ask(version, "staging", approvers, TRAINER, "", now)]
    reason = f"passed {len(gates)} gates" if gates else "the definition has no gates"
    return [validated, move(version, "staging", Ground.GATES, reason)]


def _details(model: Model, definition: ModelDefinition, training: TrainingCompleted) -> ModelVersion:
    return ModelVersion(
        model=model.name,
        version=model.last + 1,
        training_id=training.training_id,
        artifact=training.artifact,
        request=definition.inputs.request,
        features=definition.inputs.features,
        views=training.views,
        transformations=training.transformations,
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
