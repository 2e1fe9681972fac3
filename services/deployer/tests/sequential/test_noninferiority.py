import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.deployer.sequential import NonInferiority, UnfitObservationsError, Verdict, paired_gains
from pelton.deployer.sequential.noninferiority import BETS, bets

MARGIN = 0.01
ALPHA = 0.05
gains_lists = st.lists(st.floats(-1.0, 1.0), max_size=60)


def fresh() -> NonInferiority:
    return NonInferiority.paired(margin=MARGIN, alpha=ALPHA)


def mixture_by_definition(gains: list[float], *, sign: int) -> float:
    """The mixture as a product of exact fractions, with no logarithm: the oracle."""
    reach = 1.0 - MARGIN if sign > 0 else 1.0 + MARGIN
    wealths = []
    for k in range(BETS):
        fraction = Fraction(0.99 / reach / math.sqrt(2) ** k)
        wealth = Fraction(1)
        for gain in gains:
            wealth *= 1 + sign * fraction * (Fraction(gain) + Fraction(MARGIN))
        wealths.append(wealth)
    return math.log(sum(wealths, Fraction(0)) / BETS)


@given(gains_lists)
def test_the_e_values_are_the_mean_of_the_products(gains: list[float]) -> None:
    test = fresh().update(np.array(gains))
    assert test.log_e_no_worse == pytest.approx(mixture_by_definition(gains, sign=1), abs=1e-9)
    assert test.log_e_worse == pytest.approx(mixture_by_definition(gains, sign=-1), abs=1e-9)


@given(gains_lists, st.randoms(use_true_random=False), st.integers(1, 9))
def test_order_and_batches_do_not_change_a_byte(gains: list[float], random: object, size: int) -> None:
    shuffled = list(gains)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    whole = fresh().update(np.array(gains))
    pieces = fresh()
    for start in range(0, len(shuffled), size):
        pieces = pieces.update(np.array(shuffled[start : start + size]))
    assert json.dumps(pieces.to_dict()) == json.dumps(whole.to_dict())
    assert (pieces.log_e_no_worse, pieces.log_e_worse) == (whole.log_e_no_worse, whole.log_e_worse)


@given(gains_lists, gains_lists, gains_lists)
def test_merging_is_associative_and_equals_updating(a: list[float], b: list[float], c: list[float]) -> None:
    first, second, third = (fresh().update(np.array(part)) for part in (a, b, c))
    assert first.merge(second).merge(third) == first.merge(second.merge(third)) == third.merge(second).merge(first)
    assert first.merge(second) == fresh().update(np.array(a + b))


@given(gains_lists)
def test_the_state_survives_json(gains: list[float]) -> None:
    test = fresh().update(np.array(gains))
    again = NonInferiority.from_dict(json.loads(json.dumps(test.to_dict())))
    assert again == test
    assert again.verdict is test.verdict


@given(st.lists(st.sampled_from([-1.0, -0.2, -0.01, 0.0, 0.3, 1.0]), max_size=200))
def test_both_verdicts_never_hold_together(gains: list[float]) -> None:
    test = fresh().update(np.array(gains))
    assert min(test.log_e_no_worse, test.log_e_worse) < 1e-9


def test_a_large_batch_equals_its_pieces() -> None:
    gains = np.random.default_rng(7).uniform(-1, 1, 20_001)
    halves = fresh().update(gains[:9_999]).update(gains[9_999:])
    assert fresh().update(gains) == halves


def test_no_evidence_is_inconclusive() -> None:
    assert fresh().verdict is Verdict.INCONCLUSIVE
    assert fresh().log_e_no_worse == 0.0


def test_a_verdict_falls_when_the_e_value_reaches_one_over_alpha() -> None:
    test = fresh()
    while test.verdict is Verdict.INCONCLUSIVE:
        before, test = test, test.update(np.array([-0.3]))
    assert test.verdict is Verdict.WORSE
    assert before.log_e_worse < math.log(1 / ALPHA) <= test.log_e_worse


def test_the_boldest_bet_survives_the_worst_observation() -> None:
    test = fresh().update(np.array([-1.0, 1.0]))
    assert math.isfinite(test.log_e_no_worse)
    assert 1 - bets(1 - MARGIN)[0] * (1 - MARGIN) == pytest.approx(0.01)


def test_a_gain_outside_its_range_is_named() -> None:
    with pytest.raises(UnfitObservationsError, match=r"gains\[1\] is 1.5"):
        fresh().update(np.array([0.1, 1.5]))
    with pytest.raises(UnfitObservationsError, match=r"gains\[0\] is nan"):
        fresh().update(np.array([np.nan]))


def test_tests_of_different_settings_do_not_merge() -> None:
    with pytest.raises(UnfitObservationsError, match="cannot be merged"):
        fresh().merge(NonInferiority.paired(margin=0.02, alpha=ALPHA))


@pytest.mark.parametrize(("margin", "alpha"), [(0.0, 0.05), (1.0, 0.05), (0.01, 0.0), (0.01, 1.0)])
def test_a_margin_or_level_without_meaning_is_refused(margin: float, alpha: float) -> None:
    with pytest.raises(UnfitObservationsError, match="choose a value"):
        NonInferiority.paired(margin=margin, alpha=alpha)


def test_gains_are_champion_minus_challenger() -> None:
    assert paired_gains(np.array([0.5, 0.0]), np.array([0.25, 1.0])).tolist() == [0.25, -1.0]
    with pytest.raises(UnfitObservationsError, match="2 losses of the champion, 1 of the challenger"):
        paired_gains(np.array([0.5, 0.0]), np.array([0.25]))
    with pytest.raises(UnfitObservationsError, match=r"challenger_losses\[0\] is nan"):
        paired_gains(np.array([0.5]), np.array([np.nan]))
