"""Whatever the rules are: what they promise holds for all of them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.contracts.registry import Condition, RestrictionSet, TeamChanged
from pelton.eventkit.identity import Actor, Role
from pelton.registry.access.domain import NEEDED, Action, Resource, Rules

NAMES = st.sampled_from(["fraud-eu", "fraud-us", "late", "[odd]", "名前"])
# mostly what matches: a rule that is about nothing shows nothing
GLOBS = st.sampled_from(["*", "*", "fraud-*", "late", "fraud-?u", "[[]odd]", "名*", "none"])
USERS = st.sampled_from(["ann", "bob", "carl"])
ROLES = st.sampled_from(["viewer", "contributor", "approver", "admin"])
KEYS = st.sampled_from(["env", "pii"])
VALUES = st.sampled_from(["prod", "dev"])
ALIASES = st.sampled_from(["champion", "challenger"])
TEAMS = st.sampled_from(["red", "blue"])

actors = st.builds(Actor, USERS, st.sampled_from(Role))
actions = st.sampled_from(Action)
globs = st.lists(GLOBS, min_size=1, max_size=2).map(tuple) | st.just(())
teams = st.builds(TeamChanged, team=TEAMS, members=st.dictionaries(USERS, ROLES, max_size=2), models=globs)
restrictions = st.builds(
    RestrictionSet,
    restriction=st.sampled_from(["one", "two", "three"]),
    models=globs,
    experiments=globs,
    actions=st.just(tuple(map(str, Action))) | st.lists(actions.map(str), unique=True, max_size=2).map(tuple),
    when=st.just(Condition())
    | st.builds(
        Condition,
        tags=st.dictionaries(KEYS, st.none() | VALUES, max_size=1),
        aliases=st.lists(ALIASES, unique=True, max_size=1).map(tuple),
    ),
    users=st.lists(USERS, max_size=2).map(tuple),
    teams=st.lists(TEAMS, max_size=2).map(tuple),
    reason=st.just("so it is"),
)
rules = st.builds(Rules.of, st.lists(teams, max_size=3), st.lists(restrictions, max_size=3))
resources = st.builds(
    Resource,
    kind=st.sampled_from(["model", "experiment"]),
    name=NAMES,
    tags=st.frozensets(st.tuples(KEYS, VALUES), max_size=2),
    aliases=st.frozensets(ALIASES, max_size=2),
    changes=st.frozensets(KEYS | ALIASES, max_size=1),
)


def allowed(rules: Rules, actor: Actor, action: Action, resource: Resource) -> bool:
    return rules.decide(actor, action, resource).allowed


@given(rules, actions, resources, USERS)
def test_an_administrator_always_may(rules: Rules, action: Action, resource: Resource, name: str) -> None:
    assert allowed(rules, Actor(name, Role.ADMIN), action, resource)


@given(rules, restrictions, actors, actions, resources)
def test_a_further_restriction_lets_nobody_in(
    rules: Rules, more: RestrictionSet, actor: Actor, action: Action, resource: Resource
) -> None:
    further = more.model_copy(update={"restriction": "further"})
    stricter = replace(rules, restrictions={**rules.restrictions, "further": further})
    assert allowed(rules, actor, action, resource) or not allowed(stricter, actor, action, resource)


@given(rules, teams, USERS, ROLES, actors, actions, resources)
def test_a_further_member_of_a_team_shuts_nobody_out(
    rules: Rules, team: TeamChanged, member: str, role: str, actor: Actor, action: Action, resource: Resource
) -> None:
    before = replace(rules, teams={**rules.teams, team.team: team})
    larger = team.model_copy(update={"members": {member: role} | team.members})
    after = replace(rules, teams={**rules.teams, team.team: larger})
    assert not allowed(before, actor, action, resource) or allowed(after, actor, action, resource)


@given(rules, USERS, actions, resources)
def test_a_higher_role_shuts_nobody_out(rules: Rules, name: str, action: Action, resource: Resource) -> None:
    verdicts = [allowed(rules, Actor(name, role), action, resource) for role in Role]
    assert verdicts == sorted(verdicts)


@given(rules, actors, actions, resources)
def test_where_no_restriction_can_refuse_nothing_but_the_name_and_the_role_decides(
    rules: Rules, actor: Actor, action: Action, resource: Resource
) -> None:
    if rules.restricts(resource.kind, action):
        return
    bare = Resource(resource.kind, resource.name)
    assert rules.decide(actor, action, resource) == rules.decide(actor, action, bare)


@given(rules, actors, actions, resources)
def test_the_restriction_that_a_verdict_names_would_refuse_by_itself(
    rules: Rules, actor: Actor, action: Action, resource: Resource
) -> None:
    verdict = rules.decide(actor, action, resource)
    kind, _, name = verdict.rules[-1].partition(":")
    if not verdict.allowed and kind == "restriction":
        alone = replace(rules, restrictions={name: rules.restrictions[name]})
        assert not allowed(alone, actor, action, resource)
        assert rules.restrictions[name].reason in verdict.because


def restriction(**changes: Any) -> RestrictionSet:  # noqa: ANN401
    content: dict[str, Any] = {
        "restriction": "guard",
        "models": ("*",),
        "experiments": (),
        "actions": ("delete",),
        "when": Condition(),
        "users": ("ann",),
        "teams": (),
        "reason": "it is in use",
    }
    return RestrictionSet.model_validate(content | changes)


BOB = Actor("bob", Role.APPROVER)
TAGGED = Resource("model", "late", tags=frozenset({("env", "prod"), ("env", "dev")}))


@pytest.mark.parametrize(
    ("when", "resource", "refused"),
    [
        (Condition(), Resource("model", "late"), True),
        (Condition(), Resource("experiment", "late"), False),
        (Condition(tags={"env": "prod"}), TAGGED, True),
        (Condition(tags={"env": None}), TAGGED, True),
        (Condition(tags={"env": "test"}), TAGGED, False),
        (Condition(tags={"env": "prod", "pii": None}), TAGGED, False),
        (Condition(aliases=("champion", "x")), Resource("model", "late", aliases=frozenset({"champion"})), True),
        (Condition(aliases=("champion",)), Resource("model", "late", aliases=frozenset({"challenger"})), False),
        (Condition(tags={"env": None}, aliases=("champion",)), TAGGED, False),
    ],
)
def test_a_condition_holds_by_all_of_its_tags_and_one_of_its_aliases(
    when: Condition, resource: Resource, *, refused: bool
) -> None:
    rules = Rules.of([], [restriction(when=when)])
    assert allowed(rules, BOB, Action.DELETE, resource) is not refused


def test_who_may_not_act_under_a_tag_or_an_alias_may_not_take_it_away_either() -> None:
    rules = Rules.of([], [restriction(when=Condition(tags={"env": "prod"}, aliases=("champion",)))])
    guarded = replace(TAGGED, aliases=frozenset({"champion"}))
    for action, changes, free in (
        (Action.TAG, "env", False),
        (Action.TAG, "owner", True),
        (Action.SET_ALIAS, "champion", False),
        (Action.SET_ALIAS, "shadow", True),
        (Action.WRITE, "env", True),
    ):
        change = replace(guarded, changes=frozenset({changes}))
        assert allowed(rules, BOB, action, change) is free, (action, changes)
        assert allowed(rules, Actor("ann", Role.CONTRIBUTOR), action, change)


def test_what_no_restriction_is_about_needs_no_look_up() -> None:
    rules = Rules.of([], [restriction(when=Condition(tags={"env": None}))])
    restricted = {
        (kind, action) for kind in ("model", "experiment") for action in Action if rules.restricts(kind, action)
    }
    assert restricted == {("model", Action.DELETE), ("model", Action.TAG)}


def test_a_team_gives_its_role_on_its_models_only_and_never_takes_one_away() -> None:
    team = TeamChanged(team="fraud", members={"carl": "approver", "bob": "viewer"}, models=("fraud-*",))
    rules = Rules.of([team], [])
    carl = Actor("carl", Role.VIEWER)
    assert allowed(rules, carl, Action.APPROVE, Resource("model", "fraud-eu"))
    assert not allowed(rules, carl, Action.WRITE, Resource("model", "late"))
    assert not allowed(rules, carl, Action.WRITE, Resource("experiment", "fraud-eu"))
    assert allowed(rules, BOB, Action.APPROVE, Resource("model", "fraud-eu"))


def test_members_of_a_named_team_pass_with_whatever_role_they_have_in_it() -> None:
    team = TeamChanged(team="fraud", members={"bob": "viewer"}, models=())
    rules = Rules.of([team], [restriction(users=(), teams=("fraud",))])
    assert allowed(rules, BOB, Action.DELETE, Resource("model", "late"))
    assert not allowed(rules, Actor("dora", Role.APPROVER), Action.DELETE, Resource("model", "late"))


def test_a_command_that_asks_for_a_higher_role_than_its_action_gets_it() -> None:
    verdict = Rules().decide(BOB, Action.APPROVE, Resource("model", "late"), Role.ADMIN)
    assert (verdict.allowed, verdict.rules) == (False, ("role:approver",))
    assert set(NEEDED) == set(Action)
