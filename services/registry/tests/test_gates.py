import pytest
from registry_facts import define, evaluation, trained

from pelton.contracts.definitions import GateDefinition
from pelton.contracts.values import Evaluation
from pelton.registry.domain.gates import check_gates, judge
from pelton.registry.domain.refusals import InvalidDefinition

GATES = define().gates


def verdicts(gates: GateDefinition, champion: int | None = None, **changes: Evaluation) -> dict[str, bool]:
    return {gate.name: gate.passed for gate in judge(gates, trained(2, None, **changes), champion)}


def test_a_first_version_passes_and_its_champion_gate_says_that_there_was_none() -> None:
    gates = judge(GATES, trained(1), None)
    assert [(gate.name, gate.passed, gate.value) for gate in gates] == [
        ("auc_floor", True, 0.7),
        ("brier_ceiling", True, 0.15),
        ("champion_margin", True, None),
    ]
    assert gates[-1].reason == "there is no champion to compare with"


@pytest.mark.parametrize(("auc", "passed"), [(0.6, True), (0.599, False), (None, False)])
def test_a_floor_is_inclusive_and_an_undefined_metric_fails_it(auc: float | None, *, passed: bool) -> None:
    assert verdicts(GATES, evaluation=evaluation(auc=auc))["auc_floor"] is passed


@pytest.mark.parametrize(("brier", "passed"), [(0.2, True), (0.201, False)])
def test_a_ceiling_is_inclusive(brier: float, *, passed: bool) -> None:
    assert verdicts(GATES, evaluation=evaluation(brier))["brier_ceiling"] is passed


@pytest.mark.parametrize(("theirs", "passed"), [(0.15, True), (0.14, True), (0.139, False), (0.3, True)])
def test_the_champion_gate_allows_its_margin(theirs: float, *, passed: bool) -> None:
    beside = {"champion_version": 1, "champion_evaluation": evaluation(theirs)}
    (gate,) = judge(GateDefinition(champion_margin=0.01), trained(2, None, **beside), 1)
    assert gate.passed is passed
    assert gate.value == float(f"{0.15 - theirs:.12g}")


def test_a_champion_evaluated_on_other_rows_proves_nothing() -> None:
    beside = {"champion_version": 1, "champion_evaluation": evaluation(0.3, rows=499)}
    (gate,) = judge(GateDefinition(champion_margin=0.01), trained(2, None, **beside), 1)
    assert not gate.passed
    assert "not the same rows" in gate.reason


@pytest.mark.parametrize(
    ("champion", "beside", "words"),
    [
        (1, {"champion_version": 1, "champion_skipped": "its input x is not in the dataset"}, "its input x is not in"),
        (1, {}, "there was no champion when this was trained"),
        (3, {"champion_version": 1, "champion_evaluation": evaluation()}, "v1 was the champion when this was trained"),
    ],
)
def test_a_champion_gate_that_cannot_compare_with_the_present_champion_says_why(
    champion: int, beside: dict[str, object], words: str
) -> None:
    (gate,) = judge(GateDefinition(champion_margin=0.01), trained(2, None, **beside), champion)
    assert gate.passed
    assert words in gate.reason


@pytest.mark.parametrize(
    ("gates", "field"),
    [
        ({"floors": {"brier": 0.1}}, "definition.gates.floors.brier"),
        ({"ceilings": {"f1": 0.1}}, "definition.gates.ceilings.f1"),
    ],
)
def test_a_gate_on_an_unknown_metric_is_refused_with_its_field(gates: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidDefinition, match="is no metric of") as refused:
        check_gates(GateDefinition.model_validate(gates))
    assert refused.value.field == field
