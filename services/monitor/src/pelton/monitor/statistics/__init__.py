"""What the monitor computes from a window: pure functions on arrays, the same to the byte when replayed.

Arrays are reduced at once to integer counts and integer sums, which no order or cut into batches can change. All that
follows is decimal arithmetic, whose results are correctly rounded on every platform, and verdicts are taken on
the rounded numbers that stand in the fact: whoever reads the fact can take them again.
"""

from pelton.monitor.statistics.drift import Drift, FeatureDrift, adjusted, detect
from pelton.monitor.statistics.partition import Bins, Categories, UnfitColumnError
from pelton.monitor.statistics.performance import Degradation, Scores, UnfitScoresError, degradation
from pelton.monitor.statistics.reference import Columns, FeatureReference, Reference, WindowCounts

__all__ = [
    "Bins",
    "Categories",
    "Columns",
    "Degradation",
    "Drift",
    "FeatureDrift",
    "FeatureReference",
    "Reference",
    "Scores",
    "UnfitColumnError",
    "UnfitScoresError",
    "WindowCounts",
    "adjusted",
    "degradation",
    "detect",
]
