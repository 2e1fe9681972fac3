"""Scores by group, and how far they lie apart between the groups of a sensitive attribute."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import fairlearn.metrics
import numpy as np
from numpy.typing import NDArray

from pelton.contracts.evidence import Fairness, GroupScores, Segment
from pelton.trainer.evaluation import evaluate, metrics, rounded
from pelton.trainer.groups import Grouping

Measure = Callable[..., float]
Groups = tuple[GroupScores, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """Held-out rows of shape (n,): labels 0 or 1, probabilities of a 1, and from where on a probability says 1."""

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    threshold: float

    @property
    def selected(self) -> NDArray[np.bool_]:
        """Which rows are predicted positive."""
        return self.probabilities >= self.threshold


def segment(attribute: str, grouping: Grouping, scored: Scored, *, min_rows: int) -> Segment:
    """The scores of each group, and of a group of fewer than `min_rows` rows its counts alone.

    A metric that a group does not have, such as a true positive rate without positives, is left out.
    """
    groups = (
        _group(name, _of(scored, grouping.rows(place)), min_rows=min_rows) for place, name in enumerate(grouping.names)
    )
    return Segment(attribute=attribute, groups=tuple(groups))


def fairness(grouping: Grouping, scored: Scored, shown: Segment, *, min_rows: int) -> Fairness:
    """Differences between the groups of a segment that have at least `min_rows` rows, as fairlearn defines them.

    Demographic parity compares the shares selected (difference and ratio of the greatest and the least), equal
    opportunity the true positive rates, equalized odds the greater difference of true and of false positive rates.
    """
    large = [place for place, one in enumerate(shown.groups) if one.rows >= min_rows]
    groups = tuple(shown.groups[place] for place in large)
    rows = np.isin(grouping.members, large)
    labels, selected, members = scored.labels[rows], scored.selected[rows].astype(int), grouping.members[rows]
    measures: dict[str, float] = {}
    undefined: dict[str, str] = {}
    for name, (measure, lack) in _MEASURES.items():
        reason = _too_few(groups, min_rows) or lack(groups)
        if reason:
            undefined[name] = reason
        else:
            measures[name] = rounded(measure(labels, selected, sensitive_features=members))
    return Fairness(attribute=shown.attribute, measures=measures, undefined=undefined)


def _of(scored: Scored, rows: NDArray[np.bool_]) -> Scored:
    return Scored(scored.labels[rows], scored.probabilities[rows], scored.threshold)


def _group(name: str, scored: Scored, *, min_rows: int) -> GroupScores:
    rows, positives = scored.labels.size, int(np.count_nonzero(scored.labels))
    return GroupScores(
        group=name,
        rows=rows,
        positives=positives,
        selected=rounded(scored.selected.mean()),
        metrics=_metrics(scored) if rows >= min_rows else {},
    )


def _metrics(scored: Scored) -> dict[str, float]:
    positive = scored.labels == 1
    rates = {
        "true_positive_rate": _share(scored.selected[positive]),
        "false_positive_rate": _share(scored.selected[~positive]),
    }
    scores = evaluate(scored.labels, scored.probabilities, threshold=scored.threshold)
    return metrics(scores) | {name: rate for name, rate in rates.items() if rate is not None}


def _share(selected: NDArray[np.bool_]) -> float | None:
    return rounded(selected.mean()) if selected.size else None


def _too_few(groups: Groups, min_rows: int) -> str | None:
    return None if len(groups) > 1 else f"fewer than two groups have {min_rows} rows (evaluation.min_group_rows)"


def _nobody_selected(groups: Groups) -> str | None:
    return None if any(one.selected for one in groups) else "no row of any group is predicted positive"


def _no_positives(groups: Groups) -> str | None:
    lacking = [one.group for one in groups if not one.positives]
    return f"no positive row in {', '.join(lacking)}" if lacking else None


def _one_class(groups: Groups) -> str | None:
    lacking = [one.group for one in groups if one.positives == one.rows]
    return _no_positives(groups) or (f"no negative row in {', '.join(lacking)}" if lacking else None)


def _nothing(_: Groups) -> None:
    return None


# What each measure is, and why some groups do not have it: fairlearn would take a rate of no rows as 0.
_MEASURES: Final[Mapping[str, tuple[Measure, Callable[[Groups], str | None]]]] = {
    "demographic_parity_difference": (fairlearn.metrics.demographic_parity_difference, _nothing),
    "demographic_parity_ratio": (fairlearn.metrics.demographic_parity_ratio, _nobody_selected),
    "equalized_odds_difference": (fairlearn.metrics.equalized_odds_difference, _one_class),
    "equal_opportunity_difference": (fairlearn.metrics.equal_opportunity_difference, _no_positives),
}
