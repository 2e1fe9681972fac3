import pytest
from deployer_stories import MODEL, PLAN, champion_alone, shown, told, version, words

from pelton.contracts.deployer import (
    GuardrailBreached,
    ModelDeployed,
    RolloutAborted,
    RolloutAdvanced,
    RolloutStarted,
    TrafficShifted,
    Verdict,
)
from pelton.deployer.domain.decisions import (
    AbortReason,
    promoted,
    rolled_back,
    settle,
    stage,
    step_settings,
    withdraw,
)
from pelton.deployer.domain.rollout import Rollout


def in_shadow() -> Rollout:
    """Version 2 on trial against version 1, at revision 2."""
    before = champion_alone(1)
    return told(before, stage(before, "rollout", version(2), PLAN))


def in_canary(step: int) -> Rollout:
    rollout = in_shadow()
    for _ in range(step):
        rollout = told(rollout, settle(rollout, shown(rollout, "no_worse"), out_of_time=False))
    return rollout


def passed() -> Rollout:
    last = in_canary(2)
    return told(last, settle(last, shown(last, "no_worse"), out_of_time=False))


def baking() -> Rollout:
    before = passed()
    return told(before, promoted(before, version(2)))


def test_a_models_first_version_has_nobody_to_meet_and_passes_at_once() -> None:
    facts = stage(Rollout.initial(MODEL), "rollout", version(1), PLAN)
    assert words(facts) == ["RolloutStarted", "RolloutSucceeded"]
    assert isinstance(facts[0], RolloutStarted)
    assert facts[0].champion is None
    assert step_settings(told(Rollout.initial(MODEL), facts), "began") is None


def test_a_promoted_first_version_answers_alone() -> None:
    staged = Rollout.initial(MODEL)
    staged = told(staged, stage(staged, "rollout", version(1), PLAN))
    facts = promoted(staged, version(1))
    assert words(facts) == ["TrafficShifted champion", "ModelDeployed"]
    after = told(staged, facts)
    assert (after.revision, after.trial, after.bake) == (1, None, None)
    assert after.champion == version(1)


def test_a_second_staged_version_is_tried_in_the_champions_shadow() -> None:
    before = champion_alone(1)
    facts = stage(before, "rollout", version(2), PLAN)
    assert words(facts) == ["RolloutStarted", "TrafficShifted shadow"]
    shifted = facts[1]
    assert isinstance(shifted, TrafficShifted)
    assert (shifted.revision, shifted.champion, shifted.challenger) == (2, version(1), version(2))
    assert (shifted.weight, shifted.salt) == (0.0, "rollout")


def test_the_shadow_judges_every_row_of_both_by_the_plan() -> None:
    settings = step_settings(in_shadow(), "began")
    assert settings is not None
    assert (settings.kind, settings.phase, settings.step, settings.weight) == ("paired", "shadow", 0, 0.0)
    assert (settings.revision, settings.champion, settings.challenger) == (2, 1, 2)
    assert (settings.margin, settings.alpha, settings.began) == (PLAN.margin, PLAN.alpha, "began")


def test_a_canary_step_judges_the_answers_around_the_champions_loss_of_the_step_before() -> None:
    settings = step_settings(in_canary(1), "began")
    assert settings is not None
    assert (settings.kind, settings.phase, settings.step, settings.weight) == ("split", "canary", 1, 0.2)
    assert (settings.margin, settings.centre, settings.revision) == (PLAN.canary_margin, 0.15, 3)


def test_the_bake_tries_the_new_champion_against_the_former() -> None:
    settings = step_settings(baking(), "began")
    assert settings is not None
    assert (settings.kind, settings.phase, settings.champion, settings.challenger) == ("paired", "bake", 1, 2)


@pytest.mark.parametrize("rollout", [champion_alone(1), passed(), Rollout.initial(MODEL)])
def test_nothing_is_tested_without_a_step(rollout: Rollout) -> None:
    assert step_settings(rollout, "began") is None


def test_a_newer_staged_version_takes_the_place_of_the_one_on_trial() -> None:
    before = in_canary(1)
    facts = stage(before, "next", version(3), PLAN)
    assert words(facts) == [
        "RolloutAborted superseded",
        "TrafficShifted champion",
        "RolloutStarted",
        "TrafficShifted shadow",
    ]
    assert [fact.revision for fact in facts if isinstance(fact, TrafficShifted)] == [4, 5]
    assert isinstance(facts[0], RolloutAborted)
    assert (facts[0].version, facts[0].rollout_id) == (2, "rollout")


@pytest.mark.parametrize("number", [1, 2])
def test_a_version_that_is_not_newer_leaves_the_trial_alone(number: int) -> None:
    assert stage(in_shadow(), "again", version(number), PLAN) == []


@pytest.mark.parametrize(("verdict", "out_of_time"), [("inconclusive", False)])
@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_step_without_a_verdict_goes_on(step: int, verdict: Verdict, out_of_time: bool) -> None:  # noqa: FBT001
    rollout = in_canary(step)
    assert settle(rollout, shown(rollout, verdict), out_of_time=out_of_time) == []


@pytest.mark.parametrize(("step", "weight"), [(0, 0.2), (1, 0.5)])
def test_a_passed_step_gives_the_challenger_the_next_weight(step: int, weight: float) -> None:
    rollout = in_canary(step)
    facts = settle(rollout, shown(rollout, "no_worse"), out_of_time=False)
    assert words(facts) == [f"RolloutAdvanced {step + 1}", "TrafficShifted canary"]
    advanced, shifted = facts
    assert isinstance(advanced, RolloutAdvanced)
    assert isinstance(shifted, TrafficShifted)
    assert advanced.weight == shifted.weight == weight
    assert (shifted.revision, shifted.champion, shifted.challenger) == (rollout.revision + 1, version(1), version(2))


def test_the_last_step_passed_is_the_registrys_to_judge() -> None:
    rollout = in_canary(2)
    assert words(settle(rollout, shown(rollout, "no_worse"), out_of_time=True)) == ["RolloutSucceeded"]


def test_a_plan_without_canary_steps_succeeds_from_the_shadow() -> None:
    before = champion_alone(1)
    plan = PLAN.model_copy(update={"steps": ()})
    rollout = told(before, stage(before, "rollout", version(2), plan))
    assert words(settle(rollout, shown(rollout, "no_worse"), out_of_time=False)) == ["RolloutSucceeded"]


def test_a_worse_shadow_harmed_nobody() -> None:
    rollout = in_shadow()
    facts = settle(rollout, shown(rollout, "worse"), out_of_time=False)
    assert words(facts) == ["RolloutAborted worse", "TrafficShifted champion"]


@pytest.mark.parametrize("step", [1, 2])
def test_a_worse_canary_breaches_a_guardrail(step: int) -> None:
    rollout = in_canary(step)
    facts = settle(rollout, shown(rollout, "worse"), out_of_time=False)
    assert words(facts) == ["GuardrailBreached worse", "RolloutAborted worse", "TrafficShifted champion"]
    after = told(rollout, facts)
    assert (after.champion, after.trial) == (version(1), None)


@pytest.mark.parametrize("verdict", ["no_worse", "inconclusive", "worse"])
@pytest.mark.parametrize("step", [0, 1, 2])
def test_errors_end_a_trial_whatever_its_answers_are_worth(step: int, verdict: Verdict) -> None:
    rollout = in_canary(step)
    facts = settle(rollout, shown(rollout, verdict, breached=True), out_of_time=False)
    assert words(facts) == ["GuardrailBreached errors", "RolloutAborted errors", "TrafficShifted champion"]
    assert isinstance(facts[0], GuardrailBreached)
    assert (facts[0].version, facts[0].phase) == (2, "canary" if step else "shadow")


@pytest.mark.parametrize("step", [0, 1, 2])
def test_patience_ends(step: int) -> None:
    rollout = in_canary(step)
    facts = settle(rollout, shown(rollout), out_of_time=True)
    assert words(facts) == ["RolloutAborted patience", "TrafficShifted champion"]


def test_evidence_of_an_older_route_decides_nothing() -> None:
    old = shown(in_shadow(), "worse", breached=True)
    assert settle(in_canary(1), old, out_of_time=True) == []


def test_a_trial_that_passed_is_not_settled_again() -> None:
    assert settle(passed(), shown(in_canary(2), "worse"), out_of_time=True) == []


def test_a_promoted_challenger_answers_and_the_former_champion_watches() -> None:
    before = passed()
    facts = promoted(before, version(2))
    assert words(facts) == ["TrafficShifted bake", "ModelDeployed"]
    shifted, deployed = facts
    assert isinstance(shifted, TrafficShifted)
    assert isinstance(deployed, ModelDeployed)
    assert (shifted.champion, shifted.challenger, shifted.weight) == (version(2), version(1), 0.0)
    assert shifted.revision == deployed.revision == before.revision + 1
    after = told(before, facts)
    assert after.trial is None
    assert after.bake is not None


def test_a_version_that_answers_already_is_not_deployed_again() -> None:
    assert promoted(baking(), version(2)) == []
    assert rolled_back(champion_alone(1), version(1)) == []


def test_a_promotion_of_another_version_ends_the_trial_against_the_former_champion() -> None:
    facts = promoted(in_shadow(), version(5))
    assert words(facts) == ["RolloutAborted superseded", "TrafficShifted bake", "ModelDeployed"]
    assert told(in_shadow(), facts).trial is None


def test_a_bake_ends_quietly() -> None:
    rollout = baking()
    for verdict in ("inconclusive", "no_worse"):
        assert settle(rollout, shown(rollout, verdict), out_of_time=False) == []
    facts = settle(rollout, shown(rollout, "no_worse"), out_of_time=True)
    assert words(facts) == ["TrafficShifted champion"]
    after = told(rollout, facts)
    assert (after.champion, after.bake, after.revision) == (version(2), None, rollout.revision + 1)


def waiting() -> Rollout:
    """Version 3 was staged while version 2 bakes."""
    before = baking()
    return told(before, stage(before, "next", version(3), PLAN))


def test_a_version_that_is_staged_in_a_bake_waits_for_its_end() -> None:
    before = baking()
    facts = stage(before, "next", version(3), PLAN)
    assert words(facts) == ["RolloutStarted"]
    assert step_settings(told(before, facts), "began") == step_settings(before, "began")
    rollout = waiting()
    ended = settle(rollout, shown(rollout), out_of_time=True)
    assert words(ended) == ["TrafficShifted shadow"]
    shifted = ended[0]
    assert isinstance(shifted, TrafficShifted)
    assert (shifted.champion, shifted.challenger, shifted.salt) == (version(2), version(3), "next")
    settings = step_settings(told(rollout, ended), "began")
    assert settings is not None
    assert (settings.phase, settings.champion, settings.challenger) == ("shadow", 2, 3)


def test_a_bake_that_shows_harm_is_told_though_a_version_waits() -> None:
    rollout = waiting()
    breached = settle(rollout, shown(rollout, "worse"), out_of_time=False)
    assert words(breached) == ["GuardrailBreached worse", "TrafficShifted shadow"]
    after = told(rollout, breached)
    assert isinstance(breached[0], GuardrailBreached)
    assert (breached[0].version, breached[0].phase) == (2, "bake")
    assert words(rolled_back(after, version(1))) == [
        "RolloutAborted superseded",
        "TrafficShifted champion",
        "ModelDeployed",
    ]


def test_a_version_that_waits_gives_way_without_an_end_of_the_bake() -> None:
    rollout = waiting()
    assert words(stage(rollout, "newer", version(4), PLAN)) == ["RolloutAborted superseded", "RolloutStarted"]
    taken_out = withdraw(rollout, 3, "person")
    assert words(taken_out) == ["RolloutAborted person"]
    assert told(rollout, taken_out).bake == rollout.bake
    assert words(promoted(rollout, version(3))) == ["TrafficShifted bake", "ModelDeployed"]


@pytest.mark.parametrize(
    ("verdict", "breached", "guardrail"), [("worse", False, "worse"), ("inconclusive", True, "errors")]
)
def test_a_bake_that_shows_harm_breaches_once(verdict: Verdict, breached: bool, guardrail: str) -> None:  # noqa: FBT001
    rollout = baking()
    facts = settle(rollout, shown(rollout, verdict, breached=breached), out_of_time=False)
    assert words(facts) == [f"GuardrailBreached {guardrail}", "TrafficShifted champion"]
    assert isinstance(facts[0], GuardrailBreached)
    assert (facts[0].phase, facts[0].version, facts[0].rollout_id) == ("bake", 2, "rollout")
    assert step_settings(told(rollout, facts), "began") is None


def test_a_rollback_gives_the_requests_to_the_former_champion_alone() -> None:
    before = baking()
    facts = rolled_back(before, version(1))
    assert words(facts) == ["TrafficShifted champion", "ModelDeployed"]
    after = told(before, facts)
    assert (after.champion, after.bake, after.trial) == (version(1), None, None)


def test_a_rollback_ends_the_trial_under_way() -> None:
    before = in_shadow()
    facts = rolled_back(before, version(0))
    assert words(facts) == ["RolloutAborted superseded", "TrafficShifted champion", "ModelDeployed"]
    assert told(before, facts).revision == before.revision + 1


@pytest.mark.parametrize("reason", ["denied", "person"])
@pytest.mark.parametrize("rollout", [in_shadow(), in_canary(2), passed()])
def test_a_trial_taken_out_leaves_the_champion(rollout: Rollout, reason: AbortReason) -> None:
    facts = withdraw(rollout, 2, reason)
    assert words(facts) == [f"RolloutAborted {reason}", "TrafficShifted champion"]
    after = told(rollout, facts)
    assert (after.champion, after.trial, after.revision) == (version(1), None, rollout.revision + 1)


def test_a_first_version_taken_out_leaves_no_route() -> None:
    staged = Rollout.initial(MODEL)
    staged = told(staged, stage(staged, "rollout", version(1), PLAN))
    assert words(withdraw(staged, 1, "denied")) == ["RolloutAborted denied"]


@pytest.mark.parametrize("rollout", [in_shadow(), champion_alone(1), baking(), Rollout.initial(MODEL)])
def test_taking_out_what_is_not_on_trial_changes_nothing(rollout: Rollout) -> None:
    assert withdraw(rollout, 1, "person") == []
