import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.deployer.sequential import NonInferiority, SplitDesign, UnfitObservationsError

shares = st.floats(0.01, 0.99)
unit = st.floats(0.0, 1.0)


@given(shares, unit, st.lists(st.tuples(st.booleans(), unit), max_size=30))
def test_every_gain_of_a_split_lies_in_the_stated_range(
    share: float, centre: float, units: list[tuple[bool, float]]
) -> None:
    design = SplitDesign(share=share, centre=centre)
    gains = design.gains(np.array([a for a, _ in units], dtype=bool), np.array([loss for _, loss in units]))
    test = NonInferiority.split(design, margin=0.03, alpha=0.05).update(gains)
    assert test.observations == len(units)


@given(shares, unit, unit, unit)
def test_the_expected_gain_is_champion_loss_minus_challenger_loss(
    share: float, centre: float, champion: float, challenger: float
) -> None:
    design = SplitDesign(share=share, centre=centre)
    gains = design.gains(np.array([True, False]), np.array([challenger, champion]))
    expectation = share * gains[0] + (1 - share) * gains[1]
    assert expectation == pytest.approx(champion - challenger, abs=1e-12)


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_a_split_without_two_arms_is_refused(share: float) -> None:
    with pytest.raises(UnfitObservationsError, match="share is"):
        SplitDesign(share=share, centre=0.1)


def test_unequal_lengths_are_named() -> None:
    with pytest.raises(UnfitObservationsError, match="1 assignments for 2 losses"):
        SplitDesign(share=0.5, centre=0.1).gains(np.array([True]), np.array([0.1, 0.2]))
