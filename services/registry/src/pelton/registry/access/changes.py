"""What may become of teams and restrictions: their aggregates, and what is decided about them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from pelton.contracts.fact import Fact
from pelton.contracts.registry import RestrictionLifted, RestrictionSet, TeamChanged, TeamRemoved


class UnknownRule(Exception):  # noqa: N818 - it is an answer, not a failure
    """There is no such team, or no such restriction."""


@dataclass(frozen=True, slots=True)
class Team:
    """A team as it is now; None while there is none of this name."""

    name: str
    now: TeamChanged | None = None

    category: ClassVar[str] = "teams"

    @classmethod
    def initial(cls, key: str) -> Self:
        """A team that nobody formed."""
        return cls(key)

    @property
    def key(self) -> str:
        """The team's name."""
        return self.name

    def evolve(self, fact: Fact) -> Self:
        """The team after one more of its facts."""
        match fact:
            case TeamChanged():
                return replace(self, now=fact)
            case TeamRemoved():
                return replace(self, now=None)
            case _:
                return self


@dataclass(frozen=True, slots=True)
class Restriction:
    """A restriction as it is now; None while there is none of this name."""

    name: str
    now: RestrictionSet | None = None

    category: ClassVar[str] = "restrictions"

    @classmethod
    def initial(cls, key: str) -> Self:
        """A restriction that nobody set."""
        return cls(key)

    @property
    def key(self) -> str:
        """The restriction's name."""
        return self.name

    def evolve(self, fact: Fact) -> Self:
        """The restriction after one more of its facts."""
        match fact:
            case RestrictionSet():
                return replace(self, now=fact)
            case RestrictionLifted():
                return replace(self, now=None)
            case _:
                return self


def change_team(team: Team, wanted: TeamChanged) -> Sequence[Fact]:
    """Form the team, or give it other members or models; the same again is no news."""
    return [] if team.now == wanted else [wanted]


def remove_team(team: Team) -> Sequence[Fact]:
    """Dissolve the team.

    Raises:
        UnknownRule: there is none.
    """
    if team.now is None:
        raise UnknownRule(f"there is no team {team.name!r}; GET /v1/teams lists those that are")
    return [TeamRemoved(team=team.name)]


def set_restriction(restriction: Restriction, wanted: RestrictionSet) -> Sequence[Fact]:
    """Restrict, or restrict differently; the same again is no news."""
    return [] if restriction.now == wanted else [wanted]


def lift_restriction(restriction: Restriction, reason: str) -> Sequence[Fact]:
    """Take the restriction away.

    Raises:
        UnknownRule: there is none.
    """
    if restriction.now is None:
        raise UnknownRule(f"there is no restriction {restriction.name!r}; GET /v1/restrictions lists those that are")
    return [RestrictionLifted(restriction=restriction.name, reason=reason)]
