"""All that is measured about a challenger on the held-out rows, for whoever decides about it."""

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import EvaluationDefinition
from pelton.contracts.evidence import Evidence, Fairness, Segment
from pelton.contracts.values import Evaluation
from pelton.trainer import latency
from pelton.trainer.dataset import Dataset
from pelton.trainer.evaluation import compare, metrics
from pelton.trainer.groups import group
from pelton.trainer.orders import TrainingOrder
from pelton.trainer.segments import Scored, fairness, segment

Probabilities = NDArray[np.float64]


def gather(
    order: TrainingOrder,
    held: Dataset,
    evaluation: Evaluation,
    artifact: bytes,
    served: Probabilities,
    champion: Probabilities | None,
) -> Evidence:
    """The evidence on held-out rows that the challenger's artifact and, where it could, the champion scored."""
    definition = order.definition
    comparison = None
    if order.champion is not None and champion is not None:
        against = order.champion.version.version
        comparison = compare(held.labels, served, champion, against=against, dataset=order.dataset_digest)
    scored = Scored(held.labels, served, definition.threshold)
    segments, differences = _by_attribute(definition.evaluation, held, scored)
    return Evidence(
        metrics=metrics(evaluation),
        comparison=comparison,
        segments=segments,
        fairness=differences,
        latency=latency.measure(artifact, held.matrix(definition.inputs.names)),
    )


def _by_attribute(
    asked: EvaluationDefinition, held: Dataset, scored: Scored
) -> tuple[tuple[Segment, ...], tuple[Fairness, ...]]:
    segments, differences = [], []
    for attribute in asked.attributes:
        grouping = group(held.attribute(attribute))
        shown = segment(attribute, grouping, scored, min_rows=asked.min_group_rows)
        segments.append(shown)
        if attribute in asked.fairness:
            differences.append(fairness(grouping, scored, shown, min_rows=asked.min_group_rows))
    return tuple(segments), tuple(differences)
