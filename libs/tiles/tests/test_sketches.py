"""How far sketches are off, by simulation and on what is worst for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.tiles.hashing import hash_codes
from pelton.tiles.sketches import (
    DISTINCT_ERROR,
    QUANTILE_ERROR,
    distinct_cells,
    distincts,
    quantile_cells,
    quantiles,
)

whole = st.integers(-(10**15), 10**15) | st.sampled_from([0, 1, -1, 2, 50, 99, 100, 101, 10**15, -(10**15)])


def estimated(values: list[int], quantile: float) -> float:
    cells, counts = np.unique(quantile_cells(np.array(values, np.int64)), return_counts=True)
    return float(quantiles(cells, counts, np.array([0, cells.size]), quantile)[0])


@given(st.lists(whole, min_size=1, max_size=60), st.floats(0.001, 0.999))
def test_a_quantile_is_within_its_error_of_the_element_of_its_rank(values: list[int], quantile: float) -> None:
    exact = sorted(values)[int(np.floor(quantile * (len(values) - 1)))] / 1e6
    assert abs(estimated(values, quantile) - exact) <= QUANTILE_ERROR * abs(exact) * (1 + 1e-9)


def test_cells_are_in_the_order_of_their_values() -> None:
    values = np.unique(np.concatenate([np.geomspace(1, 10**15, 5000).astype(np.int64), [0]]))
    both = np.concatenate([-values[:0:-1], values])
    assert (np.diff(quantile_cells(both)) >= 0).all()


def registers(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    cells, ranks = distinct_cells(hash_codes(codes))
    order = np.lexsort((ranks, cells))
    last = np.flatnonzero(np.append(cells[order][1:] != cells[order][:-1], np.ones(min(cells.size, 1), np.bool_)))
    return cells[order][last], ranks[order][last]


def counted(codes: np.ndarray) -> float:  # type: ignore[type-arg]
    _, ranks = registers(codes)
    return float(distincts(ranks, np.array([0, ranks.size]))[0])


@pytest.mark.parametrize("number", [0, 1, 2, 3, 10, 50])
def test_few_distinct_values_are_counted_but_for_those_that_share_a_register(number: int) -> None:
    for start in range(0, 2000, 97):
        codes = np.arange(start, start + number)
        assert abs(counted(np.repeat(codes, 3)) - number) <= number - registers(codes)[0].size


@pytest.mark.parametrize("number", [500, 4096, 10_000, 20_000, 200_000, 1_000_000])
def test_many_distinct_values_are_counted_within_the_standard_error(number: int) -> None:
    trials = 40 if number <= 20_000 else 8
    errors = [counted(np.arange(number) + trial * 10**8) / number - 1 for trial in range(trials)]
    assert np.sqrt(np.mean(np.square(errors))) < 1.6 * DISTINCT_ERROR
    assert abs(np.mean(errors)) < 4 * DISTINCT_ERROR / np.sqrt(trials)


def test_groups_do_not_mix() -> None:
    parts = [registers(np.arange(number)) for number in (5, 0, 700)]
    ranks = np.concatenate([part[1] for part in parts])
    bounds = np.cumsum([0, *(part[1].size for part in parts)])
    assert distincts(ranks, bounds).tolist() == [counted(np.arange(number)) for number in (5, 0, 700)]
    cells = np.array([1, 5, 2, 9])
    found = quantiles(cells, np.array([1, 1, 3, 1]), np.array([0, 2, 2, 4]), 0.5)
    assert np.isnan(found[1])
    assert found[0] < found[2]
