import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.deployer.sequential import GuardrailVerdict, RateGuardrail, UnfitObservationsError


def fresh(ceiling: float = 0.05) -> RateGuardrail:
    return RateGuardrail(ceiling=ceiling, alpha=0.01)


def mixture_by_definition(ceiling: float, answers: int, failures: int) -> float:
    total = Fraction(0)
    allowed = Fraction(str(ceiling))
    for k in range(24):
        odds = allowed / (1 - allowed) * (1 + Fraction(math.sqrt(2.0**k)) / 10)
        rate = odds / (1 + odds)
        total += (rate / allowed) ** failures * ((1 - rate) / (1 - allowed)) ** (answers - failures)
    return math.log(total / 24)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_e_value_is_the_mean_of_the_likelihood_ratios(successes: int, failures: int) -> None:
    guardrail = fresh().update(answers=successes + failures, failures=failures)
    expected = mixture_by_definition(0.05, successes + failures, failures)
    assert guardrail.log_e == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_challenger_that_always_fails_is_stopped_within_three_answers() -> None:
    guardrail = fresh(0.01).update(answers=3, failures=3)
    assert guardrail.verdict is GuardrailVerdict.BREACHED


def test_a_rate_twice_the_ceiling_is_found() -> None:
    assert fresh().update(answers=2000, failures=200).verdict is GuardrailVerdict.BREACHED


def test_a_rate_at_the_ceiling_is_allowed() -> None:
    assert fresh().update(answers=100_000, failures=5_000).verdict is GuardrailVerdict.OK


@given(st.lists(st.booleans(), max_size=50))
def test_only_the_counts_matter(failed: list[bool]) -> None:
    one_by_one = fresh()
    for failure in failed:
        one_by_one = one_by_one.update(answers=1, failures=int(failure))
    assert one_by_one == fresh().update(answers=len(failed), failures=sum(failed))
    assert RateGuardrail.from_dict(json.loads(json.dumps(one_by_one.to_dict()))) == one_by_one


@pytest.mark.parametrize("ceiling", [0.02, 0.2])
def test_false_alarms_stay_below_alpha_however_often_one_looks(ceiling: float) -> None:
    paths, looks, alpha = 300, 400, 0.05
    failures = (np.random.default_rng(11).random((paths, looks)) < ceiling).cumsum(axis=1)
    threshold = {  # the counts are the state: the least number of failures that breaches, for each number of answers
        n: next(
            (f for f in range(n + 1) if RateGuardrail(ceiling, alpha, n, f).verdict is GuardrailVerdict.BREACHED),
            n + 1,
        )
        for n in range(1, looks + 1, 5)
    }
    columns = np.array(sorted(threshold)) - 1
    least = np.array([threshold[column + 1] for column in columns])
    alarms = int((failures[:, columns] >= least).any(axis=1).sum())
    assert alarms <= paths * alpha + 3 * math.sqrt(paths * alpha * (1 - alpha))


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(UnfitObservationsError, match="3 failures among 2 answers"):
        fresh().update(answers=2, failures=3)
    with pytest.raises(UnfitObservationsError, match="ceiling is 0"):
        fresh(0.0)
