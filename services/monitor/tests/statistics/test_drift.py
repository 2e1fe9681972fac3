import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from pelton.contracts.definitions import DriftDefinition
from pelton.monitor.statistics import Drift, Reference, adjusted, detect

THRESHOLDS = DriftDefinition(q=0.05, floor=0.2, share=0.25)
p_lists = st.lists(st.floats(0.0, 1.0).map(lambda p: float(f"{p:.11e}")), min_size=1, max_size=25)


def columns(seed: int, rows: int, *, shift: float = 0.0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "dep_delay": random.exponential(12.0, rows),
        "wind": random.normal(10.0 + shift, 4.0, rows),
        "hour": random.integers(0, 6, rows),
        "carrier": random.choice(np.array(["AA", "B6", "UA"], dtype=object), rows, p=[0.5, 0.3, 0.2]),
    }


def compare(window: dict[str, Any]) -> Drift:
    reference = Reference.pin(columns(1, 5000))
    return detect(reference, reference.count(window), THRESHOLDS)


@given(p_lists)
def test_adjusted_p_values_are_those_of_scipy_and_statsmodels(p_values: list[float]) -> None:
    ours = list(adjusted(dict(enumerate(p_values))).items())
    values = [value for _, value in sorted(ours)]
    assert values == pytest.approx(false_discovery_control(p_values), rel=1e-9, abs=1e-300)
    assert values == pytest.approx(multipletests(p_values, method="fdr_bh")[1], rel=1e-9, abs=1e-300)


def test_a_shifted_input_drifts_and_the_others_do_not() -> None:
    result = compare(columns(2, 1000, shift=4.0))
    assert [f.feature for f in result.features] == ["carrier", "dep_delay", "hour", "wind"]
    assert [f.drifted for f in result.features] == [False, False, False, True]
    assert (result.share, result.drifted) == (0.25, True)


def test_a_significant_difference_without_effect_is_no_drift() -> None:
    result = compare(columns(2, 20_000, shift=0.6))
    wind = result.features[-1]
    assert wind.rejected
    assert wind.effect < THRESHOLDS.floor
    assert not wind.drifted
    assert not result.drifted


def test_an_effect_of_too_few_rows_is_no_drift() -> None:
    wind = compare(columns(2, 12)).features[-1]
    assert wind.effect >= THRESHOLDS.floor
    assert not wind.drifted


def test_a_column_that_goes_missing_drifts() -> None:
    window = columns(2, 1000)
    window["wind"][:400] = np.nan
    assert compare(window).features[-1].drifted


def test_a_new_carrier_drifts() -> None:
    window = columns(2, 1000)
    window["carrier"][:300] = "9E"
    assert compare(window).features[0].drifted


def test_an_empty_window_does_not_drift() -> None:
    result = compare(columns(2, 0))
    assert not result.drifted
    assert {f.p_value for f in result.features} == {1.0}


def test_no_drifted_input_is_no_drift_even_if_no_share_is_asked_for() -> None:
    reference = Reference.pin(columns(1, 500))
    definition = DriftDefinition(share=0.0)
    assert not detect(reference, reference.count(columns(2, 500)), definition).drifted


@given(st.integers(0, 2**32), st.integers(0, 400))
def test_order_and_batches_do_not_change_a_byte(seed: int, cut: int) -> None:
    reference = Reference.pin(columns(1, 800))
    window = columns(3, 400, shift=2.0)
    order = np.random.default_rng(seed).permutation(400)
    shuffled = {name: values[order] for name, values in window.items()}
    first, second = ({n: v[part] for n, v in shuffled.items()} for part in (slice(cut), slice(cut, None)))
    whole = detect(reference, reference.count(window), THRESHOLDS)
    pieces = detect(reference, reference.count(second).merge(reference.count(first)), THRESHOLDS)
    assert json.dumps(asdict(pieces)) == json.dumps(asdict(whole))


def test_false_rejections_under_no_change_stay_below_q() -> None:
    windows, alarms = 200, 0
    reference = Reference.pin(columns(1, 20_000))
    for seed in range(windows):
        result = detect(reference, reference.count(columns(100 + seed, 500)), THRESHOLDS)
        alarms += any(feature.rejected for feature in result.features)
        assert not result.drifted
    # Under no change the false discovery rate is the chance of any rejection: q, with three deviations for chance.
    assert alarms <= windows * 0.05 + 3 * (windows * 0.05 * 0.95) ** 0.5


def test_p_values_under_no_change_are_uniform_enough() -> None:
    reference = Reference.pin(columns(1, 50_000))
    p_values = [
        feature.p_value
        for seed in range(150)
        for feature in detect(reference, reference.count(columns(700 + seed, 400)), THRESHOLDS).features
    ]
    assert 0.4 < float(np.mean(p_values)) < 0.6
    assert 0.3 < float(np.mean(np.array(p_values) < 0.5)) < 0.7
