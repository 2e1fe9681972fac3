from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pelton.monitor.statistics.chisquare import homogeneity, survival

counts = st.integers(0, 500)


@given(st.floats(0.0, 1400.0), st.integers(1, 40))
def test_the_survival_function_is_scipys(statistic: float, degrees: int) -> None:
    ours = float(survival(Decimal(repr(statistic)), degrees))
    assert ours == pytest.approx(float(stats.chi2.sf(statistic, degrees)), rel=1e-9, abs=1e-300)


def test_the_survival_function_has_the_digits_of_the_tables() -> None:
    # 1 - erf(1) and exp(-1), to the digits of DLMF 7.14 and A001113.
    assert str(survival(Decimal(2), 1)).startswith("0.15729920705028513065877936491")
    assert str(survival(Decimal(2), 2)).startswith("0.36787944117144232159552377016")


def test_a_hopeless_statistic_has_a_p_value_of_zero_and_no_failure() -> None:
    assert float(survival(Decimal(10**9), 9)) == 0.0


@given(st.lists(st.tuples(st.integers(50, 500), st.integers(50, 500)), min_size=2, max_size=12))
def test_well_filled_cells_give_scipys_contingency_test(cells: list[tuple[int, int]]) -> None:
    reference, window = zip(*cells, strict=True)
    ours = homogeneity(reference, window)
    theirs = stats.chi2_contingency(np.array([reference, window]), correction=False)
    assert ours.degrees == theirs.dof
    assert float(ours.statistic) == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-9)
    assert float(ours.p_value) == pytest.approx(theirs.pvalue, rel=1e-8, abs=1e-300)


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=12))
def test_every_cell_left_after_pooling_expects_five(cells: list[tuple[int, int]]) -> None:
    reference, window = zip(*cells, strict=True)
    result = homogeneity(reference, window)
    assert 0 <= result.p_value <= 1
    assert result.degrees < len(cells)
    total, other = sum(reference), sum(window)
    if result.degrees:
        assert 5 * (result.degrees + 1) <= min(total, other)


@given(st.lists(st.tuples(counts, counts), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_the_cells_does_not_matter(cells: list[tuple[int, int]], random: object) -> None:
    shuffled = list(cells)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert homogeneity(*zip(*shuffled, strict=True)) == homogeneity(*zip(*cells, strict=True))


def test_sparse_cells_are_pooled_with_the_smallest_of_the_others() -> None:
    # Of 100 and 100 rows, the cells (3, 1) and (1, 2) expect 3.5 together: they take in (10, 12).
    pooled = homogeneity([3, 1, 10, 40, 46], [1, 2, 12, 45, 40])
    by_hand = stats.chi2_contingency(np.array([[14, 40, 46], [15, 45, 40]]), correction=False)
    assert pooled.degrees == 2
    assert float(pooled.statistic) == pytest.approx(by_hand.statistic, rel=1e-12)


@pytest.mark.parametrize(("reference", "window"), [([0, 0], [3, 4]), ([5, 5], [0, 0]), ([90], [80]), ([], [])])
def test_nothing_to_compare_is_a_p_value_of_one(reference: list[int], window: list[int]) -> None:
    result = homogeneity(reference, window)
    assert (result.degrees, result.p_value) == (0, 1)
