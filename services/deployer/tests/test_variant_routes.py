"""Variants share the keys by somebody's word, and what is tried meanwhile waits."""

from collections.abc import Sequence

import pytest
from deployer_stories import MODEL, PLAN, champion_alone, shown, told, version, words

from pelton.contracts.deployer import RolloutAdvanced, TrafficShifted, VariantArm, Variants
from pelton.contracts.fact import Fact
from pelton.deployer.domain.decisions import (
    configure,
    end_variants,
    promoted,
    rolled_back,
    settle,
    stage,
    step_settings,
    withdraw,
)
from pelton.deployer.domain.rollout import Rollout

VARIANTS = Variants(
    key="customer",
    salt="salt",
    arms=(
        VariantArm(name="a", weight=0.5, version=version(1)),
        VariantArm(name="b", weight=0.3, version=version(2)),
        VariantArm(name="c", weight=0.2, version=version(3)),
    ),
)


def in_canary() -> Rollout:
    """Version 4 on trial at the first step, against version 1."""
    rollout = champion_alone(1)
    rollout = told(rollout, stage(rollout, "rollout", version(4), PLAN))
    return told(rollout, settle(rollout, shown(rollout, "no_worse"), out_of_time=False))


def baking() -> Rollout:
    rollout = champion_alone(1)
    rollout = told(rollout, stage(rollout, "rollout", version(4), PLAN))
    return told(rollout, promoted(rollout, version(4)))


def shared(rollout: Rollout) -> Rollout:
    return told(rollout, configure(rollout, VARIANTS))


def route(facts: Sequence[Fact]) -> TrafficShifted:
    (found,) = (fact for fact in facts if isinstance(fact, TrafficShifted))
    return found


@pytest.mark.parametrize("before", [champion_alone(1), in_canary(), baking()])
def test_variants_answer_at_once_and_the_champion_stands_in(before: Rollout) -> None:
    facts = configure(before, VARIANTS)
    assert words(facts) == ["TrafficShifted champion"]
    assert (route(facts).variants, route(facts).champion, route(facts).challenger) == (VARIANTS, before.champion, None)
    after = told(before, facts)
    assert (after.revision, after.bake) == (before.revision + 1, None)
    assert step_settings(after, "began") is None


def test_the_same_variants_twice_are_one_and_without_a_champion_there_are_none() -> None:
    assert configure(shared(champion_alone(1)), VARIANTS) == []
    assert configure(Rollout.initial(MODEL), VARIANTS) == []
    other = VARIANTS.model_copy(update={"salt": "other"})
    assert route(configure(shared(champion_alone(1)), other)).variants == other


def test_a_trial_under_way_waits_and_begins_anew_when_variants_end() -> None:
    before = in_canary()
    late = shown(before, "no_worse")
    waiting = shared(before)
    assert settle(waiting, late, out_of_time=True) == []
    of_this_route = late.model_copy(
        update={"settings": late.settings.model_copy(update={"revision": waiting.revision})}
    )
    assert settle(waiting, of_this_route, out_of_time=True) == []
    facts = end_variants(waiting)
    assert words(facts) == ["TrafficShifted shadow"]
    after = told(waiting, facts)
    settings = step_settings(after, "began")
    assert settings is not None
    assert (settings.phase, settings.step, settings.weight, settings.challenger) == ("shadow", 0, 0.0, 4)
    again = settle(after, shown(after, "no_worse"), out_of_time=False)
    assert isinstance(again[0], RolloutAdvanced)
    assert again[0].step == 1


def test_a_version_that_passed_needs_no_second_trial() -> None:
    rollout = in_canary()
    for _ in range(2):
        rollout = told(rollout, settle(rollout, shown(rollout, "no_worse"), out_of_time=False))
    assert rollout.trial is not None
    assert rollout.trial.passed
    facts = end_variants(shared(rollout))
    assert words(facts) == ["TrafficShifted champion"]
    assert route(facts).variants is None


def test_a_version_staged_meanwhile_waits_and_a_newer_one_takes_its_place_without_a_shift() -> None:
    waiting = shared(champion_alone(1))
    facts = stage(waiting, "rollout", version(4), PLAN)
    assert words(facts) == ["RolloutStarted"]
    waiting = told(waiting, facts)
    assert words(stage(waiting, "next", version(5), PLAN)) == ["RolloutAborted superseded", "RolloutStarted"]
    assert words(withdraw(waiting, 4, "person")) == ["RolloutAborted person"]
    assert words(end_variants(waiting)) == ["TrafficShifted shadow"]


def test_a_version_that_is_taken_out_ends_the_variants_that_it_is_one_of() -> None:
    waiting = shared(champion_alone(1))
    assert withdraw(waiting, 4, "person") == []
    assert words(withdraw(waiting, 3, "person")) == ["TrafficShifted champion"]
    assert route(withdraw(waiting, 3, "person")).variants is None

    on_trial_too = told(waiting, stage(waiting, "rollout", version(3), PLAN))
    facts = withdraw(on_trial_too, 3, "denied")
    assert words(facts) == ["RolloutAborted denied", "TrafficShifted champion"]
    assert told(on_trial_too, facts).variants is None


def test_a_promotion_leaves_the_variants_and_a_rollback_ends_them() -> None:
    before = shared(champion_alone(1))
    facts = promoted(before, version(4))
    assert words(facts) == ["TrafficShifted champion", "ModelDeployed"]
    assert (route(facts).champion, route(facts).variants) == (version(4), VARIANTS)
    back = rolled_back(told(before, facts), version(1))
    assert (route(back).champion, route(back).variants) == (version(1), None)


def test_variants_that_ended_do_not_end_again() -> None:
    ended = told(shared(champion_alone(1)), end_variants(shared(champion_alone(1))))
    assert end_variants(ended) == []
    assert end_variants(Rollout.initial(MODEL)) == []
