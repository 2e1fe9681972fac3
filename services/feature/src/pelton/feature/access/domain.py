"""Grants on feature views and sources: what is decided about them, and what they let whom do. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, Final, Literal, Self

from pelton.contracts.fact import Fact
from pelton.contracts.feature import FeatureAccessGranted, FeatureAccessOpened, FeatureAccessRevoked

Kind = Literal["feature view", "source"]
GranteeKind = Literal["team", "person"]
Resource = tuple[Kind, str]
Grantee = tuple[GranteeKind, str]

VIEW: Final[Kind] = "feature view"
SOURCE: Final[Kind] = "source"
_KINDS: Final[Mapping[str, Kind]] = {"views": VIEW, "sources": SOURCE}
_PLACES: Final[Mapping[Kind, str]] = {kind: place for place, kind in _KINDS.items()}


class Action(StrEnum):
    """What somebody wants to do with a feature view or a source."""

    READ = "read"
    WRITE = "write"


class ImpossibleGrantError(ValueError):
    """A grant that would let nobody do anything; the message says what is missing."""


class UnknownGrantError(LookupError):
    """There is nothing to take away; the message says so."""


@dataclass(frozen=True, slots=True)
class Grants:
    """The grants on one feature view or source; it is `closed` from the first of them until it is opened again."""

    kind: Kind
    name: str
    closed: bool = False
    grants: Mapping[Grantee, FeatureAccessGranted] = field(default_factory=dict)

    category: ClassVar[str] = "access"

    @classmethod
    def initial(cls, key: str) -> Self:
        """Of something that nobody granted yet; `key` is such as `views:delays`."""
        place, _, name = key.partition(":")
        return cls(_KINDS[place], name)

    @classmethod
    def key_of(cls, kind: Kind, name: str) -> str:
        """The key of the grants on something."""
        return f"{_PLACES[kind]}:{name}"

    @property
    def key(self) -> str:
        """What the grants are on."""
        return self.key_of(self.kind, self.name)

    def evolve(self, fact: Fact) -> Self:
        """The grants after one more of their facts."""
        match fact:
            case FeatureAccessGranted(to=to, grantee=grantee):
                return replace(self, closed=True, grants={**self.grants, (to, grantee): fact})
            case FeatureAccessRevoked(to=to, grantee=grantee):
                kept = {key: one for key, one in self.grants.items() if key != (to, grantee)}
                return replace(self, grants=kept)
            case FeatureAccessOpened():
                return replace(self, closed=False, grants={})
            case _:
                return self


def grant(grants: Grants, wanted: FeatureAccessGranted) -> Sequence[Fact]:
    """Let a team or a person do something; the same again is no news.

    Raises:
        ImpossibleGrantError: it allows nothing, or sensitive values to somebody who may not read.
    """
    if not wanted.actions:
        raise ImpossibleGrantError("a grant needs `read`, `write` or both among its actions")
    if wanted.sensitive and Action.READ not in wanted.actions:
        raise ImpossibleGrantError("what is sensitive can only be granted together with `read`")
    return [] if grants.grants.get((wanted.to, wanted.grantee)) == wanted else [wanted]


def revoke(grants: Grants, grantee: Grantee, reason: str) -> Sequence[Fact]:
    """Take a grant away.

    Raises:
        UnknownGrantError: there is none.
    """
    if grantee not in grants.grants:
        known = ", ".join(sorted(" ".join(one) for one in grants.grants)) or "nobody"
        raise UnknownGrantError(f"{' '.join(grantee)} has no grant on {grants.kind} {grants.name}; granted is: {known}")
    to, name = grantee
    return [FeatureAccessRevoked(kind=grants.kind, name=grants.name, to=to, grantee=name, reason=reason)]


def open_again(grants: Grants, reason: str) -> Sequence[Fact]:
    """Open something to all, and forget its grants.

    Raises:
        UnknownGrantError: it is open.
    """
    if not grants.closed:
        raise UnknownGrantError(f"{grants.kind} {grants.name} is open already")
    return [FeatureAccessOpened(kind=grants.kind, name=grants.name, reason=reason)]


@dataclass(frozen=True, slots=True)
class Holders:
    """The people who may do what with one thing that is closed."""

    read: frozenset[str] = frozenset()
    write: frozenset[str] = frozenset()
    sensitive: frozenset[str] = frozenset()


_NOBODY: Final = Holders()


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in force, by person: teams are resolved, so that a question costs two look-ups."""

    holders: Mapping[Resource, Holders] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        closed: Iterable[Resource],
        grants: Iterable[FeatureAccessGranted],
        teams: Mapping[str, Iterable[str]],
    ) -> Self:
        """The rules that these grants make. A team that there is not has no members."""
        found: dict[Resource, Holders] = dict.fromkeys(closed, _NOBODY)
        for one in grants:
            people = frozenset({one.grantee} if one.to == "person" else teams.get(one.grantee, ()))
            before = found.get((one.kind, one.name), _NOBODY)
            found[one.kind, one.name] = Holders(
                before.read | people if Action.READ in one.actions else before.read,
                before.write | people if Action.WRITE in one.actions else before.write,
                before.sensitive | people if one.sensitive else before.sensitive,
            )
        return cls(found)

    def allows(self, person: str, action: Action, resource: Resource) -> bool:
        """Whether the grants let a person do this; whoever has the role may where nothing was granted."""
        holders = self.holders.get(resource)
        return holders is None or person in (holders.read if action is Action.READ else holders.write)

    def shows(self, person: str, resource: Resource) -> bool:
        """Whether a person may see what is sensitive in a view or a source: nobody, where nothing was granted."""
        return person in self.holders.get(resource, _NOBODY).sensitive
