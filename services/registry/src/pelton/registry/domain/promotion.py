"""What a rollout's end and a breach do to a version and to the champion, and how the champion before is taken back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pelton.contracts.deployer import GuardrailBreached, RolloutAborted
from pelton.contracts.fact import Fact
from pelton.contracts.registry import ApprovalGranted, ModelRolledBack
from pelton.registry.domain.approvals import ask, needed_for
from pelton.registry.domain.model import Model, Version
from pelton.registry.domain.policies import judge_policy
from pelton.registry.domain.refusals import NothingToRollBackTo
from pelton.registry.domain.stages import Ground, changed, enter, move, reject

POLICY: Final = "policy"


def succeed(model: Model, number: int, requested_by: str, now: datetime) -> Sequence[Fact]:
    """A rollout went well: the policy in force promotes the version, or asks persons unless somebody has.

    One that does not pass the gates of that policy is archived. A version that is no longer in staging stays as it is.
    """
    version = model.versions.get(number)
    if version is None or version.stage != "staging" or model.definition is None or version.details is None:
        return []
    gates = judge_policy(model, version, "production")
    if any(not gate.passed for gate in gates):
        return reject(version, gates)
    approvers = needed_for(model, "production")
    if approvers is None:
        artifact = version.details.artifact.digest
        reason = "passed its rollout, and the definition approves automatically"
        granted = ApprovalGranted(
            model=model.name, version=number, artifact=artifact, by=POLICY, mode="automatic", reason=reason
        )
        return [granted, *enter(model, version, "production", f"approved by {POLICY}: {reason}")]
    return [] if version.pending else [ask(version, "production", approvers, requested_by, "", now)]


def abort(model: Model, fact: RolloutAborted) -> Sequence[Fact]:
    """A rollout went no further: its version is archived, if it is still in staging."""
    version = model.versions.get(fact.version)
    if version is None or version.stage != "staging":
        return []
    return [move(version, "archived", Ground.WITHDRAWAL, f"its rollout was aborted: {fact.reason}")]


def breach(model: Model, fact: GuardrailBreached) -> Sequence[Fact]:
    """A new champion did harm in its bake: the former one is taken back.

    Nothing in a trial, whose end the deployer reports by itself, nor where the version is not the champion any more.
    """
    if fact.phase != "bake" or model.champion != fact.version or not model.former:
        return []
    return roll_back(model, f"guardrail breached in bake: {fact.guardrail}")


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
    facts: list[Fact] = [changed(present, "archived", f"rolled back to v{former.number}: {reason}")]
    if former.stage != "production":
        facts.append(_take_back(model, former, f"took over from v{present.number}: {reason}"))
    facts.append(
        ModelRolledBack(
            model=model.name,
            from_version=present.number,
            version=former.number,
            reason=reason,
            details=former.details,
        )
    )
    return facts


def _take_back(model: Model, former: Version, reason: str) -> Fact:
    if model.governed:
        return move(former, "production", Ground.ROLLBACK, reason)
    return changed(former, "production", reason)
