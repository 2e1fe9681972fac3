"""When a model is trained again: given what happened, when something asks, then this."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import ModelDefinition, seconds
from pelton.contracts.fact import Fact
from pelton.contracts.trainer import (
    TrainingCompleted,
    TrainingDeferred,
    TrainingFailed,
    TrainingRequested,
    Trigger,
)
from pelton.contracts.values import Artifact, Environment, Evaluation, Window
from pelton.trainer.domain.policy import consider, fail
from pelton.trainer.domain.retraining import Retraining
from pelton.trainer.domain.triggers import Advance, due

Define = Callable[..., ModelDefinition]
CODE = Artifact(digest=sha256(b"code"), size=4, format="zip")
DAY_0 = datetime(2013, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return DAY_0 + timedelta(days=number)


def trigger(moment: datetime, kind: str = "drift") -> Trigger:
    return Trigger.model_validate({"kind": kind, "moment": moment, "event_id": "e", "detail": ""})


def after(*facts: Fact) -> Retraining:
    return reduce(Retraining.evolve, facts, Retraining.initial("late"))


def request(definition: ModelDefinition, state: Retraining, moment: datetime) -> TrainingRequested:
    (fact,) = consider(state, definition, CODE, trigger(moment))
    assert isinstance(fact, TrainingRequested)
    return fact


def ended(state: Retraining) -> Retraining:
    assert state.in_flight is not None
    return reduce(Retraining.evolve, fail(state, state.in_flight.training_id, "no rows"), state)


def test_a_training_sees_the_history_before_the_moment_and_its_seed_counts_on(define: Define) -> None:
    first = request(define(), after(), day(60))
    assert (first.training_id, first.seed, first.as_of) == ("late-1", 8, day(60))
    assert (first.span.start, first.span.end) == (day(0), day(60))
    assert (first.code, first.definition_digest) == (CODE, define().digest)
    second = request(define(), ended(after(first)), day(70))
    assert (second.training_id, second.seed) == ("late-2", 9)


def test_one_training_at_a_time_and_the_deferral_is_said_once(define: Define) -> None:
    state = after(request(define(), after(), day(60)))
    (deferral,) = consider(state, define(), CODE, trigger(day(80)))
    assert isinstance(deferral, TrainingDeferred)
    assert (deferral.reason, deferral.until) == ("in_flight", None)
    assert consider(state.evolve(deferral), define(), CODE, trigger(day(81))) == []
    (other,) = consider(state.evolve(deferral), define(), CODE, trigger(day(81), "degradation"))
    assert isinstance(other, TrainingDeferred)


def test_after_a_training_the_model_rests_until_a_moment_that_the_deferral_names(define: Define) -> None:
    state = ended(after(request(define(), after(), day(60))))
    (deferral,) = consider(state, define(), CODE, trigger(day(66.9)))
    assert isinstance(deferral, TrainingDeferred)
    assert (deferral.reason, deferral.until) == ("cooldown", day(67))
    request(define(), state.evolve(deferral), day(67))


def test_worse_predictions_have_a_cooldown_of_their_own(define: Define) -> None:
    triggers = {"first_after": "59d", "cooldown": "7d", "budget": 3, "budget_period": "60d"}
    definition = define(triggers=triggers | {"degradation_cooldown": "2d"})
    state = ended(after(request(definition, after(), day(60))))
    (drift,) = consider(state, definition, CODE, trigger(day(63), "drift"))
    (early,) = consider(state, definition, CODE, trigger(day(61), "degradation"))
    (due_now,) = consider(state, definition, CODE, trigger(day(62), "degradation"))
    assert isinstance(drift, TrainingDeferred)
    assert isinstance(early, TrainingDeferred)
    assert early.until == day(62)
    assert isinstance(due_now, TrainingRequested)


def test_a_spent_budget_lasts_until_its_oldest_training_is_a_period_old(define: Define) -> None:
    definition = define()
    state = after()
    for moment in (60, 70, 80):
        state = ended(state.evolve(request(definition, state, day(moment))))
    (deferral,) = consider(state, definition, CODE, trigger(day(119.9)))
    assert isinstance(deferral, TrainingDeferred)
    assert (deferral.reason, deferral.until) == ("budget", day(120))
    request(definition, state.evolve(deferral), day(120))


def test_what_has_ended_does_not_end_again(define: Define) -> None:
    state = after(request(define(), after(), day(60)))
    (failed,) = fail(state, "late-1", "no rows")
    assert isinstance(failed, TrainingFailed)
    assert fail(state.evolve(failed), "late-1", "no rows") == []


def advance(watermark: datetime) -> Advance:
    return Advance(watermark=watermark, first_event=day(0.2), event_id="advanced")


def test_the_first_champion_waits_for_history_and_its_labels(define: Define) -> None:
    definition = define()
    assert due(after(), definition, advance(day(60.9)), champion=False, archived=None) is None
    asked = due(after(), definition, advance(day(61.1)), champion=False, archived=None)
    assert asked is not None
    assert (asked.kind, asked.moment, asked.event_id) == ("first", day(61), "advanced")


def test_a_first_training_without_a_champion_is_tried_again_after_the_cooldown_and_not_before(define: Define) -> None:
    under_way = after(request(define(), after(), day(61)))
    assert due(under_way, define(), advance(day(90)), champion=False, archived=None) is None
    over = ended(under_way)
    assert due(over, define(), advance(day(67)), champion=False, archived=None) is None
    assert due(over, define(), advance(day(68)), champion=False, archived=None) is not None


def test_a_first_version_that_may_still_be_promoted_is_waited_for(define: Define) -> None:
    evaluation = Evaluation(rows=2, positives=1, brier=0.1, brier_variance=0.1, log_loss=0.1, accuracy=1, auc=None)
    completed = TrainingCompleted(
        training_id="late-1",
        model="late",
        dataset=CODE.digest,
        artifact=CODE,
        code=CODE.digest,
        definition_digest=CODE.digest,
        views={},
        candidates=(),
        chosen=0,
        train_span=Window(start=day(0), end=day(50)),
        holdout_span=Window(start=day(51), end=day(61)),
        evaluation=evaluation,
        champion_version=None,
        champion_evaluation=None,
        seed=8,
        environment=Environment(python="", platform="", lock_digest=CODE.digest, packages={}, cpu_count=1),
        duration_seconds=1,
    )
    state = after(request(define(), after(), day(61)), completed)
    assert due(state, define(), advance(day(90)), champion=False, archived=None) is None
    again = due(state, define(), advance(day(90)), champion=False, archived="late-1")
    assert again is not None
    assert again.kind == "first"


@pytest.mark.parametrize(
    ("setting", "at", "expected"),
    [
        ({"triggers__new_data": "30d"}, 90.9, None),
        ({"triggers__new_data": "30d"}, 91, "new_data"),
        ({"triggers__schedule": "7d"}, 63, None),  # 2013-03-05
        ({"triggers__schedule": "7d"}, 65, "schedule"),  # 2013-03-07, a Thursday as 1970-01-01 was
        ({}, 300, None),
    ],
)
def test_with_a_champion_data_and_schedule_ask_in_event_time(
    define: Define, setting: dict[str, str], at: float, expected: str | None
) -> None:
    state = ended(after(request(define(), after(), day(61))))
    asked = due(state, define(**setting), advance(day(at)), champion=True, archived=None)
    assert (asked.kind if asked else None) == expected


KINDS = st.sampled_from(["drift", "degradation", "new_data", "manual"])
STEPS = st.lists(st.tuples(st.floats(-2, 20), KINDS, st.booleans()), max_size=60)


def run(definition: ModelDefinition, steps: Sequence[tuple[float, str, bool]]) -> list[Fact]:
    """Triggers `gap` days apart, some of them late; before some, the training under way ends."""
    state, moment, history = after(), day(60), list[Fact]()
    for gap, kind, end in steps:
        moment += timedelta(days=gap)
        if end and state.in_flight is not None:
            facts: Sequence[Fact] = fail(state, state.in_flight.training_id, "no rows")
            history += facts
            state = reduce(Retraining.evolve, facts, state)
        before = state
        decided = consider(state, definition, CODE, trigger(moment, kind))
        history += decided
        state = reduce(Retraining.evolve, decided, state)
        if before.in_flight is not None:
            assert not any(isinstance(fact, TrainingRequested) for fact in decided)
    return history


@given(STEPS)
def test_the_policy_keeps_its_word_whatever_asks(define: Define, steps: list[tuple[float, str, bool]]) -> None:
    definition = define()
    history = run(definition, steps)
    assert run(definition, steps) == history
    moments = [fact.trigger.moment for fact in history if isinstance(fact, TrainingRequested)]
    cooldown = timedelta(seconds=seconds(definition.triggers.cooldown))
    period = timedelta(seconds=seconds(definition.triggers.budget_period))
    assert all(later - earlier >= cooldown for earlier, later in pairwise(moments))
    assert all(sum(start <= m < start + period for m in moments) <= definition.triggers.budget for start in moments)
    said = set[tuple[str, str]]()
    for fact in history:
        if isinstance(fact, TrainingDeferred):
            assert (fact.trigger.kind, fact.reason) not in said
            said.add((fact.trigger.kind, fact.reason))
        else:
            said.clear()
