"""When variants end by themselves, and what they need to begin."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from registry_facts import aborted, artifact

from pelton.contracts.definitions import Approvers, StagePolicy
from pelton.contracts.fact import Fact
from pelton.contracts.registry import Variant, VariantsEnded
from pelton.contracts.values import Artifact
from pelton.registry.domain import approvals, catalogue, policies, promotion, transitions, variants
from pelton.registry.domain.catalogue import Draft
from pelton.registry.domain.model import Model
from pelton.registry.domain.policies import Seen
from pelton.registry.domain.refusals import InvalidVariants

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SAFE = Seen(unsafe_files=())


def after(model: Model, facts: Sequence[Fact]) -> Model:
    for fact in facts:
        model = model.evolve(fact)
    return model


def move(model: Model, number: int, to: str) -> Sequence[Fact]:
    return transitions.move_by_hand(model, number, to, "ann", "go", NOW, SAFE)  # type: ignore[arg-type]


def compare(model: Model, first: int, second: int) -> Sequence[Fact]:
    arms = [Variant(name="a", version=first, weight=0.5), Variant(name="b", version=second, weight=0.5)]
    return variants.configure(model, arms, "customer", "salt", "compare")


def ended(model: Model, facts: Sequence[Fact]) -> list[str]:
    """The reasons for which the variants end, all of them said after the facts themselves."""
    concluded = variants.with_end(model, facts)
    assert concluded[: len(facts)] == facts
    return [fact.reason for fact in concluded[len(facts) :] if isinstance(fact, VariantsEnded)]


@pytest.fixture
def model() -> Model:
    """Four versions: the former champion 1 and the champion 2 in production, 3 and 4 in staging."""
    found = after(Model.initial("late"), catalogue.create(Model.initial("late"), "late"))
    for number in (1, 2, 3, 4):
        content = Artifact(digest=artifact(number), size=1, format="onnx")
        found = after(found, catalogue.log(found, Draft("here", artifact=content)))
    for number, stage in ((1, "production"), (2, "production"), (3, "staging"), (4, "staging")):
        found = after(found, move(found, number, stage))
    return found


def test_a_model_without_a_champion_has_no_variants(model: Model) -> None:
    for number in (1, 2):
        model = after(model, move(model, number, "archived"))
    with pytest.raises(InvalidVariants, match="promote a version first"):
        compare(model, 3, 4)


@pytest.mark.parametrize("to", ["archived", "development"])
def test_they_end_when_one_of_them_leaves_service_and_not_when_another_version_does(model: Model, to: str) -> None:
    model = after(model, compare(model, 2, 3))
    assert ended(model, move(model, 3, to)) == ["out of service: b (v3)"]
    assert ended(model, move(model, 4, to)) == []
    assert ended(model, move(model, 3, "production")) == []


def test_they_end_when_one_of_them_is_denied_or_its_rollout_aborted(model: Model) -> None:
    policy = StagePolicy(approvals=Approvers())
    model = after(model, policies.set_policy(model, "production", policy, "rules"))
    model = after(model, compare(model, 2, 3))
    model = after(model, move(model, 3, "production"))
    assert ended(model, approvals.deny(model, 3, artifact(3), "bob", "no", NOW)) == ["out of service: b (v3)"]
    assert ended(model, promotion.abort(model, aborted(3))) == ["out of service: b (v3)"]


def test_they_end_when_a_successor_archives_the_champion_among_them(model: Model) -> None:
    model = after(model, policies.set_policy(model, "production", StagePolicy(), "rules"))
    model = after(model, compare(model, 2, 3))
    assert ended(model, move(model, 4, "production")) == ["out of service: a (v2)"]


def test_they_end_with_a_rollback_even_of_a_champion_that_is_none_of_them(model: Model) -> None:
    model = after(model, compare(model, 3, 4))
    assert ended(model, promotion.roll_back(model, "worse")) == ["the champion was rolled back to v1"]


def test_they_end_when_nobody_is_left_to_stand_in(model: Model) -> None:
    model = after(model, move(model, 1, "archived"))
    model = after(model, compare(model, 3, 4))
    assert ended(model, move(model, 2, "archived")) == ["there is no champion any more"]


def test_what_a_person_ends_is_ended_once(model: Model) -> None:
    assert ended(model, move(model, 3, "archived")) == []
    model = after(model, compare(model, 2, 3))
    assert ended(model, variants.end(model, "done")) == []
