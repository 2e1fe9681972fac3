import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from pelton.inference.split import fractions, to_arm, to_challenger

weights = st.floats(0, 1)
keys = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=50)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), weights)
def test_the_share_of_the_challenger_is_its_weight_within_six_standard_errors(salt: str, weight: float) -> None:
    count = 4000
    chosen = to_challenger([f"key-{number}" for number in range(count)], salt, weight)
    assert abs(int(chosen.sum()) - count * weight) <= 6 * math.sqrt(count * weight * (1 - weight)) + 1


@given(keys, weights, weights)
def test_a_key_that_the_challenger_has_at_some_weight_it_has_at_every_higher_one(
    names: list[str], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert not (to_challenger(names, "s", low) & ~to_challenger(names, "s", high)).any()


@given(keys, weights)
def test_a_key_goes_the_same_way_alone_and_among_others(names: list[str], weight: float) -> None:
    together = to_challenger(names, "s", weight).tolist()
    assert together == [bool(to_challenger([name], "s", weight)[0]) for name in names]


def test_no_weight_is_nobody_and_the_whole_weight_everybody() -> None:
    names = [str(number) for number in range(1000)]
    assert not to_challenger(names, "s", 0.0).any()
    assert to_challenger(names, "s", 1.0).all()


def test_another_salt_draws_other_keys() -> None:
    names = [str(number) for number in range(1000)]
    assert (to_challenger(names, "one", 0.5) != to_challenger(names, "two", 0.5)).any()


arm_weights = st.lists(st.integers(1, 20), min_size=1, max_size=6).map(
    lambda parts: tuple(part / sum(parts) for part in parts)
)


@given(keys, arm_weights)
def test_a_key_has_the_same_arm_alone_and_among_others(names: list[str], weights: tuple[float, ...]) -> None:
    together = to_arm(names, "s", weights).tolist()
    assert together == [int(to_arm([name], "s", weights)[0]) for name in names]
    assert set(together) <= set(range(len(weights)))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), arm_weights)
def test_the_keys_are_shared_by_the_weights(salt: str, weights: tuple[float, ...]) -> None:
    count = 5000
    places = to_arm([f"key-{number}" for number in range(count)], salt, weights)
    found = np.bincount(places, minlength=len(weights))
    # So small a chance is not met in all the examples of many runs, and a share that is off by a few per cent is.
    assert len(weights) == 1 or chisquare(found, np.array(weights) * count).pvalue > 1e-7


@given(arm_weights, arm_weights)
def test_when_weights_change_only_keys_between_the_old_and_new_bounds_change_their_arm(
    before: tuple[float, ...], after: tuple[float, ...]
) -> None:
    names = [f"key-{number}" for number in range(500)]
    lie = fractions(names, "s")
    moved = to_arm(names, "s", before) != to_arm(names, "s", after)
    crossed = np.zeros(len(names), dtype=bool)
    for old, new in zip(np.cumsum(before)[:-1], np.cumsum(after)[:-1], strict=False):
        crossed |= (min(old, new) <= lie) & (lie < max(old, new))
    if len(before) == len(after):
        assert not (moved & ~crossed).any()


@given(keys, weights, weights)
def test_what_one_of_two_arms_gets_comes_from_the_other_and_moves_nobody_else(
    names: list[str], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    first_before = to_arm(names, "s", (low, 1 - low)) == 0
    first_after = to_arm(names, "s", (high, 1 - high)) == 0
    assert not (first_before & ~first_after).any()
    assert first_after.tolist() == to_challenger(names, "s", high).tolist()
