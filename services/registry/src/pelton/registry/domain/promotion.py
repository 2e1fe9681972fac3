"""What is decided about a staged version and about the champion: approvals, promotions and rollbacks."""

from collections.abc import Sequence
from typing import Final, Literal

from pelton.contracts.definitions import ApprovalDefinition
from pelton.contracts.deployer import GuardrailBreached, RolloutAborted
from pelton.contracts.fact import Fact
from pelton.contracts.registry import (
    ApprovalDenied,
    ApprovalGranted,
    ApprovalRequested,
    ModelPromoted,
    ModelRolledBack,
    ModelStageChanged,
)
from pelton.contracts.values import Digest, Stage
from pelton.registry.domain.model import Model, Version
from pelton.registry.domain.refusals import (
    ArtifactMismatch,
    IllegalMove,
    NothingToDecide,
    NothingToRollBackTo,
    OwnRequest,
)
from pelton.registry.domain.stages import MOVES, Ground, move

POLICY: Final = "policy"


def succeed(model: Model, number: int, requested_by: str) -> Sequence[Fact]:
    """A rollout went well: the policy in force promotes the version, or asks a person unless somebody has.

    A version that is no longer in staging stays as it is.
    """
    version = model.versions.get(number)
    if version is None or version.stage != "staging" or model.definition is None:
        return []
    if model.definition.approval.mode == "automatic":
        reason = "passed its rollout, and the definition approves automatically"
        return _promote(model, version, version.artifact, by=POLICY, mode="automatic", reason=reason)
    return [] if version.pending else [_ask(version, model.definition.approval, requested_by)]


def abort(model: Model, fact: RolloutAborted) -> Sequence[Fact]:
    """A rollout went no further: its version is archived, if it is still in staging."""
    version = model.versions.get(fact.version)
    if version is None or version.stage != "staging":
        return []
    return [_move(version, "archived", Ground.WITHDRAWAL, f"its rollout was aborted: {fact.reason}")]


def breach(model: Model, fact: GuardrailBreached) -> Sequence[Fact]:
    """A new champion did harm in its bake: the former one is taken back.

    Nothing in a trial, whose end the deployer reports by itself, nor where the version is not the champion any more.
    """
    if fact.phase != "bake" or model.champion != fact.version or not model.former:
        return []
    return roll_back(model, f"guardrail breached in bake: {fact.guardrail}")


def approve(model: Model, number: int, artifact: Digest, by: str, reason: str) -> Sequence[Fact]:
    """A person lets a version into production.

    Raises:
        UnknownVersion: the model does not have it.
        NothingToDecide: nobody asked, or somebody has decided.
        ArtifactMismatch: the person looked at another artifact.
        OwnRequest: who asked is who answers.
    """
    version = model.version(number)
    request = _pending(version)
    if by == request.requested_by:
        raise OwnRequest(f"{by} requested the promotion of {version}; somebody else with the role must approve it")
    return _promote(model, version, artifact, by=by, mode="person", reason=reason)


def deny(model: Model, number: int, artifact: Digest, by: str, reason: str) -> Sequence[Fact]:
    """A person keeps a version out of production; who asked may take the request back so.

    Raises:
        UnknownVersion: the model does not have it.
        NothingToDecide: nobody asked, or somebody has decided.
        ArtifactMismatch: the person looked at another artifact.
    """
    version = model.version(number)
    _pending(version)
    _check_artifact(version, artifact)
    return [
        ApprovalDenied(model=model.name, version=number, artifact=artifact, by=by, reason=reason),
        _move(version, "archived", Ground.WITHDRAWAL, f"denied by {by}: {reason}"),
    ]


def roll_back(model: Model, reason: str) -> Sequence[Fact]:
    """Take the champion before the present one back.

    Raises:
        NothingToRollBackTo: there was none.
    """
    if model.champion is None:
        raise NothingToRollBackTo(f"{model.name} has no champion to roll back; promote a version first")
    if not model.former:
        raise NothingToRollBackTo(
            f"{model.name} v{model.champion} is the first champion still standing; promote another version instead"
        )
    present, former = model.version(model.champion), model.version(model.former[-1])
    return [
        _move(present, "archived", Ground.SUCCESSION, f"rolled back to v{former.number}: {reason}"),
        _move(former, "production", Ground.ROLLBACK, f"took over from v{present.number}: {reason}"),
        ModelRolledBack(
            model=model.name,
            from_version=present.number,
            version=former.number,
            reason=reason,
            details=former.details,
        ),
    ]


def move_by_hand(model: Model, number: int, to_stage: Stage, by: str, reason: str) -> Sequence[Fact]:
    """A person moves a version by the table of stages; towards production that is a request for an approval.

    A promotion by hand leaves the rollout out, and so a second person decides even where the policy is automatic.

    Raises:
        UnknownVersion: the model does not have it.
        IllegalMove: the table does not allow it, or not on a person's word alone.
    """
    version = model.version(number)
    match MOVES.get((version.stage, to_stage)):
        case Ground.APPROVAL if version.pending is not None:
            raise IllegalMove(f"{version} already waits for an approval that {version.pending.requested_by} requested")
        case Ground.APPROVAL if model.definition is not None:
            return [_ask(version, model.definition.approval, by)]
        case Ground.GATES if version.validated:
            return [_move(version, to_stage, Ground.GATES, reason)]
        case _:
            return [_move(version, to_stage, Ground.WITHDRAWAL, reason)]


def _promote(
    model: Model, version: Version, artifact: Digest, *, by: str, mode: Literal["automatic", "person"], reason: str
) -> Sequence[Fact]:
    _check_artifact(version, artifact)
    granted = ApprovalGranted(
        model=model.name,
        version=version.number,
        artifact=artifact,
        by=by,
        mode=mode,
        reason=reason,
    )
    facts: list[Fact] = [granted]
    # the champion leaves first: at no fact of the history are there two versions in production
    if model.champion is not None:
        present = model.version(model.champion)
        facts.append(_move(present, "archived", Ground.SUCCESSION, f"v{version.number} took over"))
    facts.append(_move(version, "production", Ground.APPROVAL, f"approved by {by}: {reason}"))
    facts.append(
        ModelPromoted(model=model.name, version=version.number, previous=model.champion, details=version.details)
    )
    return facts


def _ask(version: Version, approval: ApprovalDefinition, requested_by: str) -> ApprovalRequested:
    return ApprovalRequested(
        model=version.details.model,
        version=version.number,
        artifact=version.artifact,
        role=approval.role,
        requested_by=requested_by,
    )


def _move(version: Version, to_stage: Stage, ground: Ground, reason: str) -> ModelStageChanged:
    return move(version.details, version.stage, to_stage, ground, reason)


def _pending(version: Version) -> ApprovalRequested:
    if version.pending is None:
        decided = " and was approved before" if version.approved else ""
        raise NothingToDecide(f"{version} is in {version.stage}{decided}; nobody waits for a decision about it")
    return version.pending


def _check_artifact(version: Version, artifact: Digest) -> None:
    if artifact != version.artifact:
        raise ArtifactMismatch(
            f"the decision is about {artifact}, and {version} is {version.artifact}; look at the version again"
        )
