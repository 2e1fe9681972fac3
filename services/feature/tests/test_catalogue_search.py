"""What words of a search mean, and who uses what; pure."""

import pytest
from feature_definitions import source, view

from pelton.contracts.definitions import EntityDefinition, FeatureServiceDefinition, TransformationDefinition
from pelton.feature.catalogue.planning import Backfill, plan
from pelton.feature.catalogue.search import entries, search, users
from pelton.feature.domain import IncompatibleError
from pelton.feature.domain.models import DeclaredModel, Pinned
from pelton.feature.domain.registered import Declared, Registered

LANDINGS = source("landings", description="A flight landed.", owner="ops", tags={"area": "air", "pii": "no"})
BY_CARRIER = view("by_carrier", "landings", owner="ann", tags={"area": "air"}, description="How late carriers are.")
BY_GATE = view("by_gate", "landings", "gate")
SURPRISE = TransformationDefinition(
    name="surprise", inputs={"usual": "by_carrier:delay_2h"}, request=("delay",), features={"excess": "delay - usual"}
)
USUAL = FeatureServiceDefinition(name="usual", features=("surprise:excess", "by_gate:worst_6h"), owner="ann")
CARRIER = EntityDefinition(name="carrier", keys=("carrier",), description="An airline.")
PROJECT: list[Declared] = [CARRIER, LANDINGS, BY_CARRIER, BY_GATE, SURPRISE, USUAL]


def registered(*declared: Declared) -> Registered:
    state = Registered()
    for definition in declared:
        state = state.evolve(definition, state.applied(definition))
    return state


KNOWN = entries(registered(*PROJECT))


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["carrier", "usual", "by_carrier", "by_gate", "landings", "surprise"]),
        ({"words": "CARRIER"}, ["carrier", "by_carrier", "landings"]),
        ({"words": "late carriers"}, ["by_carrier"]),
        ({"words": "excess"}, ["usual", "surprise"]),
        ({"words": "delay"}, ["by_carrier", "by_gate", "landings", "surprise"]),
        ({"words": "airline"}, ["carrier"]),
        ({"words": "nothing like it"}, []),
        ({"kind": "feature view"}, ["by_carrier", "by_gate"]),
        ({"tag": "area"}, ["by_carrier", "landings"]),
        ({"tag": "pii=no"}, ["landings"]),
        ({"tag": "pii=yes"}, []),
        ({"owner": "ann"}, ["usual", "by_carrier"]),
        ({"owner": "ann", "words": "late"}, ["by_carrier"]),
    ],
)
def test_a_search_finds_what_every_word_is_in_by_how_near_to_the_name(asked: dict[str, str], names: list[str]) -> None:
    found = [entry.name for entry in search(KNOWN.values(), **asked)]
    assert sorted(found) == sorted(names)
    if "words" in asked:
        assert found == names


def test_a_thing_knows_what_it_is_made_of_and_what_is_made_of_it() -> None:
    assert KNOWN["feature view", "by_carrier"].reads == (("source", "landings"), ("entity", "carrier"))
    assert KNOWN["feature view", "by_carrier"].read_by == (("transformation", "surprise"),)
    assert KNOWN["transformation", "surprise"].read_by == (("feature service", "usual"),)
    assert KNOWN["source", "landings"].read_by == (("feature view", "by_carrier"), ("feature view", "by_gate"))


def test_models_use_what_their_features_are_made_of() -> None:
    versions = [
        Pinned("late", 3, "production", frozenset({BY_CARRIER.digest, SURPRISE.digest})),
        Pinned("gates", 1, "staging", frozenset({BY_GATE.digest})),
    ]
    models = [DeclaredModel("late", "ann", ("surprise:excess",)), DeclaredModel("gates", "", ("by_gate:worst_6h",))]

    def used_by(*key: str) -> tuple[list[str], list[str]]:
        pinned, declared = users(KNOWN[key], KNOWN, versions, models)  # type: ignore[index]
        return [one.model for one in pinned], [one.model for one in declared]

    assert used_by("transformation", "surprise") == (["late"], ["late"])
    assert used_by("feature view", "by_gate") == (["gates"], ["gates"])
    assert used_by("source", "landings") == (["late", "gates"], ["late", "gates"])
    assert used_by("entity", "carrier") == (["late"], ["late"])
    assert used_by("feature service", "usual") == ([], [])


def test_the_plan_of_a_project_is_of_each_definition_after_those_before_it() -> None:
    steps = plan(Registered(), PROJECT, [])
    assert [step.action for step in steps] == ["create"] * 6
    assert [step.action for step in plan(registered(*PROJECT), PROJECT, [])] == ["leave"] * 6
    with pytest.raises(IncompatibleError, match="reads source 'landings', which is not registered"):
        plan(Registered(), [BY_CARRIER, LANDINGS], [])


def test_a_changed_view_keeps_its_version_for_the_models_that_use_it_and_is_filled_from_its_longest_window() -> None:
    users_of_it = Pinned("late", 3, "production", frozenset({BY_CARRIER.digest}))
    others = Pinned("gates", 1, "staging", frozenset({BY_GATE.digest}))
    changed = BY_CARRIER.model_copy(update={"tile": "30m"})
    (step,) = plan(registered(*PROJECT), [changed], [users_of_it, others])
    assert (step.action, step.kept_by) == ("change", (users_of_it,))
    assert step.backfill == Backfill("landings", 7 * 86_400)
    (same,) = plan(registered(*PROJECT), [BY_CARRIER], [users_of_it, others])
    assert (same.action, same.kept_by, same.backfill) == ("leave", (), None)


@pytest.mark.parametrize(("max_age", "history"), [(None, None), ("30d", 30 * 86_400), ("1h", 7 * 86_400)])
def test_a_latest_value_is_filled_from_all_events_or_those_of_its_age(max_age: str | None, history: int | None) -> None:
    latest = view("by_carrier", "landings", latest=[{"name": "last", "value": "delay"}], max_age=max_age)
    (step,) = plan(registered(LANDINGS), [latest], [])
    assert step.backfill == Backfill("landings", history)
