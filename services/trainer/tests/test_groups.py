"""Groups of rows: by value where values are few, bounded where they are many."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pelton.trainer.groups import BINS, MISSING, MOST_VALUES, OTHER, Grouping, group

texts = st.lists(st.one_of(st.none(), st.integers(0, 80).map(lambda number: f"t{number}")), min_size=1, max_size=300)
numbers = st.lists(
    st.one_of(st.just(float("nan")), st.integers(-60, 60).map(float), st.floats(-1e6, 1e6)), min_size=1, max_size=300
)


def sizes(grouping: Grouping) -> dict[str, int]:
    return {name: int(grouping.rows(place).sum()) for place, name in enumerate(grouping.names)}


def test_few_values_are_their_own_groups_in_their_order_and_missing_ones_are_one() -> None:
    assert sizes(group(np.array([2, np.nan, 0.1, 10, 2], dtype=np.float32))) == {"0.1": 1, "2": 2, "10": 1, MISSING: 1}
    assert list(sizes(group(np.array(["b", None, "a", "b"], dtype=object))).items()) == [
        ("a", 1),
        ("b", 2),
        (MISSING, 1),
    ]


def test_many_numbers_are_tenths_that_part_no_value() -> None:
    values = np.concatenate([np.arange(100, dtype=float), np.full(100, 7.0), [np.nan]])
    grouping = group(values)
    assert sizes(grouping) == {
        "[-inf, 7)": 7,
        "[7, 20)": 113,
        "[20, 40)": 20,
        "[40, 60)": 20,
        "[60, 80)": 20,
        "[80, inf)": 20,
        MISSING: 1,
    }
    for place, name in enumerate(grouping.names[:-1]):
        low, high = map(float, name.strip("[)").split(","))
        inside = values[grouping.rows(place)]
        assert ((low <= inside) & (inside < high)).all()


def test_of_many_texts_the_most_frequent_are_groups_and_the_rest_is_one() -> None:
    values = [f"t{number:02d}" for number in range(60) for _ in range(60 - number)]
    found = sizes(group(np.array(values, dtype=object)))
    assert list(found)[:2] == ["t00", "t01"]
    assert len(found) == MOST_VALUES
    assert found[OTHER] == sum(60 - number for number in range(MOST_VALUES - 1, 60))


@given(texts)
def test_every_row_with_a_text_is_with_its_like_alone_and_groups_are_bounded(values: list[str | None]) -> None:
    grouping = group(np.array(values, dtype=object))
    assert len(grouping.names) <= MOST_VALUES + 1
    assert sum(sizes(grouping).values()) == len(values)
    assert all(sizes(grouping).values())
    for value, member in zip(values, grouping.members.tolist(), strict=True):
        assert grouping.names[member] in ({MISSING} if value is None else {value, OTHER})


@given(numbers)
def test_equal_numbers_are_together_and_groups_are_bounded(values: list[float]) -> None:
    grouping = group(np.array(values))
    assert len(grouping.names) <= max(MOST_VALUES, BINS) + 1
    assert all(sizes(grouping).values())
    members: dict[float, set[int]] = {}
    for value, member in zip(values, grouping.members.tolist(), strict=True):
        members.setdefault(value, set()).add(member)
        assert (grouping.names[member] == MISSING) == np.isnan(value)
    assert all(len(found) == 1 for found in members.values())


def test_the_order_of_the_rows_changes_no_group() -> None:
    values = np.random.default_rng(3).normal(size=500)
    shuffled = np.random.default_rng(4).permutation(500)
    assert sizes(group(values)) == sizes(group(values[shuffled]))
