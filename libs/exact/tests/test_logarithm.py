from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pelton.exact import FRACTION_BITS, fixed_log

UNIT = Decimal(1) / (1 << FRACTION_BITS)
SLACK = Decimal("4e-15")


@given(st.floats(1e-6, 200.0))
def test_fixed_log_is_the_logarithm_rounded_down(value: float) -> None:
    units = int(fixed_log(np.array([value]))[0])
    exact = Decimal(value).ln()
    assert units * UNIT <= exact + SLACK
    assert exact < (units + 1) * UNIT + SLACK


def test_one_has_no_logarithm() -> None:
    assert fixed_log(np.array([1.0])).tolist() == [0]


def test_shape_and_place_in_the_array_do_not_matter() -> None:
    values = np.random.default_rng(3).uniform(0.01, 2.0, 1001)
    one_by_one = [int(fixed_log(np.array([value]))[0]) for value in values]
    assert fixed_log(values).tolist() == one_by_one
    assert fixed_log(values[:1000].reshape(10, 100)).ravel().tolist() == one_by_one[:1000]
