"""Who may do what, decided from the rules in force. Pure.

A token gives its holder a role everywhere; a team gives its members one on the models that it has, if that is higher.
A restriction takes actions away again from everybody whom it does not name. Administrators by their token may always.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import translate
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Final, Literal, Self

from pelton.contracts.registry import Condition, RestrictionSet, TeamChanged
from pelton.eventkit.identity import Actor, Role

Kind = Literal["model", "experiment"]
KINDS: Final[tuple[Kind, ...]] = ("model", "experiment")


class Action(StrEnum):
    """What somebody wants to do with a model, a version of one, or an experiment and its runs."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    TAG = "tag"
    SET_ALIAS = "set_alias"
    SET_STAGE = "set_stage"
    REQUEST = "request"
    APPROVE = "approve"


NEEDED: Final[Mapping[Action, Role]] = MappingProxyType(
    {
        Action.READ: Role.VIEWER,
        Action.WRITE: Role.CONTRIBUTOR,
        Action.DELETE: Role.CONTRIBUTOR,
        Action.TAG: Role.CONTRIBUTOR,
        Action.SET_ALIAS: Role.CONTRIBUTOR,
        Action.SET_STAGE: Role.CONTRIBUTOR,
        Action.REQUEST: Role.CONTRIBUTOR,
        Action.APPROVE: Role.APPROVER,
    }
)
"""The role that each action needs, where the command does not ask for a higher one."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is about.

    `tags` are those of the model and of the version, or of the experiment, with the one that is about to be set;
    `aliases` those of the version, with the one that the version was found by or is about to get. `changes` are the
    keys of the tags, or the aliases, that the action sets or takes away.
    """

    kind: Kind
    name: str
    tags: frozenset[tuple[str, str]] = frozenset()
    aliases: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()

    def changing(self, *, tag: tuple[str, str | None] | None = None, alias: str | None = None) -> Self:
        """The resource of an action on this tag, which is set or (without a value) taken away, or on this alias."""
        tags, aliases, changes = self.tags, self.aliases, self.changes
        if tag is not None:
            changes |= {tag[0]}
            tags |= {(tag[0], tag[1])} if tag[1] is not None else frozenset()
        if alias is not None:
            aliases, changes = aliases | {alias}, changes | {alias}
        return replace(self, tags=tags, aliases=aliases, changes=changes)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether somebody may, why in words, and the rules that said so: `role:…`, `team:…`, `restriction:…`."""

    allowed: bool
    because: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Rules:
    """The teams and restrictions in force, by name."""

    teams: Mapping[str, TeamChanged] = field(default_factory=dict)
    restrictions: Mapping[str, RestrictionSet] = field(default_factory=dict)

    @classmethod
    def of(cls, teams: Iterable[TeamChanged], restrictions: Iterable[RestrictionSet]) -> Self:
        """The rules that were set last, one for each name."""
        return cls({one.team: one for one in teams}, {one.restriction: one for one in restrictions})

    def restricts(self, kind: Kind, action: Action) -> bool:
        """Whether any restriction can refuse this action; where none can, nobody needs to look up tags or aliases."""
        return bool(self._about[kind, action])

    def role(self, actor: Actor, resource: Resource) -> tuple[Role, str]:
        """The actor's role on a resource, and the rule that gives it."""
        best, rule = actor.role, f"role:{actor.role.name.lower()}"
        if resource.kind == "model":
            for team in self._teams_of.get(actor.name, ()):
                given = Role[team.members[actor.name].upper()]
                if given > best and _matches(team.models, resource.name):
                    best, rule = given, f"team:{team.team}"
        return best, rule

    def decide(self, actor: Actor, action: Action, resource: Resource, needed: Role | None = None) -> Verdict:
        """Whether the actor may do this; `needed` is the role where it is not that of `NEEDED`."""
        if actor.may(Role.ADMIN):
            return Verdict(allowed=True, because=f"{actor.name} is an administrator", rules=("role:admin",))
        needed = needed or NEEDED[action]
        role, rule = self.role(actor, resource)
        said = f"{actor.name} has the role {role.name.lower()} on {resource}"
        if role < needed:
            wanted = f"{action} on {resource} needs the role {needed.name.lower()}"
            return Verdict(allowed=False, because=f"{wanted}, and {actor.name} has {role.name.lower()}", rules=(rule,))
        passed = [rule]
        for restriction in self._about[resource.kind, action]:
            if not _applies(restriction, action, resource):
                continue
            if not self._names(restriction, actor.name):
                return Verdict(allowed=False, because=_refusal(restriction, resource), rules=(_rule(restriction),))
            passed.append(_rule(restriction))
        return Verdict(allowed=True, because=said, rules=tuple(passed))

    def is_member(self, user: str, team: str) -> bool:
        """Whether somebody is in a team, in whatever role; nobody is in one that there is not."""
        return team in self.teams and user in self.teams[team].members

    @cached_property
    def _about(self) -> Mapping[tuple[Kind, Action], Sequence[RestrictionSet]]:
        """The restrictions that can refuse each action."""
        return {
            (kind, action): [
                one
                for one in self.restrictions.values()
                if _globs(one, kind) and (action in one.actions or _watched(one.when, action))
            ]
            for kind in KINDS
            for action in Action
        }

    @cached_property
    def _teams_of(self) -> Mapping[str, Sequence[TeamChanged]]:
        found: dict[str, list[TeamChanged]] = {}
        for team in self.teams.values():
            for member in team.members:
                found.setdefault(member, []).append(team)
        return found

    def _names(self, restriction: RestrictionSet, user: str) -> bool:
        return user in restriction.users or any(self.is_member(user, team) for team in restriction.teams)


def _applies(restriction: RestrictionSet, action: Action, resource: Resource) -> bool:
    """Whether a restriction is about this action on this resource.

    One that depends on a tag or an alias is also about who sets or removes that: else to do so would be to lift it.
    """
    when = restriction.when
    return (
        (action in restriction.actions or bool(_watched(when, action) & resource.changes))
        and _matches(_globs(restriction, resource.kind), resource.name)
        and _holds(when, resource)
    )


def _holds(when: Condition, resource: Resource) -> bool:
    keys = {key for key, _ in resource.tags}
    tagged = all(key in keys if value is None else (key, value) in resource.tags for key, value in when.tags.items())
    return tagged and (not when.aliases or not resource.aliases.isdisjoint(when.aliases))


def _watched(when: Condition, action: Action) -> frozenset[str]:
    match action:
        case Action.TAG:
            return frozenset(when.tags)
        case Action.SET_ALIAS:
            return frozenset(when.aliases)
        case _:
            return frozenset()


def _globs(restriction: RestrictionSet, kind: Kind) -> tuple[str, ...]:
    return restriction.models if kind == "model" else restriction.experiments


def _matches(globs: Iterable[str], name: str) -> bool:
    return any(_pattern(glob).match(name) for glob in globs)


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(translate(glob))


def _rule(restriction: RestrictionSet) -> str:
    return f"restriction:{restriction.restriction}"


def _refusal(restriction: RestrictionSet, resource: Resource) -> str:
    return f"{resource} is restricted ({restriction.restriction}): {restriction.reason}"
