"""Which inputs of a window are distributed otherwise than in the reference, and whether that is drift."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from pelton.contracts.definitions import DriftDefinition
from pelton.exact import EXACT
from pelton.monitor.statistics.chisquare import homogeneity
from pelton.monitor.statistics.effect import jensen_shannon_distance, stability_index
from pelton.monitor.statistics.reference import Reference, WindowCounts
from pelton.monitor.statistics.rounding import significant


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """One input: the window's counts over the reference's cells, and what they show.

    `q_value` is the p-value adjusted for the number of inputs, `effect` the population stability index. The input has
    drifted when it is both rejected (q_value <= q) and its effect reaches the floor.
    """

    feature: str
    counts: tuple[int, ...]
    statistic: float
    degrees: int
    p_value: float
    q_value: float
    effect: float
    js_distance: float
    rejected: bool
    drifted: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """One window against the reference, features by name.

    It has drifted when at least the share of its inputs that the definition asks for, and at least one, drifted.
    """

    reference_digest: str
    reference_rows: int
    rows: int
    q: float
    floor: float
    share_threshold: float
    features: tuple[FeatureDrift, ...]
    share: float
    drifted: bool


def detect(reference: Reference, window: WindowCounts, definition: DriftDefinition) -> Drift:
    """Compare a window with the reference by the thresholds q, floor and share of the definition.

    Rows are taken as independent draws; where they are not, the p-values are too small, and the floor of the effect
    is what keeps harmless differences quiet.
    """
    tests = {
        feature.feature: homogeneity(feature.counts, counts)
        for feature, counts in zip(reference.features, window.counts, strict=True)
    }
    p_values = {name: significant(test.p_value) for name, test in tests.items()}
    q_values = adjusted(p_values)
    features = []
    for feature, counts in zip(reference.features, window.counts, strict=True):
        name = feature.feature
        effect = significant(stability_index(feature.counts, counts))
        rejected = q_values[name] <= definition.q
        features.append(
            FeatureDrift(
                feature=name,
                counts=counts,
                statistic=significant(tests[name].statistic),
                degrees=tests[name].degrees,
                p_value=p_values[name],
                q_value=q_values[name],
                effect=effect,
                js_distance=significant(jensen_shannon_distance(feature.counts, counts)),
                rejected=rejected,
                drifted=rejected and effect >= definition.floor,
            )
        )
    return _judge(reference, window, definition, tuple(features))


def adjusted(p_values: Mapping[Any, float]) -> dict[Any, float]:
    """Benjamini-Hochberg adjusted p-values: those at most q are the rejections at false discovery rate q.

    The least of m p(j) / j over the ranks j from that of the p-value upwards. Rates hold for independent p-values
    and under positive dependence. Benjamini & Hochberg (1995), JRSS B 57(1).
    """
    result: dict[Any, float] = {}
    least = Decimal(1)
    with localcontext(EXACT):
        descending = sorted(p_values.items(), key=lambda item: item[1], reverse=True)
        for rank, (name, p_value) in zip(range(len(descending), 0, -1), descending, strict=True):
            least = min(least, Decimal(repr(p_value)) * len(descending) / rank)
            result[name] = significant(least)
    return result


def _judge(
    reference: Reference, window: WindowCounts, definition: DriftDefinition, features: tuple[FeatureDrift, ...]
) -> Drift:
    drifted = sum(feature.drifted for feature in features)
    share = significant(EXACT.divide(Decimal(drifted), Decimal(max(len(features), 1))))
    return Drift(
        reference_digest=reference.digest,
        reference_rows=reference.rows,
        rows=window.rows,
        q=definition.q,
        floor=definition.floor,
        share_threshold=definition.share,
        features=features,
        share=share,
        drifted=drifted > 0 and share >= definition.share,
    )
