"""Gates on evidence, and the test that a version is no worse than the champion."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_facts import define, evaluation, trained
from scipy import stats

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import ChampionTest, EvidenceGates, GateDefinition, LatencyLimit
from pelton.contracts.evidence import Comparison, Evidence, Fairness, Latency
from pelton.contracts.registry import Gate
from pelton.registry.domain.evidence_gates import Shown, judge_evidence
from pelton.registry.domain.gates import judge
from pelton.registry.domain.noninferiority import p_value, student_cdf

HOW = "measure it"


def comparison(mean: float, variance: float, rows: int = 100, against: int = 1) -> Comparison:
    return Comparison(against=against, dataset=sha256(b"rows"), loss="brier", rows=rows, mean=mean, variance=variance)


def shown(**changes: Any) -> Shown:  # noqa: ANN401 - the fields of what is shown
    fields: dict[str, Any] = {
        "metrics": {},
        "evidence": None,
        "inputs": ("distance",),
        "unsafe_files": (),
        "champion": 1,
        "served": 1,
        "served_inputs": ("distance", "hour"),
        "how": HOW,
    }
    return Shown(**(fields | changes))


def only(gates: EvidenceGates, what: Shown) -> Gate:
    (gate,) = judge_evidence(gates, what)
    return gate


@given(st.floats(-40, 40), st.integers(1, 200_000))
def test_students_distribution_is_that_of_scipy(t: float, degrees: int) -> None:
    assert student_cdf(t, degrees) == pytest.approx(stats.t.cdf(t, degrees), rel=1e-7, abs=1e-300)


@given(st.integers(2, 60), st.floats(-1, 1), st.floats(0.01, 2), st.floats(0, 0.5), st.integers(0, 2**32 - 1))
def test_the_p_value_is_that_of_scipys_one_sided_paired_test(
    rows: int, shift: float, spread: float, margin: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    champion = random.normal(0, 1, rows)
    challenger = champion + random.normal(shift, spread, rows)
    differences = challenger - champion
    found = p_value(comparison(differences.mean(), differences.var(ddof=1), rows), margin)
    expected = stats.ttest_rel(challenger, champion + margin, alternative="less").pvalue
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_a_version_as_bad_as_the_margin_passes_no_more_often_than_alpha() -> None:
    """Losses of squared probabilities are skewed: the level must hold for them, and a better version must pass."""
    random = np.random.default_rng(7)
    rows, trials, alpha, margin = 400, 4000, 0.05, 0.02
    truth = random.random((trials, rows)) < 0.3
    champion = np.clip(random.beta(2, 4, (trials, rows)), 0.01, 0.99)
    noise = random.normal(0, 0.1, (trials, rows))
    differences = (np.clip(champion + noise, 0, 1) - truth) ** 2 - (champion - truth) ** 2
    worst = differences - differences.mean() + margin  # exactly as bad as is not allowed
    equal = differences - differences.mean()

    def passed(losses: np.ndarray) -> float:
        verdicts = [p_value(comparison(one.mean(), one.var(ddof=1), rows), margin) <= alpha for one in losses]
        return float(np.mean(verdicts))

    assert passed(worst) <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / trials)
    assert passed(equal) > 0.9


@pytest.mark.parametrize(
    ("mean", "variance", "margin", "passed"),
    [
        (-0.01, 0.001, 0.0, True),
        (0.0, 0.001, 0.0, False),
        (0.0, 0.001, 0.01, True),
        (0.004, 0.00001, 0.005, True),
        (0.004, 0.01, 0.005, False),
        (-0.01, 0.0, 0.0, True),
        (0.0, 0.0, 0.0, False),
    ],
)
def test_the_champion_test_passes_what_is_proven_within_the_margin(
    mean: float, variance: float, margin: float, *, passed: bool
) -> None:
    gates = EvidenceGates(champion_test=ChampionTest(alpha=0.05, margin=margin))
    gate = only(gates, shown(evidence=Evidence(comparison=comparison(mean, variance))))
    assert gate.passed is passed


def test_a_comparison_with_another_champion_or_with_none_proves_nothing() -> None:
    gates = EvidenceGates(champion_test=ChampionTest())
    stale = only(gates, shown(evidence=Evidence(comparison=comparison(-1, 0.1, against=3))))
    assert (stale.passed, stale.reason) == (
        False,
        "the champion is v1, and it was compared with v3 row by row; measure it",
    )
    missing = only(gates, shown())
    assert (missing.passed, HOW in missing.reason) == (False, True)
    assert only(gates, shown(champion=None)).passed


@pytest.mark.parametrize(
    ("measures", "undefined", "passed", "words"),
    [
        ({"demographic_parity_difference": 0.1}, {}, True, "is not above the ceiling 0.1"),
        ({"demographic_parity_difference": 0.11}, {}, False, "is above the ceiling 0.1"),
        ({}, {"demographic_parity_difference": "a group has no positives"}, False, "a group has no positives"),
        ({}, {}, False, HOW),
    ],
)
def test_fairness_is_limited_by_attribute_and_measure(
    measures: dict[str, float], undefined: dict[str, str], words: str, *, passed: bool
) -> None:
    gates = EvidenceGates(fairness={"carrier": {"demographic_parity_difference": 0.1}})
    evidence = Evidence(fairness=(Fairness(attribute="carrier", measures=measures, undefined=undefined),))
    gate = only(gates, shown(evidence=evidence))
    assert gate.name == "fairness:carrier:demographic_parity_difference"
    assert gate.passed is passed
    assert words in gate.reason


@pytest.mark.parametrize(("ratio", "passed"), [(0.8, True), (0.79, False)])
def test_a_ratio_is_limited_from_below(ratio: float, *, passed: bool) -> None:
    gates = EvidenceGates(fairness={"carrier": {"demographic_parity_ratio": 0.8}})
    evidence = Evidence(fairness=(Fairness(attribute="carrier", measures={"demographic_parity_ratio": ratio}),))
    assert only(gates, shown(evidence=evidence)).passed is passed


def test_each_latency_that_is_limited_is_a_gate() -> None:
    gates = EvidenceGates(latency=LatencyLimit(p50_ms=1, p99_ms=5))
    fast = Evidence(latency=Latency(rows=100, p50_ms=0.5, p99_ms=6))
    assert [(gate.name, gate.passed) for gate in judge_evidence(gates, shown(evidence=fast))] == [
        ("latency_p50_ms", True),
        ("latency_p99_ms", False),
    ]
    assert all(not gate.passed and HOW in gate.reason for gate in judge_evidence(gates, shown()))


@pytest.mark.parametrize(
    ("changes", "passed", "words"),
    [
        ({}, True, "callers of v1 send every input"),
        ({"inputs": ("distance", "wind")}, False, "callers of v1 do not send wind"),
        ({"inputs": None}, False, "the version has no signature"),
        ({"served_inputs": None}, False, "the champion v1 has no signature"),
        ({"served": None}, True, "no champion that anybody calls"),
    ],
)
def test_no_input_comes_in_that_callers_do_not_send(changes: dict[str, object], words: str, *, passed: bool) -> None:
    gate = only(EvidenceGates(compatible_inputs=True), shown(**changes))
    assert gate.passed is passed
    assert words in gate.reason


@pytest.mark.parametrize(("files", "passed"), [((), True), (("model.pkl",), False), (None, False)])
def test_files_that_run_code_or_that_nobody_can_see_are_kept_out(
    files: tuple[str, ...] | None, *, passed: bool
) -> None:
    gate = only(EvidenceGates(safe_formats=True), shown(unsafe_files=files))
    assert gate.passed is passed
    assert files is None or all(name in gate.reason for name in files)


def test_a_training_is_judged_by_its_evidence_too() -> None:
    gates = GateDefinition(champion_test=ChampionTest(margin=0.01), safe_formats=True, compatible_inputs=True)
    beside = {"champion_version": 1, "champion_evaluation": evaluation(0.15)}
    evidence = Evidence(comparison=comparison(0.0, 0.0001))
    good = judge(gates, trained(2, None, evidence=evidence, **beside), 1, ("distance",), ("distance",))
    assert [(gate.name, gate.passed) for gate in good] == [
        ("champion_test", True),
        ("compatible_inputs", True),
        ("safe_formats", True),
    ]
    bad = judge(gates, trained(2, None, **beside), 1, ("wind",), ("distance",))
    assert [gate.passed for gate in bad] == [False, False, True]
    assert define().gates.champion_test is None
