"""What a user declares: sources, feature views and models. Facts carry them whole, so that history explains itself."""

from pelton.contracts.definitions.base import LONGEST, Definition, FieldName, Fraction, seconds
from pelton.contracts.definitions.features import (
    Aggregate,
    EntityDefinition,
    FeatureServiceDefinition,
    FeatureViewDefinition,
    Latest,
    SourceDefinition,
    TransformationDefinition,
)
from pelton.contracts.definitions.model import InputDefinition, LabelDefinition, ModelDefinition
from pelton.contracts.definitions.operation import (
    DegradationDefinition,
    DriftDefinition,
    MonitorDefinition,
    RolloutDefinition,
)
from pelton.contracts.definitions.policies import (
    ApprovalDefinition,
    Approvers,
    ChampionTest,
    EvidenceGates,
    GateDefinition,
    LatencyLimit,
    StageGates,
    StagePolicy,
)
from pelton.contracts.definitions.training import (
    EvaluationDefinition,
    PipelineDefinition,
    TrainingDefinition,
    TriggerDefinition,
)

__all__ = [
    "LONGEST",
    "Aggregate",
    "ApprovalDefinition",
    "Approvers",
    "ChampionTest",
    "Definition",
    "DegradationDefinition",
    "DriftDefinition",
    "EntityDefinition",
    "EvaluationDefinition",
    "EvidenceGates",
    "FeatureServiceDefinition",
    "FeatureViewDefinition",
    "FieldName",
    "Fraction",
    "GateDefinition",
    "InputDefinition",
    "LabelDefinition",
    "LatencyLimit",
    "Latest",
    "ModelDefinition",
    "MonitorDefinition",
    "PipelineDefinition",
    "RolloutDefinition",
    "SourceDefinition",
    "StageGates",
    "StagePolicy",
    "TrainingDefinition",
    "TransformationDefinition",
    "TriggerDefinition",
    "seconds",
]
