"""What is decided about artifacts that could run code in whoever loads them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from pelton.contracts.fact import Fact
from pelton.contracts.registry import ArtifactAllowanceRevoked, ArtifactAllowed
from pelton.contracts.values import Digest
from pelton.registry.domain.refusals import Refusal


class NotAllowed(Refusal):
    """Nobody answers for the artifact, and so nobody can take that back."""

    slug = "not-allowed"
    title = "Nobody allowed this artifact"


@dataclass(frozen=True, slots=True)
class Allowance:
    """One artifact, or one file of some, by its digest; `by` is the administrator who answers for it, if one does."""

    digest: Digest
    by: str | None = None

    category: ClassVar[str] = "artifacts"

    @classmethod
    def initial(cls, key: str) -> Self:
        """An artifact that nobody answers for."""
        return cls(key)

    @property
    def key(self) -> str:
        """The artifact's digest."""
        return self.digest

    def evolve(self, fact: Fact) -> Self:
        """The allowance after one more of its facts."""
        match fact:
            case ArtifactAllowed():
                return replace(self, by=fact.by)
            case ArtifactAllowanceRevoked():
                return replace(self, by=None)
            case _:
                return self


def allow(allowance: Allowance, by: str, reason: str) -> Sequence[Fact]:
    """An administrator answers for an artifact; that somebody does already is no fact."""
    if allowance.by is not None:
        return []
    return [ArtifactAllowed(artifact=allowance.digest, by=by, reason=reason)]


def revoke(allowance: Allowance, by: str, reason: str) -> Sequence[Fact]:
    """Nobody answers for an artifact any more.

    Raises:
        NotAllowed: nobody did.
    """
    if allowance.by is None:
        raise NotAllowed(f"{allowance.digest} was not allowed; see /v1/allowances for what is")
    return [ArtifactAllowanceRevoked(artifact=allowance.digest, by=by, reason=reason)]
