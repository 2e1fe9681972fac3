"""What a dataset's profile says, against polars' own statistics."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.contracts.canonical import canonical_json
from pelton.feature.datasets.profiles import profile

NUMBERS = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(math.nan), st.just(math.inf)), max_size=50)


@given(NUMBERS)
def test_numbers_are_summed_up_as_polars_does(values: list[float | None]) -> None:
    column = pl.Series("x", values, dtype=pl.Float64)
    found = profile(column.to_frame()).columns["x"]
    finite = column.filter(column.is_finite().fill_null(value=False))
    assert found.missing == column.len() - finite.len()
    assert found.distinct == len(set(finite))
    assert found.minimum == finite.min()
    assert found.maximum == finite.max()
    if finite.len():
        assert found.mean == pytest.approx(finite.mean(), abs=1e-6)
        assert found.deviation == pytest.approx(finite.std(ddof=0), abs=1e-6)
        for share, value in found.quantiles.items():
            below = (finite <= value).sum() / finite.len()
            assert below >= float(share) - 1e-12
            assert value in finite
    else:
        assert found.mean is None
        assert found.quantiles == {}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_any_finite_numbers_have_a_profile_that_json_can_say(values: list[float]) -> None:
    found = profile(pl.DataFrame({"x": values}))
    assert canonical_json(found)
    assert found.columns["x"].distinct == len(set(values))


def test_texts_times_and_truths_have_no_mean() -> None:
    frame = pl.DataFrame({"text": ["a", None, "a", "ß"], "truth": [True, None, False, True]})
    frame = frame.with_columns(pl.Series("time", [0, 1, 1, None], dtype=pl.Datetime("ms", "UTC")))
    columns = profile(frame).columns
    assert {name: (one.missing, one.distinct, one.mean) for name, one in columns.items()} == {
        "text": (1, 2, None),
        "truth": (1, 2, None),
        "time": (1, 2, None),
    }


def test_an_empty_dataset_has_a_profile() -> None:
    assert profile(pl.DataFrame({"x": pl.Series([], dtype=pl.Float64)})).rows == 0
