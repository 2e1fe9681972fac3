"""The stage machine of a version, in one table."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pelton.contracts.registry import ModelStageChanged
from pelton.contracts.values import ModelVersion, Stage
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


def move(details: ModelVersion, from_stage: Stage, to_stage: Stage, ground: Ground, reason: str) -> ModelStageChanged:
    """The one place where a version changes its stage.

    Raises:
        IllegalMove: the table does not have this move, or it needs another ground.
    """
    subject = f"{details.model} v{details.version}"
    needed = MOVES.get((from_stage, to_stage))
    if needed is None:
        onward = " or ".join(to for start, to in MOVES if start == from_stage)
        raise IllegalMove(f"{subject} is in {from_stage} and cannot go to {to_stage}; from there it may go to {onward}")
    if needed is not ground:
        raise IllegalMove(f"{subject} is in {from_stage}; to go to {to_stage} it needs {needed}")
    return ModelStageChanged(
        model=details.model,
        version=details.version,
        from_stage=from_stage,
        to_stage=to_stage,
        reason=reason,
        details=details,
    )
