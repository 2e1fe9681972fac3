from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from registry_facts import CODE, MODEL, aborted, artifact, breached, define, evaluation, person, succeeded, trained

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.registry import ModelPromoted, ModelRolledBack, ModelStageChanged, RunFinished
from pelton.contracts.values import Artifact
from pelton.registry.domain import approvals, promotion, transitions
from pelton.registry.domain.model import Model
from pelton.registry.domain.refusals import (
    ArtifactMismatch,
    IllegalMove,
    NothingToDecide,
    NothingToRollBackTo,
    OwnRequest,
    UnknownVersion,
)
from pelton.registry.domain.registration import loosened_approval, register
from pelton.registry.domain.training import UnknownDefinitionError, conclude

DEPLOYER = "service:deployer"
NOW = datetime(2013, 3, 1, tzinfo=UTC)
Step = Callable[[Model], Sequence[Fact]]


def given(*steps: Step, definition: ModelDefinition | None = None) -> Model:
    model = Model.initial(MODEL)
    for step in (lambda m: register(m, definition or define(), CODE), *steps):
        for fact in step(model):
            model = model.evolve(fact)
    return model


def training(number: int, definition: ModelDefinition | None = None, **changes: object) -> Step:
    return lambda model: conclude(model, trained(number, definition, **changes), NOW)


def success(version: int) -> Step:
    return lambda model: promotion.succeed(model, succeeded(version).version, DEPLOYER, NOW)


def names(facts: Sequence[Fact]) -> list[str]:
    moves = [f" {fact.from_stage}→{fact.to_stage}" if isinstance(fact, ModelStageChanged) else "" for fact in facts]
    return [type(fact).__name__ + move for fact, move in zip(facts, moves, strict=True)]


def champions(*numbers: int) -> list[Step]:
    return [step for number in numbers for step in (training(number), success(number))]


def test_registering_the_same_again_is_no_fact_and_other_code_is() -> None:
    model = given()
    assert register(model, define(), CODE) == []
    other = Artifact(digest=sha256(b"other code"), size=1, format="code-bundle")
    assert names(register(model, define(), other)) == ["ModelRegistered"]
    assert names(register(model, define(description="new"), CODE)) == ["ModelRegistered"]


@pytest.mark.parametrize(
    ("before", "after", "role"),
    [
        (person(), define(), "approver"),
        (person(role="admin"), person(), "admin"),
        (define(), person(), None),
        (person(), person(role="admin"), None),
        (person(), person(), None),
    ],
)
def test_asking_for_less_approval_needs_the_role_that_approves_now(
    before: ModelDefinition, after: ModelDefinition, role: str | None
) -> None:
    assert loosened_approval(given(definition=before), after) == role


def test_a_training_that_passes_its_gates_becomes_a_staged_version() -> None:
    facts = conclude(given(), trained(1), NOW)
    assert names(facts) == [
        "RunFinished",
        "ModelVersionCreated",
        "ModelVersionValidated",
        "ModelStageChanged development→staging",
    ]
    run = facts[0]
    assert isinstance(run, RunFinished)
    assert run.parameters == {"leaves": 15, "layers": "[10,5]"}
    assert run.metrics["brier"] == 0.15
    details = given(training(1)).version(1).details
    assert (details.version, details.inputs) == (1, ("distance", "route__delay_mean_1d"))


def test_a_training_that_fails_a_gate_is_archived_with_the_reason() -> None:
    facts = conclude(given(), trained(1, evaluation=evaluation(0.3)), NOW)
    assert names(facts)[2:] == ["ModelVersionRejected", "ModelStageChanged development→archived"]
    assert isinstance(facts[3], ModelStageChanged)
    assert facts[3].reason == "failed 1 of 3 gates: brier 0.3 is above the ceiling 0.2"


def test_a_training_reported_twice_is_one_version() -> None:
    assert conclude(given(training(1)), trained(1), NOW) == []


def test_a_version_belongs_to_the_definition_it_was_trained_by() -> None:
    newer = define(threshold=0.3, gates={"ceilings": {"brier": 0.01}})
    model = given(lambda m: register(m, newer, CODE), training(1))
    assert model.version(1).stage == "staging"
    assert model.version(1).details.threshold == 0.5


def test_a_training_by_an_unknown_definition_is_an_error() -> None:
    with pytest.raises(UnknownDefinitionError, match="which late never had"):
        conclude(given(), trained(1, define(description="never registered")), NOW)


def test_an_automatic_approval_promotes_at_once() -> None:
    facts = promotion.succeed(given(training(1)), 1, DEPLOYER, NOW)
    assert names(facts) == ["ApprovalGranted", "ModelStageChanged staging→production", "ModelPromoted"]


def test_the_champion_leaves_production_before_its_successor_enters() -> None:
    facts = promotion.succeed(given(*champions(1), training(2)), 2, DEPLOYER, NOW)
    assert names(facts)[1:3] == ["ModelStageChanged production→archived", "ModelStageChanged staging→production"]
    assert isinstance(facts[3], ModelPromoted)
    assert (facts[3].version, facts[3].previous) == (2, 1)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [training(1, evaluation=evaluation(0.3))],
        [*champions(1)],
        [training(1), lambda model: promotion.abort(model, aborted(1))],
    ],
    ids=["unknown", "rejected", "promoted", "aborted"],
)
def test_a_success_of_a_version_that_is_not_in_staging_changes_nothing(steps: list[Step]) -> None:
    model = given(*steps)
    assert promotion.succeed(model, 1, DEPLOYER, NOW) == []
    assert promotion.abort(model, aborted(1)) == []


def test_an_aborted_rollout_archives_its_version_and_voids_what_was_asked() -> None:
    definition = person()
    model = given(training(1, definition), success(1), definition=definition)
    assert model.version(1).pending is not None
    model = given(
        training(1, definition),
        success(1),
        lambda m: promotion.abort(m, aborted(1, "superseded")),
        definition=definition,
    )
    assert (model.version(1).stage, model.version(1).pending) == ("archived", None)
    with pytest.raises(NothingToDecide, match="late v1 is in archived"):
        approvals.approve(model, 1, artifact(1), "ann", "fine", NOW)


def asked() -> Model:
    definition = person()
    return given(training(1, definition), success(1), definition=definition)


def test_a_person_is_asked_once_and_lets_the_version_in() -> None:
    model = asked()
    assert promotion.succeed(model, 1, DEPLOYER, NOW) == []
    facts = approvals.approve(model, 1, artifact(1), "ann", "looks right", NOW)
    assert names(facts) == ["ApprovalGranted", "ModelStageChanged staging→production", "ModelPromoted"]


def test_a_denied_version_is_archived() -> None:
    facts = approvals.deny(asked(), 1, artifact(1), "ann", "unfair to short flights", NOW)
    assert names(facts) == ["ApprovalDenied", "ModelStageChanged staging→archived"]


@pytest.mark.parametrize("decide", [approvals.approve, approvals.deny])
def test_a_decision_about_another_artifact_is_refused(decide: Callable[..., object]) -> None:
    with pytest.raises(ArtifactMismatch, match="look at the version again"):
        decide(asked(), 1, artifact(2), "ann", "fine", NOW)


def test_a_promotion_by_hand_asks_a_second_person_even_where_the_policy_is_automatic() -> None:
    model = given(training(1), lambda m: transitions.move_by_hand(m, 1, "production", "bob", "urgent", NOW))
    assert model.version(1).stage == "staging"
    with pytest.raises(OwnRequest, match="bob requested"):
        approvals.approve(model, 1, artifact(1), "bob", "mine", NOW)
    with pytest.raises(IllegalMove, match="already waits for an approval that bob requested"):
        transitions.move_by_hand(model, 1, "production", "carl", "me too", NOW)
    assert names(approvals.approve(model, 1, artifact(1), "ann", "ok", NOW))[-1] == "ModelPromoted"
    assert names(promotion.succeed(model, 1, DEPLOYER, NOW))[-1] == "ModelPromoted"


@pytest.mark.parametrize(
    ("steps", "version", "to", "words"),
    [
        ([training(1)], 1, "development", "cannot go to development; from there it may go to production or archived"),
        (champions(1), 1, "archived", "needs a successor in production"),
        (champions(1, 2), 1, "production", "needs a rollback"),
        (champions(1, 2), 1, "staging", "cannot go to staging"),
        (champions(1), 1, "production", "cannot go to production; from there it may go to archived"),
    ],
)
def test_a_move_by_hand_that_the_table_does_not_allow_is_refused(
    steps: list[Step], version: int, to: str, words: str
) -> None:
    with pytest.raises(IllegalMove, match=words):
        transitions.move_by_hand(given(*steps), version, to, "bob", "because", NOW)  # type: ignore[arg-type]


def test_an_unknown_version_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownVersion, match="has no version 7; its versions are 1 to 2"):
        approvals.approve(given(*champions(1, 2)), 7, artifact(7), "ann", "ok", NOW)


def test_a_rollback_goes_back_one_champion_at_a_time() -> None:
    model = given(*champions(1, 2, 3))
    facts = promotion.roll_back(model, "too slow")
    assert names(facts) == [
        "ModelStageChanged production→archived",
        "ModelStageChanged archived→production",
        "ModelRolledBack",
    ]
    model = given(*champions(1, 2, 3), lambda m: promotion.roll_back(m, "too slow"))
    assert (model.champion, model.former) == (2, (1,))
    again = promotion.roll_back(model, "too slow as well")[-1]
    assert isinstance(again, ModelRolledBack)
    assert (again.from_version, again.version) == (2, 1)


def test_a_version_promoted_after_a_rollback_goes_back_to_the_one_before_it() -> None:
    model = given(*champions(1, 2), lambda m: promotion.roll_back(m, "bad"), *champions(3))
    assert (model.champion, model.former) == (3, (1,))


def test_without_a_former_champion_there_is_no_rollback() -> None:
    with pytest.raises(NothingToRollBackTo, match="no champion"):
        promotion.roll_back(given(), "bad")
    with pytest.raises(NothingToRollBackTo, match="late v1 is the first champion still standing"):
        promotion.roll_back(given(*champions(1)), "bad")
    assert promotion.breach(given(*champions(1)), breached(1)) == []


def test_a_guardrail_breached_in_bake_rolls_back_once() -> None:
    model = given(*champions(1, 2))
    assert names(promotion.breach(model, breached(2)))[-1] == "ModelRolledBack"
    after = given(*champions(1, 2), lambda m: promotion.breach(m, breached(2)))
    assert after.champion == 1
    assert promotion.breach(after, breached(2)) == []


def test_a_guardrail_that_a_former_champion_breached_is_no_news_for_its_successor() -> None:
    assert promotion.breach(given(*champions(1, 2, 3)), breached(2)) == []


def test_a_guardrail_breached_in_a_trial_is_left_to_the_rollouts_end() -> None:
    assert promotion.breach(given(*champions(1, 2)), breached(2, "canary")) == []
