"""How often the tests are wrong, and how soon they decide, with a look after every observation."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from pelton.deployer.sequential import NonInferiority, SplitDesign, Verdict
from pelton.deployer.sequential.noninferiority import BETS
from pelton.exact import FRACTION_BITS

ALPHA = 0.05
MARGIN = 0.02


def first_crossings(test: NonInferiority, gains: NDArray[np.float64]) -> tuple[list[int], list[int]]:
    """For each path (row): the looks at which e reached 1/alpha for no worse and for worse; its length if never."""
    crossings: tuple[list[int], list[int]] = ([], [])
    for path in gains:
        log_wealth = test.increments(path).cumsum(axis=0) / float(1 << FRACTION_BITS)
        for found, side in zip(crossings, (log_wealth[:, :BETS], log_wealth[:, BETS:]), strict=True):
            reached = np.logaddexp.reduce(side, axis=1) - math.log(BETS) >= -math.log(test.alpha)
            found.append(int(np.argmax(reached)) if reached.any() else path.size)
    return crossings


def allowed(paths: int) -> float:
    """Three standard deviations above alpha: what chance alone would exceed once in 740 runs."""
    return paths * ALPHA + 3 * math.sqrt(paths * ALPHA * (1 - ALPHA))


def at_the_boundary(shape: str, paths: int, looks: int) -> NDArray[np.float64]:
    """Gains whose expectation is exactly -margin: neither verdict may come more often than alpha."""
    random = np.random.default_rng(5)
    if shape == "rare":
        return np.where(random.random((paths, looks)) < MARGIN, -1.0, 0.0)
    if shape == "noisy":
        return np.where(random.random((paths, looks)) < (1 - MARGIN) / 2, 1.0, -1.0)
    return random.uniform(-0.2 - MARGIN, 0.2 - MARGIN, (paths, looks))


def wrong(found: list[int], looks: int) -> int:
    return sum(look < looks for look in found)


@pytest.mark.parametrize("shape", ["rare", "noisy", "small"])
def test_false_verdicts_stay_below_alpha(shape: str) -> None:
    paths, looks = 300, 500
    test = NonInferiority.paired(margin=MARGIN, alpha=ALPHA)
    no_worse, worse = first_crossings(test, at_the_boundary(shape, paths, looks))
    assert wrong(no_worse, looks) <= allowed(paths)
    assert wrong(worse, looks) <= allowed(paths)


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["rare", "noisy", "small"])
def test_false_verdicts_stay_below_alpha_over_thousands_of_looks(shape: str) -> None:
    paths, looks = 1500, 4000
    test = NonInferiority.paired(margin=MARGIN, alpha=ALPHA)
    no_worse, worse = first_crossings(test, at_the_boundary(shape, paths, looks))
    assert wrong(no_worse, looks) <= allowed(paths)
    assert wrong(worse, looks) <= allowed(paths)


def split_losses(design: SplitDesign, paths: int, looks: int, surplus: float) -> NDArray[np.float64]:
    """Gains of a split whose challenger loses `surplus` more a unit, on losses around 0.15."""
    random = np.random.default_rng(8)
    arm = random.random((paths, looks)) < design.share
    losses = random.beta(1.0, 17 / 3, (paths, looks)) * (1 - surplus)
    losses = np.where(arm, losses + surplus, losses / (1 - surplus))
    return np.array([design.gains(a, loss) for a, loss in zip(arm, losses, strict=True)])


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_false_verdicts_of_a_split_stay_below_alpha(share: float) -> None:
    paths, looks = 300, 500
    design = SplitDesign(share=share, centre=0.15)
    # A challenger whose losses are (1 - s) l + s against l: worse by s (1 - E[l]), here exactly the margin.
    surplus = MARGIN / (1 - 0.15)
    gains = split_losses(design, paths, looks, surplus)
    test = NonInferiority.split(design, margin=MARGIN, alpha=ALPHA)
    no_worse, worse = first_crossings(test, gains)
    assert wrong(no_worse, looks) <= allowed(paths)
    assert wrong(worse, looks) <= allowed(paths)


def test_an_equal_challenger_in_shadow_is_cleared_within_a_thousand_rows() -> None:
    gains = np.clip(np.random.default_rng(2).normal(0.0, 0.08, (60, 1500)), -1, 1)
    no_worse, worse = first_crossings(NonInferiority.paired(margin=0.01, alpha=ALPHA), gains)
    assert np.median(no_worse) < 1000
    assert wrong(worse, 1500) == 0


def test_a_noisy_equal_challenger_is_cleared_within_fifty_thousand_rows() -> None:
    gains = np.clip(np.random.default_rng(3).normal(0.0, 0.3, (8, 50_000)), -1, 1)
    no_worse, _ = first_crossings(NonInferiority.paired(margin=0.01, alpha=ALPHA), gains)
    assert max(no_worse) < 50_000


def test_a_harmful_challenger_is_stopped_within_a_hundred_rows() -> None:
    gains = np.clip(np.random.default_rng(4).normal(-0.15, 0.2, (60, 300)), -1, 1)
    no_worse, worse = first_crossings(NonInferiority.paired(margin=0.01, alpha=ALPHA), gains)
    assert max(worse) < 100
    assert wrong(no_worse, 300) == 0


def test_an_equal_challenger_in_a_split_is_cleared() -> None:
    design = SplitDesign(share=0.5, centre=0.15)
    gains = split_losses(design, 20, 10_000, surplus=0.0)
    no_worse, worse = first_crossings(NonInferiority.split(design, margin=0.03, alpha=ALPHA), gains)
    assert np.median(no_worse) < 5_000
    assert wrong(worse, 10_000) == 0


def test_the_looks_of_the_simulation_are_those_of_the_state() -> None:
    gains = np.random.default_rng(6).normal(0.01, 0.05, 400).clip(-1, 1)
    state = NonInferiority.paired(margin=MARGIN, alpha=ALPHA)
    (simulated,), _ = first_crossings(state, gains[np.newaxis, :])
    for gain in gains[:simulated]:
        state = state.update(np.array([gain]))
        assert state.verdict is Verdict.INCONCLUSIVE
    assert state.update(gains[simulated : simulated + 1]).verdict is Verdict.NO_WORSE
