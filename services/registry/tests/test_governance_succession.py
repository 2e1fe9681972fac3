"""What a promotion leaves behind where moves were free before."""

from collections.abc import Sequence
from datetime import UTC, datetime

from registry_facts import artifact

from pelton.contracts.definitions import StagePolicy
from pelton.contracts.fact import Fact
from pelton.contracts.registry import ModelPromoted, ModelStageChanged
from pelton.contracts.values import Artifact
from pelton.registry.domain import catalogue, policies, transitions
from pelton.registry.domain.catalogue import Draft
from pelton.registry.domain.model import Model
from pelton.registry.domain.policies import Seen

START = datetime(2026, 1, 1, tzinfo=UTC)
SAFE = Seen(unsafe_files=())


def test_a_governed_promotion_leaves_one_version_in_production() -> None:
    """Also where several stood there while moves were free."""
    model = Model.initial("loans")

    def then(facts: Sequence[Fact]) -> Sequence[Fact]:
        nonlocal model
        for fact in facts:
            model = model.evolve(fact)
        return facts

    then(catalogue.create(model, "loans"))
    for number in (1, 2, 3):
        content = Artifact(digest=artifact(number), size=1, format="onnx")
        then(catalogue.log(model, Draft("here", artifact=content)))
    for number in (1, 2):
        then(transitions.move_by_hand(model, number, "production", "ann", "go", START))
    then(policies.set_policy(model, "production", StagePolicy(), "rules"))
    then(transitions.move_by_hand(model, 3, "staging", "ann", "go", START, SAFE))
    facts = then(transitions.move_by_hand(model, 3, "production", "ann", "go", START, SAFE))
    moves = [(fact.version, fact.to_stage) for fact in facts if isinstance(fact, ModelStageChanged)]
    assert moves == [(1, "archived"), (2, "archived"), (3, "production")]
    assert isinstance(facts[-1], ModelPromoted)
    assert (facts[-1].previous, model.former) == (2, (1, 2))
