import json
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from pelton.contracts.definitions import DegradationDefinition
from pelton.contracts.values import Evaluation
from pelton.exact import FRACTION_BITS, fixed_log
from pelton.monitor.statistics import Scores, UnfitScoresError, degradation

rows_lists = st.lists(st.tuples(st.integers(0, 1), st.floats(0.0, 1.0)), min_size=2, max_size=60)
DEFINITION = DegradationDefinition(floor=0.01, alpha=0.05)


def scored(rows: list[tuple[int, float]]) -> Scores:
    return Scores().add(np.array([y for y, _ in rows]), np.array([p for _, p in rows]), threshold=0.5)


@given(rows_lists)
def test_the_scores_are_their_definitions(rows: list[tuple[int, float]]) -> None:
    evaluation = scored(rows).evaluation()
    briers = [(p - y) ** 2 for y, p in rows]
    log_losses = [-math.log(max(p if y else 1 - p, 2.0**-50)) for y, p in rows]
    assert (evaluation.rows, evaluation.positives) == (len(rows), sum(y for y, _ in rows))
    assert evaluation.brier == pytest.approx(math.fsum(briers) / len(rows), abs=1e-11)
    assert evaluation.brier_variance == pytest.approx(float(np.var(briers, ddof=1)), abs=1e-11)
    assert evaluation.log_loss == pytest.approx(math.fsum(log_losses) / len(rows), abs=1e-10)
    assert evaluation.accuracy == pytest.approx(sum((p >= 0.5) == bool(y) for y, p in rows) / len(rows))


@given(rows_lists, st.randoms(use_true_random=False), st.integers(1, 7))
def test_order_and_batches_do_not_change_a_byte(rows: list[tuple[int, float]], random: object, size: int) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    pieces = Scores()
    for start in range(0, len(shuffled), size):
        pieces = scored(shuffled[start : start + size]).merge(pieces)
    assert json.dumps(pieces.to_dict()) == json.dumps(scored(rows).to_dict())
    assert pieces.evaluation() == scored(rows).evaluation()
    assert Scores.from_dict(json.loads(json.dumps(pieces.to_dict()))) == pieces


def test_a_large_batch_equals_its_pieces() -> None:
    random = np.random.default_rng(1)
    p = random.random(150_000)
    y = random.random(150_000) < p
    halves = Scores().add(y[:70_001], p[:70_001], threshold=0.4).add(y[70_001:], p[70_001:], threshold=0.4)
    assert Scores().add(y, p, threshold=0.4) == halves


@given(st.floats(2.0**-50, 1.0))
def test_the_logarithm_is_rounded_down(value: float) -> None:
    units = Decimal(value).ln() * (1 << FRACTION_BITS)
    assert -0.02 <= units - int(fixed_log(np.array([value]))[0]) <= 1.02


def evaluated(seed: int, rows: int, *, noise: float) -> Evaluation:
    return Scores().add(*sample(seed, rows, noise=noise), threshold=0.5).evaluation()


def sample(seed: int, rows: int, *, noise: float) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Calibrated probabilities, then a share `noise` of labels drawn without regard to them."""
    random = np.random.default_rng(seed)
    p = random.beta(1.0, 3.0, rows)
    blind = random.random(rows) < noise
    return random.random(rows) < np.where(blind, 0.5, p), p


def test_the_p_value_is_welchs_with_the_normal_limit() -> None:
    (y0, p0), (y1, p1) = sample(1, 4000, noise=0.0), sample(2, 900, noise=0.2)
    losses0, losses1 = (p0 - y0) ** 2, (p1 - y1) ** 2
    error = math.sqrt(np.var(losses0, ddof=1) / 4000 + np.var(losses1, ddof=1) / 900)
    z = (losses1.mean() - losses0.mean() - 0.01) / error
    found = degradation(evaluated(1, 4000, noise=0.0), evaluated(2, 900, noise=0.2), DEFINITION)
    assert found.standard_error == pytest.approx(error, rel=1e-8)
    assert found.p_value == pytest.approx(float(stats.norm.sf(z)), rel=1e-6)


def test_a_worse_window_is_degraded_and_a_like_one_is_not() -> None:
    reference = evaluated(1, 20_000, noise=0.0)
    assert degradation(reference, evaluated(2, 1000, noise=0.5), DEFINITION).degraded
    assert not degradation(reference, evaluated(3, 1000, noise=0.0), DEFINITION).degraded


def test_a_difference_below_the_floor_is_never_sure_enough() -> None:
    reference, window = evaluated(1, 200_000, noise=0.0), evaluated(2, 200_000, noise=0.02)
    found = degradation(reference, window, DEFINITION)
    assert found.difference > 3 * found.standard_error
    assert not found.degraded


@pytest.mark.parametrize(("extra", "low", "high"), [(0.0, 0, 1), (0.01, 2, 32)])
def test_false_alarms_stay_at_alpha_up_to_the_floor(extra: float, low: int, high: int) -> None:
    """At the floor itself, 300 windows alarm 15 times at 0.05 in the mean; 32 is over four deviations above."""
    random = np.random.default_rng(9)
    reference = replaced(evaluated(1, 500_000, noise=0.0), brier=0.14)
    alarms = 0
    for _ in range(300):
        losses = random.beta(1.4, 8.6, 400) + extra  # mean 0.14
        window = replaced(reference, rows=400, brier=float(losses.mean()), variance=float(losses.var(ddof=1)))
        alarms += degradation(reference, window, DEFINITION).degraded
    assert low <= alarms <= high


def replaced(evaluation: Evaluation, *, brier: float, rows: int = 500_000, variance: float = 0.02) -> Evaluation:
    return evaluation.model_copy(update={"rows": rows, "brier": brier, "brier_variance": variance})


def test_without_variance_the_difference_decides() -> None:
    sure = Scores().add(np.ones(5), np.ones(5), threshold=0.5).evaluation()
    wrong = Scores().add(np.zeros(5), np.ones(5), threshold=0.5).evaluation()
    assert degradation(sure, wrong, DEFINITION).p_value == 0.0
    assert degradation(sure, sure, DEFINITION).p_value == 1.0


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1], [0.5], "labels of shape"),
        ([0, 2], [0.5, 0.5], r"labels\[1\] is 2"),
        ([0, 1], [0.5, math.nan], r"probabilities\[1\] is nan"),
        ([0, 1], [1.5, 0.5], r"probabilities\[0\] is 1.5"),
    ],
)
def test_rows_that_cannot_be_scored_are_named(labels: list[int], probabilities: list[float], message: str) -> None:
    with pytest.raises(UnfitScoresError, match=message):
        Scores().add(np.array(labels), np.array(probabilities), threshold=0.5)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(UnfitScoresError, match="1 labelled rows"):
        Scores().add(np.ones(1), np.ones(1), threshold=0.5).evaluation()
    enough = Scores().add(np.ones(5), np.ones(5), threshold=0.5).evaluation()
    with pytest.raises(UnfitScoresError, match="the window has 1 rows"):
        degradation(enough, enough.model_copy(update={"rows": 1}), DEFINITION)
