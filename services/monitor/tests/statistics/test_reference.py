import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.monitor.statistics import Bins, Categories, Reference, UnfitColumnError

numbers = st.lists(st.one_of(st.floats(width=32), st.sampled_from([0.0, -0.0, 1.0])), max_size=80)
texts = st.lists(st.one_of(st.none(), st.sampled_from(["AA", "B6", "DL", "é"])), max_size=80)


@given(numbers, st.randoms(use_true_random=False))
def test_order_does_not_change_a_byte_of_a_reference(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (Reference.pin({"x": np.array(v, dtype=np.float64)}) for v in (values, shuffled))
    assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())
    assert one.digest == other.digest


@given(numbers, numbers, st.integers(0, 80))
def test_counts_are_those_of_a_loop_over_the_rows_and_merge(
    reference: list[float], window: list[float], cut: int
) -> None:
    pinned = Reference.pin({"x": np.array(reference, dtype=np.float64)})
    edges = pinned.features[0].partition.edges  # type: ignore[union-attr]
    expected = [0] * (len(edges) + 2)
    for value in window:
        expected[-1 if math.isnan(value) else sum(value > edge for edge in edges)] += 1
    values = np.array(window, dtype=np.float64)
    whole = pinned.count({"x": values})
    assert list(whole.counts[0]) == expected
    assert pinned.count({"x": values[:cut]}).merge(pinned.count({"x": values[cut:]})) == whole


@given(numbers)
def test_a_reference_counts_its_own_rows(values: list[float]) -> None:
    columns = {"x": np.array(values, dtype=np.float64)}
    pinned = Reference.pin(columns)
    assert pinned.count(columns).counts == tuple(f.counts for f in pinned.features)
    assert sum(pinned.features[0].counts) == pinned.rows == len(values)


@given(numbers, texts)
def test_a_reference_survives_json(values: list[float], names: list[str | None]) -> None:
    size = min(len(values), len(names))
    columns = {"x": np.array(values[:size], dtype=np.float64), "carrier": np.array(names[:size], dtype=object)}
    pinned = Reference.pin(columns)
    again = Reference.from_dict(json.loads(json.dumps(pinned.to_dict())))
    assert again == pinned
    assert again.digest == pinned.digest


def test_a_continuous_column_is_cut_into_tenths() -> None:
    values = np.random.default_rng(1).permutation(1000).astype(np.float64)
    (feature,) = Reference.pin({"x": values}).features
    assert feature.partition == Bins((99.0, 199.0, 299.0, 399.0, 499.0, 599.0, 699.0, 799.0, 899.0))
    assert feature.counts == (100,) * 10 + (0,)


def test_a_long_column_that_begins_with_few_levels_is_still_cut_by_quantile() -> None:
    values = np.concatenate([np.full(2000, 5.0), np.arange(8000.0)])
    one, other = (Reference.pin({"x": v}) for v in (values, values[::-1]))
    assert one == other
    # 2000 fives and the numbers 0 to 5 are at most 5: the first two tenths are one bin.
    assert one.features[0].counts == (2006, 994, *[1000] * 7, 0)


def test_ties_make_fewer_bins() -> None:
    values = np.concatenate([np.zeros(800), np.arange(1.0, 201.0)])
    (feature,) = Reference.pin({"delay": values}).features
    assert feature.partition == Bins((0.0, 100.0))
    assert feature.counts == (800, 100, 100, 0)


def test_each_of_few_levels_has_its_own_bin_and_new_ones_at_either_end_show() -> None:
    reference = Reference.pin({"code": np.array([1, 2, 2, 5])})
    assert reference.features[0].counts == (0, 1, 2, 1, 0, 0)
    assert reference.count({"code": np.array([0, 1, 5, 6, 6])}).counts == ((1, 1, 0, 1, 2, 0),)


def test_missing_and_infinite_numbers_have_their_cells() -> None:
    reference = Reference.pin({"x": np.arange(100.0)})
    counts = reference.count({"x": np.array([np.nan, np.inf, -np.inf])}).counts[0]
    assert (counts[0], counts[-2], counts[-1]) == (1, 1, 1)


def test_texts_are_counted_by_name_then_others_then_missing() -> None:
    reference = Reference.pin({"carrier": np.array(["UA", "B6", "UA", None], dtype=object)})
    assert reference.features[0].partition == Categories(("B6", "UA"))
    assert reference.features[0].counts == (1, 2, 0, 1)
    window = np.array(["UA", "XX", None, float("nan")], dtype=object)
    assert reference.count({"carrier": window}).counts == ((0, 1, 1, 2),)


def test_rare_texts_are_kept_together() -> None:
    values = [f"n{i:02d}" for i in range(40) for _ in range(i + 1)]
    (feature,) = Reference.pin({"tail": np.array(values)}).features
    assert isinstance(feature.partition, Categories)
    assert feature.partition.names == tuple(f"n{i:02d}" for i in range(10, 40))
    assert feature.counts[-2] == sum(range(1, 11))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": np.zeros((2, 2)), "y": np.zeros(2)}, "'x' has 2 dimensions"),
        ({"x": np.zeros(3), "y": np.zeros(2)}, "different lengths"),
        ({"x": np.array([1, "a"], dtype=object)}, "has 1 in row 0"),
        ({"x": np.array(["2013-01-01"], dtype="datetime64[D]")}, "is of type datetime64"),
    ],
)
def test_a_column_that_cannot_be_counted_is_named(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(UnfitColumnError, match=message):
        Reference.pin(columns)


def test_a_window_without_a_column_of_the_reference_is_refused() -> None:
    reference = Reference.pin({"x": np.zeros(3)})
    with pytest.raises(UnfitColumnError, match="'x' of the reference is not in the window"):
        reference.count({"y": np.zeros(3)})
    with pytest.raises(UnfitColumnError, match="'x' changed between numbers and texts"):
        reference.count({"x": np.array(["a"])})
