"""Moves that a person or a client asks for: by the table of stages, or free where a model has no policy."""

from collections.abc import Sequence
from datetime import datetime

from pelton.contracts.fact import Fact
from pelton.contracts.registry import ModelRetired, ModelVersionValidated
from pelton.contracts.values import Stage
from pelton.registry.domain.approvals import ask, needed_for
from pelton.registry.domain.model import Model, Version
from pelton.registry.domain.policies import NOTHING, Seen, check_policy
from pelton.registry.domain.refusals import IllegalMove
from pelton.registry.domain.stages import Ground, changed, enter, ground_of, move, promoted


def move_by_hand(
    model: Model,
    number: int,
    to_stage: Stage,
    by: str,
    reason: str,
    now: datetime,
    seen: Seen = NOTHING,
    *,
    archive_existing: bool = False,
) -> Sequence[Fact]:
    """A person moves a version; where persons must agree, that is a request.

    A model without declaration and policies has free moves; `archive_existing` then makes room in the stage. The
    stage where a version is already is no move.

    Raises:
        UnknownVersion: the model does not have it.
        IllegalMove: the table does not allow it, or not on a person's word alone.
        GatesFailed: it does not show what the stage's policy asks for.
        UnknownContent: persons must agree, and nobody could say to what.
    """
    version = model.version(number)
    if not model.governed:
        return _free(model, version, to_stage, reason, archive_existing=archive_existing)
    match ground_of(version, to_stage):
        case Ground.GATES | Ground.APPROVAL:
            return _onward(model, version, to_stage, by, reason, now, seen)
        case _:
            return [move(version, to_stage, Ground.WITHDRAWAL, reason)]


def _onward(
    model: Model, version: Version, to_stage: Stage, by: str, reason: str, now: datetime, seen: Seen
) -> Sequence[Fact]:
    if version.pending is not None:
        raise IllegalMove(f"{version} already waits for an approval that {version.pending.requested_by} requested")
    if model.definition is not None and to_stage == "staging" and not version.validated:
        raise IllegalMove(f"{version} is in {version.stage}; to go to {to_stage} it needs {Ground.GATES}")
    gates = check_policy(model, version, to_stage, seen)
    shown: list[Fact] = [ModelVersionValidated(model=model.name, version=version.number, gates=gates)] if gates else []
    approvers = needed_for(model, to_stage)
    if approvers is None and model.definition is not None and to_stage == "production":
        # it leaves the rollout out: a second person decides even where the definition approves automatically
        approvers = model.definition.approval
    if approvers is not None:
        return [*shown, ask(version, to_stage, approvers, by, reason, now)]
    return [*shown, *enter(model, version, to_stage, reason)]


def _free(model: Model, version: Version, to_stage: Stage, reason: str, *, archive_existing: bool) -> Sequence[Fact]:
    facts: list[Fact] = []
    if archive_existing:
        facts += [
            changed(other, "archived", f"v{version.number} took over")
            for other in model.standing(to_stage)
            if other.number != version.number
        ]
    if version.stage != to_stage:
        facts.append(changed(version, to_stage, reason))
    if to_stage == "production":
        # a version that stood there beside the champion has the stage for itself now
        return [*facts, promoted(model, version)] if facts and model.champion != version.number else facts
    if model.champion == version.number:
        beside = {other.number for other in model.standing("production")}
        successor = next((one for one in reversed(model.former) if one in beside), None)
        facts.append(ModelRetired(model=model.name, version=version.number, successor=successor))
    return facts
