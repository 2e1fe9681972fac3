"""The decider of grants, held to a model of it: whatever is granted, revoked and opened, in any order."""

import pytest
from feature_definitions import view
from hypothesis import given
from hypothesis import strategies as st

from pelton.contracts.feature import FeatureAccessGranted, FeatureAccessOpened
from pelton.feature.access.domain import (
    VIEW,
    Action,
    GranteeKind,
    Grants,
    ImpossibleGrantError,
    Rules,
    UnknownGrantError,
    grant,
    open_again,
    revoke,
)
from pelton.feature.access.sensitive import sensitive_fields, shown_fields

PEOPLE = ("ann", "Βέρα", "ვერა", "李雷", "عمر", "O'Neill, J.")
TEAMS = {"fraud": ("ann", "李雷"), "risk": ("Βέρα",), "empty": ()}
DELAYS = (VIEW, "delays")

grantees: st.SearchStrategy[tuple[GranteeKind, str]] = st.one_of(
    st.tuples(st.just("person"), st.sampled_from(PEOPLE)), st.tuples(st.just("team"), st.sampled_from([*TEAMS, "gone"]))
)
actions = st.lists(st.sampled_from(["read", "write"]), unique=True, min_size=1).map(tuple)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("grant"), grantees, actions, st.booleans()),
        st.tuples(st.just("revoke"), grantees),
        st.tuples(st.just("open")),
    ),
    max_size=30,
)


def granted(
    to: GranteeKind, grantee: str, actions: tuple[str, ...] = ("read",), **more: object
) -> FeatureAccessGranted:
    content = {"kind": "feature view", "name": "delays", "to": to, "grantee": grantee, "actions": actions}
    return FeatureAccessGranted.model_validate(content | more)


def people_of(grantee: tuple[GranteeKind, str]) -> set[str]:
    kind, name = grantee
    return {name} if kind == "person" else set(TEAMS.get(name, ()))


@given(steps)
def test_whoever_was_granted_may_and_nobody_else_from_the_first_grant_until_it_is_opened(
    taken: list[tuple[object, ...]],
) -> None:
    grants = Grants.initial("views:delays")
    held: dict[tuple[GranteeKind, str], FeatureAccessGranted] = {}
    closed = False
    for step in taken:
        facts = []
        match step:
            case ("grant", (to, name), may, sensitive):
                wanted = granted(to, name, may, sensitive=sensitive and "read" in may)
                facts = grant(grants, wanted)
                assert bool(facts) == (held.get((to, name)) != wanted)
                held[to, name], closed = wanted, True
            case ("revoke", grantee):
                if grantee in held:
                    facts = revoke(grants, grantee, "left")
                    del held[grantee]
                else:
                    with pytest.raises(UnknownGrantError, match="has no grant on feature view delays"):
                        revoke(grants, grantee, "left")
            case ("open",) if closed:
                facts = open_again(grants, "public")
                held, closed = {}, False
            case _:
                with pytest.raises(UnknownGrantError, match="is open already"):
                    open_again(grants, "public")
        for fact in facts:
            grants = grants.evolve(fact)
    assert (grants.closed, dict(grants.grants)) == (closed, held)
    rules = Rules.of([DELAYS] if grants.closed else [], grants.grants.values(), TEAMS)
    for person in PEOPLE:
        theirs = [one for key, one in held.items() if person in people_of(key)]
        for action in Action:
            assert rules.allows(person, action, DELAYS) == (not closed or any(action in one.actions for one in theirs))
        assert rules.shows(person, DELAYS) == any(one.sensitive for one in theirs)
    assert rules.allows("ann", Action.READ, (VIEW, "others"))


def test_a_grant_that_lets_nobody_do_anything_is_refused() -> None:
    grants = Grants.initial("views:delays")
    with pytest.raises(ImpossibleGrantError, match="needs `read`, `write` or both"):
        grant(grants, granted("person", "ann", ()))
    with pytest.raises(ImpossibleGrantError, match="together with `read`"):
        grant(grants, granted("person", "ann", ("write",), sensitive=True))


def test_the_key_of_grants_leads_back_to_what_they_are_on() -> None:
    for kind in ("feature view", "source"):
        grants = Grants.initial(Grants.key_of(kind, "a-b_c"))
        assert (grants.kind, grants.name, Grants.initial(grants.key)) == (kind, "a-b_c", grants)


def test_opening_forgets_every_grant() -> None:
    grants = Grants.initial("views:delays").evolve(granted("person", "ann"))
    opened = grants.evolve(FeatureAccessOpened(kind="feature view", name="delays", reason="public"))
    assert opened == Grants.initial("views:delays")


def test_the_fields_of_sensitive_features_are_sensitive_in_the_source() -> None:
    marked = view("v", "s", sensitive=("worst_6h", "late_1d"))
    assert sensitive_fields([marked, view("w", "s")]) == {"delay"}
    assert sensitive_fields([view("w", "s")]) == frozenset()
    assert shown_fields(marked) == {"delay"}
    alone = view("v", "s", aggregates=[], latest=[{"name": "pay", "value": "salary + bonus"}], sensitive=("pay",))
    assert (sensitive_fields([alone]), shown_fields(alone)) == ({"salary", "bonus"}, frozenset())
