import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from pelton.monitor.statistics.effect import jensen_shannon_distance, stability_index

pairs = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=12)


@given(pairs)
def test_the_distance_is_scipys(cells: list[tuple[int, int]]) -> None:
    reference, window = zip(*cells, strict=True)
    ours = float(jensen_shannon_distance(reference, window))
    if sum(reference) and sum(window):
        divergence = float(jensenshannon(reference, window, base=2)) ** 2
        # Compared squared: SciPy loses half its digits in the square root of a divergence near zero (or gives NaN).
        assert ours**2 == pytest.approx(0.0 if math.isnan(divergence) else divergence, abs=1e-12)
    else:
        assert ours == 0.0


@given(pairs)
def test_the_index_is_its_definition(cells: list[tuple[int, int]]) -> None:
    reference, window = zip(*cells, strict=True)
    reached = [(a, b) for a, b in cells if a or b]
    expected = 0.0
    if sum(reference) and sum(window):
        p = [(a + 0.5) / (sum(reference) + len(reached) / 2) for a, _ in reached]
        q = [(b + 0.5) / (sum(window) + len(reached) / 2) for _, b in reached]
        expected = math.fsum((x - y) * math.log(x / y) for x, y in zip(p, q, strict=True))
    assert float(stability_index(reference, window)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_the_cells_does_not_change_a_digit(cells: list[tuple[int, int]], random: object) -> None:
    shuffled = list(cells)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = zip(*cells, strict=True), zip(*shuffled, strict=True)
    (a, b), (c, d) = one, other
    assert stability_index(a, b) == stability_index(c, d)
    assert jensen_shannon_distance(a, b) == jensen_shannon_distance(c, d)


def test_disjoint_samples_are_at_distance_one() -> None:
    assert float(jensen_shannon_distance([10, 0], [0, 7])) == pytest.approx(1.0, abs=1e-30)


def test_equal_shares_have_no_effect() -> None:
    assert jensen_shannon_distance([10, 30], [20, 60]) == 0
    assert stability_index([10, 30], [10, 30]) == 0
