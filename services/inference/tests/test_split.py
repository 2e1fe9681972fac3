import math

from hypothesis import given
from hypothesis import strategies as st

from pelton.inference.split import to_challenger

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
