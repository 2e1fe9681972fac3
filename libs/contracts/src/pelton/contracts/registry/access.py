"""Who may do what: teams give roles, restrictions reserve actions."""

from typing import Literal

from pydantic import Field

from pelton.contracts.fact import Fact, Value
from pelton.contracts.values import Name

RoleName = Literal["viewer", "contributor", "approver", "admin"]
AccessAction = Literal["read", "write", "delete", "tag", "set_alias", "set_stage", "request", "approve"]


class Condition(Value):
    """Which models, versions and experiments a restriction is about, besides their names.

    All of `tags` must be there, with this value or, where it is None, with any; and one of `aliases`, if any are named.
    """

    tags: dict[str, str | None] = Field(default_factory=dict)
    aliases: tuple[str, ...] = ()


class TeamChanged(Fact, owner="registry"):
    """A team was formed, or has other members or other models; `models` are globs over names."""

    team: Name
    members: dict[str, RoleName]
    models: tuple[str, ...]


class TeamRemoved(Fact, owner="registry"):
    """A team gives nobody a role any more."""

    team: Name


class RestrictionSet(Fact, owner="registry"):
    """Some actions are for some people only, from here on; `models` and `experiments` are globs over names."""

    restriction: Name
    models: tuple[str, ...]
    experiments: tuple[str, ...]
    actions: tuple[AccessAction, ...]
    when: Condition
    users: tuple[str, ...]
    teams: tuple[Name, ...]
    reason: str


class RestrictionLifted(Fact, owner="registry"):
    """A restriction is no more."""

    restriction: Name
    reason: str
