"""Who must agree before a version moves on, and what becomes of a request for it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pelton.contracts.definitions import Approvers, seconds
from pelton.contracts.fact import Fact
from pelton.contracts.registry import (
    ApprovalCommented,
    ApprovalDenied,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRequested,
    ApprovalWithdrawn,
)
from pelton.contracts.values import Digest, Stage
from pelton.registry.domain.model import Model, Version
from pelton.registry.domain.policies import NOTHING, Seen, check_policy
from pelton.registry.domain.refusals import (
    AgreedAlready,
    ArtifactMismatch,
    NothingToDecide,
    NotYourRequest,
    OwnRequest,
    RequestExpired,
    UnknownContent,
)
from pelton.registry.domain.stages import Ground, enter, move


def needed_for(model: Model, stage: Stage) -> Approvers | None:
    """The persons who must agree before a version enters a stage by the rules in force; None where nobody must.

    A policy stands in place of what the definition says.
    """
    policy = model.policies.get(stage)
    if policy is not None:
        return policy.approvals
    if stage == "production" and model.definition is not None and model.definition.approval.mode == "person":
        return model.definition.approval
    return None


def ask(
    version: Version, to_stage: Stage, approvers: Approvers, requested_by: str, reason: str, now: datetime
) -> ApprovalRequested:
    """A request to let a version into a stage; it binds what the version is now.

    Raises:
        UnknownContent: nobody could say what was approved.
    """
    if version.artifact is None:
        raise UnknownContent(
            f"{version} lies at {version.location!r}, which Pelton does not keep, and an approval binds its content; "
            "log the model to Pelton's own artifacts and register that"
        )
    return ApprovalRequested(
        model=version.model,
        version=version.number,
        artifact=version.artifact,
        role=approvers.role,
        requested_by=requested_by,
        to_stage=to_stage,
        reason=reason,
        count=approvers.count,
        team=approvers.team,
        expires_at=now + timedelta(seconds=seconds(approvers.expires)) if approvers.expires else None,
    )


def approve(
    model: Model, number: int, artifact: Digest, by: str, reason: str, now: datetime, seen: Seen = NOTHING
) -> Sequence[Fact]:
    """A person agrees; the last of those needed lets the version into its stage.

    Raises:
        UnknownVersion: the model does not have it.
        NothingToDecide: nobody asked, or it was decided.
        RequestExpired: too late.
        ArtifactMismatch: the person looked at another artifact.
        OwnRequest: who asked is who answers.
        AgreedAlready: one person counts once.
        GatesFailed: since it was requested the champion became another, and it does not stand up to that one.
    """
    version = model.version(number)
    request = pending(version)
    _check_time(version, request, now)
    _check_artifact(version, artifact)
    if by == request.requested_by:
        raise OwnRequest(f"{by} requested the promotion of {version}; somebody else with the role must approve it")
    remaining = request.count - len(version.agreed) - 1
    if by in version.agreed:
        raise AgreedAlready(f"{by} agreed to {version} already; {remaining + 1} other persons are still needed")
    granted = ApprovalGranted(
        model=model.name,
        version=number,
        artifact=artifact,
        by=by,
        mode="person",
        reason=reason,
        remaining=remaining,
    )
    if remaining:
        return [granted]
    check_policy(model, version, request.to_stage, seen)
    return [granted, *enter(model, version, request.to_stage, f"approved by {by}: {reason}")]


def deny(model: Model, number: int, artifact: Digest, by: str, reason: str, now: datetime) -> Sequence[Fact]:
    """A person keeps a version out of a stage; one that waited in staging to go on is archived.

    Raises:
        UnknownVersion: the model does not have it.
        NothingToDecide: nobody asked, or it was decided.
        RequestExpired: too late.
        ArtifactMismatch: the person looked at another artifact.
    """
    version = model.version(number)
    request = pending(version)
    _check_time(version, request, now)
    _check_artifact(version, artifact)
    denied = ApprovalDenied(model=model.name, version=number, artifact=artifact, by=by, reason=reason)
    if version.stage != "staging":
        return [denied]
    return [denied, move(version, "archived", Ground.WITHDRAWAL, f"denied by {by}: {reason}")]


def withdraw(model: Model, number: int, by: str, reason: str) -> Sequence[Fact]:
    """Who requested takes the request back.

    Raises:
        UnknownVersion: the model does not have it.
        NothingToDecide: nobody asked, or it was decided.
        NotYourRequest: somebody else asked.
    """
    version = model.version(number)
    request = pending(version)
    if by != request.requested_by:
        raise NotYourRequest(f"{request.requested_by} requested it, and only they can take it back; deny it instead")
    return [ApprovalWithdrawn(model=model.name, version=number, by=by, reason=reason)]


def comment(model: Model, number: int, by: str, text: str) -> Sequence[Fact]:
    """Somebody says something about a request that waits.

    Raises:
        UnknownVersion: the model does not have it.
        NothingToDecide: nobody asked, or it was decided.
    """
    pending(model.version(number))
    return [ApprovalCommented(model=model.name, version=number, by=by, text=text)]


def expire(model: Model, now: datetime) -> Sequence[Fact]:
    """Every request of the model that nobody decided in time is void."""
    return [
        ApprovalExpired(model=model.name, version=number, expired_at=version.pending.expires_at)
        for number, version in sorted(model.versions.items())
        if version.pending is not None and version.pending.expires_at is not None and _is_late(version.pending, now)
    ]


def pending(version: Version) -> ApprovalRequested:
    """The request that waits.

    Raises:
        NothingToDecide: none does.
    """
    if version.pending is None:
        decided = " and was approved before" if version.approved else ""
        raise NothingToDecide(f"{version} is in {version.stage}{decided}; nobody waits for a decision about it")
    return version.pending


def _check_time(version: Version, request: ApprovalRequested, now: datetime) -> None:
    if _is_late(request, now):
        raise RequestExpired(
            f"the request for {version} was void from {request.expires_at:%Y-%m-%d %H:%M} UTC on; request it again"
        )


def _is_late(request: ApprovalRequested, now: datetime) -> bool:
    return request.expires_at is not None and now >= request.expires_at


def _check_artifact(version: Version, artifact: Digest) -> None:
    if artifact != version.artifact:
        raise ArtifactMismatch(
            f"the decision is about {artifact}, and {version} is {version.artifact}; look at the version again"
        )
