"""Facts of the registry: what exists, what it is allowed to do, and who said so."""

from pelton.contracts.registry.access import (
    AccessAction,
    Condition,
    RestrictionLifted,
    RestrictionSet,
    RoleName,
    TeamChanged,
    TeamRemoved,
)
from pelton.contracts.registry.approvals import (
    ApprovalCommented,
    ApprovalDenied,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRequested,
    ApprovalWithdrawn,
)
from pelton.contracts.registry.artifacts import ArtifactAllowanceRevoked, ArtifactAllowed, ModelVersionSigned
from pelton.contracts.registry.cards import ModelCardPublished, ModelCardSectionWritten
from pelton.contracts.registry.catalogue import (
    LoggedRun,
    ModelAliasSet,
    ModelDescribed,
    ModelTagged,
    ModelVersionChanged,
    ModelVersionDeleted,
    ModelVersionLogged,
    RegisteredModelCreated,
    RegisteredModelDeleted,
    RegisteredModelRenamed,
)
from pelton.contracts.registry.deprecation import DeprecationWithdrawn, ModelDeprecated
from pelton.contracts.registry.policies import EvidenceRecorded, ModelPolicySet
from pelton.contracts.registry.registration import CodeOrigin, ModelRegistered, ModelVersionCreated, RunFinished
from pelton.contracts.registry.stages import (
    Gate,
    ModelPromoted,
    ModelRetired,
    ModelRolledBack,
    ModelStageChanged,
    ModelVersionRejected,
    ModelVersionValidated,
)
from pelton.contracts.registry.variants import Variant, VariantsConfigured, VariantsEnded
from pelton.contracts.registry.webhooks import WebhookRegistered, WebhookRemoved

__all__ = [
    "AccessAction",
    "ApprovalCommented",
    "ApprovalDenied",
    "ApprovalExpired",
    "ApprovalGranted",
    "ApprovalRequested",
    "ApprovalWithdrawn",
    "ArtifactAllowanceRevoked",
    "ArtifactAllowed",
    "CodeOrigin",
    "Condition",
    "DeprecationWithdrawn",
    "EvidenceRecorded",
    "Gate",
    "LoggedRun",
    "ModelAliasSet",
    "ModelCardPublished",
    "ModelCardSectionWritten",
    "ModelDeprecated",
    "ModelDescribed",
    "ModelPolicySet",
    "ModelPromoted",
    "ModelRegistered",
    "ModelRetired",
    "ModelRolledBack",
    "ModelStageChanged",
    "ModelTagged",
    "ModelVersionChanged",
    "ModelVersionCreated",
    "ModelVersionDeleted",
    "ModelVersionLogged",
    "ModelVersionRejected",
    "ModelVersionSigned",
    "ModelVersionValidated",
    "RegisteredModelCreated",
    "RegisteredModelDeleted",
    "RegisteredModelRenamed",
    "RestrictionLifted",
    "RestrictionSet",
    "RoleName",
    "RunFinished",
    "TeamChanged",
    "TeamRemoved",
    "Variant",
    "VariantsConfigured",
    "VariantsEnded",
    "WebhookRegistered",
    "WebhookRemoved",
]
