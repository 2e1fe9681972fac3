"""How a version takes over, and what is watched while it answers."""

from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator

from pelton.contracts.definitions.base import Definition, Duration, Fraction
from pelton.contracts.values import Probability


class RolloutDefinition(Definition):
    """Shadow first, then the canary steps, each a sequential test at level `alpha`. Without steps, shadow alone.

    `margin` is the largest loss of Brier score that counts as no worse, in shadow (paired, every row);
    `canary_margin` the same between the served arms. `patience` bounds a step in event time: a step with no
    verdict by then is aborted, and the champion stays. `bake` is how long the former champion goes on in shadow
    after a promotion; a verdict of worse in that time rolls back.
    """

    steps: tuple[Fraction, ...] = (0.1, 0.5)
    alpha: Fraction = 0.05
    margin: Fraction = 0.005
    canary_margin: Fraction = 0.03
    max_error_rate: Fraction = 0.01
    patience: Duration = "30d"
    bake: Duration = "3d"

    @model_validator(mode="after")
    def _steps_rise(self) -> "RolloutDefinition":
        for before, after in pairwise(self.steps):
            if after <= before:
                raise ValueError(f"step {after} after {before}: each step gives the challenger more than the last")
        return self


class DriftDefinition(Definition):
    """When a window differs from the reference.

    At least `share` of the features drifted, each significant at `q` (Benjamini-Hochberg) and with an effect
    of at least `floor` (population stability index), in `consecutive` windows. A share of 0 is reached by one feature.
    """

    q: Fraction = 0.01
    floor: Annotated[float, Field(gt=0)] = 0.2
    share: Probability = 0.25
    consecutive: Annotated[int, Field(ge=1)] = 1


class DegradationDefinition(Definition):
    """When labelled predictions are worse than the reference: Brier score higher by `floor`, significant at `alpha`."""

    floor: Fraction = 0.01
    alpha: Fraction = 0.001
    consecutive: Annotated[int, Field(ge=1)] = 2


class MonitorDefinition(Definition):
    """Event-time windows over the predictions of the champion."""

    window: Duration = "1d"
    min_rows: Annotated[int, Field(ge=1)] = 100
    drift: DriftDefinition = DriftDefinition()
    degradation: DegradationDefinition = DegradationDefinition()
