"""The stage machine of a version, in one table."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pelton.contracts.fact import Fact
from pelton.contracts.registry import Gate, ModelPromoted, ModelStageChanged, ModelVersionRejected
from pelton.contracts.values import Stage
from pelton.registry.domain.model import Model, Version
from pelton.registry.domain.refusals import IllegalMove


class Ground(StrEnum):
    """What a move rests on; its value completes the sentence "this move needs …"."""

    GATES = "every gate passed"
    APPROVAL = "an approval"
    WITHDRAWAL = "a decision to give the version up"
    SUCCESSION = "a successor in production: promote another version, or roll back"
    ROLLBACK = "a rollback of the champion to the version before it"


MOVES: Final[Mapping[tuple[Stage, Stage], Ground]] = MappingProxyType(
    {
        ("development", "staging"): Ground.GATES,
        ("development", "archived"): Ground.WITHDRAWAL,
        ("staging", "production"): Ground.APPROVAL,
        ("staging", "archived"): Ground.WITHDRAWAL,
        ("production", "archived"): Ground.SUCCESSION,
        ("archived", "production"): Ground.ROLLBACK,
    }
)
"""The moves of a governed model's versions. Those of a model without policies are free, and recorded all the same."""


def ground_of(version: Version, to_stage: Stage) -> Ground:
    """What a move of a governed model's version needs.

    Raises:
        IllegalMove: the table does not have this move.
    """
    needed = MOVES.get((version.stage, to_stage))
    if needed is None:
        onward = " or ".join(to for start, to in MOVES if start == version.stage)
        raise IllegalMove(
            f"{version} is in {version.stage} and cannot go to {to_stage}; from there it may go to {onward}"
        )
    return needed


def move(version: Version, to_stage: Stage, ground: Ground, reason: str) -> ModelStageChanged:
    """The one place where a version of a governed model changes its stage.

    Raises:
        IllegalMove: the table does not have this move, or it needs another ground.
    """
    needed = ground_of(version, to_stage)
    if needed is not ground:
        raise IllegalMove(f"{version} is in {version.stage}; to go to {to_stage} it needs {needed}")
    return changed(version, to_stage, reason)


def changed(version: Version, to_stage: Stage, reason: str) -> ModelStageChanged:
    """A move, whatever it rests on."""
    return ModelStageChanged(
        model=version.model,
        version=version.number,
        from_stage=version.stage,
        to_stage=to_stage,
        reason=reason,
        details=version.details,
    )


def enter(model: Model, version: Version, to_stage: Stage, reason: str) -> Sequence[Fact]:
    """A version of a governed model moves onward; into production it is the champion in place of whoever stood there.

    Raises:
        IllegalMove: the table does not have this move.
    """
    if to_stage != "production":
        return [move(version, to_stage, Ground.GATES, reason)]
    # the champion leaves first: at no fact of the history are there two versions in production
    return [
        *(
            move(one, "archived", Ground.SUCCESSION, f"v{version.number} took over")
            for one in model.standing("production")
        ),
        move(version, "production", Ground.APPROVAL, reason),
        promoted(model, version),
    ]


def promoted(model: Model, version: Version) -> ModelPromoted:
    """A version is the champion in place of the present one."""
    return ModelPromoted(model=model.name, version=version.number, previous=model.champion, details=version.details)


def reject(version: Version, gates: tuple[Gate, ...]) -> Sequence[Fact]:
    """A version that failed some of these gates goes no further."""
    failed = [gate for gate in gates if not gate.passed]
    reason = f"failed {len(failed)} of {len(gates)} gates: " + "; ".join(gate.reason for gate in failed)
    return [
        ModelVersionRejected(model=version.model, version=version.number, gates=gates),
        move(version, "archived", Ground.WITHDRAWAL, reason),
    ]
