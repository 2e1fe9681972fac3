"""Facts of a model in a few words each, for those who read its history."""

from pelton.contracts.fact import Fact
from pelton.contracts.registry import (
    ApprovalCommented,
    ApprovalDenied,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRequested,
    ApprovalWithdrawn,
    DeprecationWithdrawn,
    EvidenceRecorded,
    ModelAliasSet,
    ModelDeprecated,
    ModelDescribed,
    ModelPolicySet,
    ModelPromoted,
    ModelRegistered,
    ModelRetired,
    ModelRolledBack,
    ModelStageChanged,
    ModelTagged,
    ModelVersionChanged,
    ModelVersionCreated,
    ModelVersionDeleted,
    ModelVersionLogged,
    ModelVersionRejected,
    ModelVersionSigned,
    ModelVersionValidated,
    RegisteredModelCreated,
    RegisteredModelDeleted,
    RegisteredModelRenamed,
    RunFinished,
    VariantsConfigured,
    VariantsEnded,
)


def told(fact: Fact) -> str:
    """What happened; of a fact that is not of these the name says it."""
    return _of_catalogue(fact) or _of_stages(fact) or _of_approvals(fact) or _of_governance(fact) or type(fact).__name__


def _of_catalogue(fact: Fact) -> str | None:
    match fact:
        case ModelRegistered():
            return f"declared, definition {fact.definition_digest[7:19]}"
        case RegisteredModelCreated():
            return "created"
        case RegisteredModelRenamed():
            return f"renamed from {fact.model} to {fact.to}"
        case RegisteredModelDeleted() | ModelVersionDeleted():
            return "deleted"
        case ModelDescribed():
            return "described"
        case ModelTagged(value=None):
            return f"tag {fact.name} removed"
        case ModelTagged():
            return f"tag {fact.name} = {fact.value}"
        case ModelAliasSet(version=None):
            return f"alias {fact.alias} removed"
        case ModelAliasSet():
            return f"alias {fact.alias} names v{fact.version}"
        case _:
            return None


def _of_stages(fact: Fact) -> str | None:
    match fact:
        case RunFinished():
            return f"run {fact.run_id} finished"
        case ModelVersionCreated():
            return "trained"
        case ModelVersionLogged():
            return f"logged from {fact.source}"
        case ModelVersionSigned():
            return "signed"
        case ModelVersionChanged():
            return "its content changed: approvals and evidence are void"
        case ModelStageChanged():
            return f"{fact.from_stage} → {fact.to_stage}"
        case ModelPromoted():
            return "champion" if fact.previous is None else f"champion in place of v{fact.previous}"
        case ModelRolledBack():
            return f"champion again, after v{fact.from_version}"
        case ModelRetired():
            return "champion no more" if fact.successor is None else f"champion no more, v{fact.successor} is"
        case _:
            return None


def _of_approvals(fact: Fact) -> str | None:
    match fact:
        case ApprovalRequested():
            return f"{fact.to_stage} requested by {fact.requested_by}"
        case ApprovalGranted(remaining=0):
            return f"approved by {fact.by}"
        case ApprovalGranted():
            return f"approved by {fact.by}, {fact.remaining} still needed"
        case ApprovalDenied():
            return f"denied by {fact.by}"
        case ApprovalWithdrawn():
            return f"request withdrawn by {fact.by}"
        case ApprovalExpired():
            return "request expired"
        case ApprovalCommented():
            return f"{fact.by}: {fact.text}"
        case _:
            return None


def _of_governance(fact: Fact) -> str | None:
    match fact:
        case ModelVersionValidated():
            return f"passed {len(fact.gates)} gate{'' if len(fact.gates) == 1 else 's'}"
        case ModelVersionRejected():
            return f"failed {sum(not gate.passed for gate in fact.gates)} of {len(fact.gates)} gates"
        case ModelPolicySet(policy=None):
            return f"policy of {fact.stage} removed"
        case ModelPolicySet():
            return f"policy of {fact.stage} set"
        case EvidenceRecorded():
            return f"evidence recorded by {fact.by}"
        case VariantsConfigured():
            return "variants " + ", ".join(f"{one.name} v{one.version} {one.weight:g}" for one in fact.variants)
        case VariantsEnded():
            return "variants ended"
        case ModelDeprecated():
            return "deprecated" if fact.sunset is None else f"deprecated until {fact.sunset:%Y-%m-%d}"
        case DeprecationWithdrawn():
            return "deprecated no more"
        case _:
            return None
