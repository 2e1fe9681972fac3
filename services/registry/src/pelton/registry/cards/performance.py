"""What a card says of scores: over all rows, against the champion, by group, and between groups. Pure."""

from pelton.contracts.evidence import Segment
from pelton.registry.cards.markdown import listed, number, plain, table
from pelton.registry.cards.source import CardSource


def performance(source: CardSource) -> str:
    """Metrics over all held-out rows, the comparison with the champion, latency, and scores by group."""
    scores = {**source.metrics, **source.evidence.metrics}
    overall = table(("Metric", "Value"), ((plain(name), number(value)) for name, value in sorted(scores.items())))
    return "\n\n".join(
        filter(None, (_rows(source), overall, _beside(source), *map(_segment, source.evidence.segments)))
    )


def fairness(source: CardSource) -> str:
    """Differences between the groups of each sensitive attribute, and why a measure is missing."""
    rows = []
    for one in source.evidence.fairness:
        rows += [(plain(one.attribute), plain(name), number(value)) for name, value in sorted(one.measures.items())]
        rows += [(plain(one.attribute), plain(name), plain(why)) for name, why in sorted(one.undefined.items())]
    return table(("Attribute", "Measure", "Value"), rows)


def _rows(source: CardSource) -> str:
    if source.details is None:
        return ""
    told = source.details.evaluation
    return f"On {told.rows} rows that it was not trained on, {told.positives} of them positive."


def _beside(source: CardSource) -> str:
    comparison, latency = source.evidence.comparison, source.evidence.latency
    told = {}
    if comparison is not None:
        side = "lower" if comparison.mean < 0 else "higher"
        told[f"Against version {comparison.against}"] = (
            f"{plain(comparison.loss)} {side} by {number(abs(comparison.mean))} "
            f"on the mean of the same {comparison.rows} rows"
        )
    if latency is not None:
        told["Single rows"] = f"{number(latency.p50_ms)} ms at the median, {number(latency.p99_ms)} ms at 99 %"
    return listed(told)


def _segment(segment: Segment) -> str:
    names = sorted({name for group in segment.groups for name in group.metrics})
    rows = [
        (
            plain(group.group),
            str(group.rows),
            str(group.positives),
            number(group.selected),
            *(number(group.metrics.get(name)) for name in names),
        )
        for group in segment.groups
    ]
    shown = table(("Group", "Rows", "Positive", "Selected", *map(plain, names)), rows)
    return f"### By {plain(segment.attribute)}\n\n{shown}" if shown else ""
