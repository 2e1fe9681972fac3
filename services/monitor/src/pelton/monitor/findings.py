"""What a closed window shows: the one place where it is computed, live and in a replay alike. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import DegradationDefinition, DriftDefinition
from pelton.contracts.monitor import (
    FeatureDrift,
    FeatureReference,
    ReferencePinned,
    WindowDrift,
    WindowPerformance,
)
from pelton.contracts.values import Evaluation, OffsetRange, Window
from pelton.monitor import statistics
from pelton.monitor.joins import Joined
from pelton.monitor.rows import Rows
from pelton.monitor.statistics import Bins, Reference, Scores, degradation, detect

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moment(milliseconds: int) -> datetime:
    """A time in UTC from milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 of a time, rounded down."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def window(start: int, end: int) -> Window:
    """A window by its bounds in milliseconds since 1970."""
    return Window(start=moment(start), end=moment(end))


def drift(
    reference: Reference,
    rows: Sequence[Rows],
    span: Window,
    offsets: tuple[OffsetRange, ...],
    definition: DriftDefinition,
) -> WindowDrift:
    """The rows' inputs against the reference; `rows` may be none."""
    counts = reference.count({feature.feature: _column(feature.feature, rows) for feature in reference.features})
    found = detect(reference, counts, definition)
    features = tuple(
        FeatureDrift(
            feature=one.feature,
            counts=one.counts,
            p_value=one.p_value,
            effect=one.effect,
            rejected=one.rejected,
            drifted=one.drifted,
        )
        for one in found.features
    )
    return WindowDrift(
        window=span,
        offsets=offsets,
        rows=sum(len(part.keys) for part in rows),
        features=features,
        share=found.share,
        drifted=found.drifted,
    )


def performance(
    reference: Evaluation,
    version: int,
    threshold: float,
    joined: Sequence[Joined],
    span: Window,
    offsets: tuple[OffsetRange, ...],
    definition: DegradationDefinition,
) -> WindowPerformance:
    """The labelled rows that the version scored, against the reference's evaluation.

    Raises:
        UnfitScoresError: fewer than two labelled rows, here or in the reference.
    """
    scores = Scores()
    for part in joined:
        scores = scores.add(*part.scored(version), threshold=threshold)
    evaluation = scores.evaluation()
    found = degradation(reference, evaluation, definition)
    return WindowPerformance(
        window=span,
        offsets=offsets,
        evaluation=evaluation,
        unlabelled=sum(part.unlabelled for part in joined),
        p_value=found.p_value,
        degraded=found.degraded,
    )


def labelled(version: int, joined: Iterable[Joined]) -> int:
    """How many rows would be evaluated."""
    return sum(part.scored(version)[0].size for part in joined)


def in_order(*ranges: Iterable[OffsetRange]) -> tuple[OffsetRange, ...]:
    """Ranges of several origins, which have no partition in common, in one order."""
    return tuple(sorted(chain(*ranges), key=lambda one: (one.topic, one.partition, one.start)))


def pin(columns: dict[str, NDArray[Any]]) -> tuple[Reference, dict[str, FeatureReference]]:
    """The reference of a dataset's inputs, and the form in which the fact carries it.

    Columns are taken in single precision, as the model sees them and predictions are logged.
    """
    reference = Reference.pin({name: column.astype(np.float32) for name, column in columns.items()})
    features = {}
    for one in reference.features:
        if not isinstance(one.partition, Bins):
            raise TypeError(f"input {one.feature!r} is not numeric")
        features[one.feature] = FeatureReference(
            edges=one.partition.edges, counts=one.counts[:-1], missing=one.counts[-1]
        )
    return reference, features


def reference_of(fact: ReferencePinned) -> Reference:
    """The reference that a fact carries."""
    features = tuple(
        statistics.FeatureReference(name, Bins(one.edges), (*one.counts, one.missing))
        for name, one in sorted(fact.features.items())
    )
    return Reference(rows=sum(features[0].counts) if features else 0, features=features)


def _column(name: str, rows: Sequence[Rows]) -> NDArray[np.float32]:
    parts = [part.inputs[name] for part in rows]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
