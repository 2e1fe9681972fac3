"""Windows end where the content of a partition says, however it is read."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pelton.monitor.windows import Cuts, floor, passed


def test_windows_are_aligned_to_1970() -> None:
    assert floor(25, 10) == 20
    assert floor(20, 10) == 20
    assert floor(-1, 10) == -10


def test_a_cut_is_after_the_record_that_reached_the_boundary() -> None:
    cuts = Cuts(10)
    cuts.take(np.array([5, 6, 7]), np.array([3, 12, 8]))
    assert cuts.cut(10) == 7
    assert cuts.cut(20) is None
    cuts.take(np.array([9]), np.array([45]))
    assert cuts.cut(20) == cuts.cut(40) == 10
    assert cuts.watermark == 45


def test_shifted_boundaries_are_those_of_labels() -> None:
    cuts = Cuts(10, shift=3)
    cuts.take(np.array([0, 1, 2]), np.array([12, 13, 14]))
    assert cuts.cut(13) == 2


def test_the_watermark_before_a_record_does_not_count_the_record() -> None:
    cuts = Cuts(10)
    assert cuts.take(np.array([0, 1, 2]), np.array([5, 3, 9])).tolist()[1:] == [5, 5]
    assert cuts.take(np.array([3]), np.array([1])).tolist() == [9]


@given(
    st.lists(st.integers(0, 100), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=5),
    st.integers(0, 9),
)
def test_cuts_do_not_depend_on_batches(times: list[int], splits: list[int], shift: int) -> None:
    whole, parts = Cuts(10, shift), Cuts(10, shift)
    whole.take(np.arange(len(times)), np.array(times))
    for rows in np.split(np.arange(len(times)), sorted(min(split, len(times)) for split in splits)):
        parts.take(rows, np.array(times)[rows])
    for boundary in range(shift, 120, 10):
        first = next((at + 1 for at, time in enumerate(times) if time >= boundary), None)
        assert whole.cut(boundary) == parts.cut(boundary) == first
    assert whole.watermark == parts.watermark == max(times)


def test_a_topic_is_as_far_as_its_slowest_partition_that_ever_had_a_record() -> None:
    behind, ahead, empty = Cuts(10), Cuts(10), Cuts(10)
    behind.take(np.array([0]), np.array([7]))
    ahead.take(np.array([0]), np.array([99]))
    assert passed([behind, ahead, empty]) == 7
    assert passed([empty]) is None
