"""From rows to answers: who answers which row, and what is logged."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.records import PredictionBatch
from pelton.inference.routes import Route
from pelton.inference.rows import Rows
from pelton.inference.scorer import Scorer

Column = NDArray[np.float64]


@dataclass(slots=True)
class Answer:
    """What is answered, and what is known for the log; the shadow's scores may still be missing."""

    rows: Rows
    served: NDArray[np.int64]
    probabilities: Column
    outputs: dict[int, Column]
    errors: dict[int, int]
    latency_us: dict[int, int]


def score(rows: Rows, route: Route) -> Answer:
    """Let each row be answered by its version. Where another than the champion fails, the champion answers.

    Raises:
        ValueError: the champion itself gave no number.
    """
    champion = route.champion
    number = champion.version.version
    matrix = rows.matrices[number]
    count = len(rows.keys)
    answer = Answer(rows, np.full(count, number, dtype=np.int64), np.empty(count), {}, {}, {})
    chosen = _score_shares(answer, route) if route.is_shared else None
    began = time.perf_counter()
    if chosen is None:
        # Nearly every request, and so without masks and copies.
        answer.probabilities = found = champion.score(matrix)
    elif chosen.all():
        return answer
    else:
        rest = ~chosen
        found = np.full(count, np.nan)
        found[rest] = champion.score(matrix[rest])
        answer.probabilities[rest] = found[rest]
    answer.outputs[number] = found
    answer.latency_us[number] = _since(began)
    return answer


def _score_shares(answer: Answer, route: Route) -> NDArray[np.bool_] | None:
    """Let others than the champion answer their shares; which rows they answered, None when none."""
    answered: NDArray[np.bool_] | None = None
    for version, scorer, chosen in route.shares(answer.rows.units):
        scores = _try(answer, version, scorer, chosen)
        if scores is not None:
            answer.probabilities[chosen] = scores[chosen]
            answer.served[chosen] = version
            answered = chosen if answered is None else answered | chosen
    return answered


def score_shadow(answer: Answer, route: Route) -> None:
    """Let the challenger score every row, for the log alone; its failure is counted and harms nobody."""
    if route.mode in ("shadow", "bake") and route.challenger_version is not None:
        _try(answer, route.challenger_version, route.challenger, np.ones(len(answer.rows.keys), dtype=np.bool_))


def log_record(answer: Answer, route: Route, batch_id: str) -> PredictionBatch:
    """What goes to Kafka of an answered request."""
    champion = route.champion.version
    matrix = answer.rows.matrices[champion.version]
    return PredictionBatch(
        id=batch_id,
        model=route.model,
        revision=route.revision,
        mode=route.mode,
        champion=champion.version,
        challenger=route.challenger_version,
        weight=route.weight,
        keys=answer.rows.keys,
        event_times=answer.rows.times.tolist(),
        inputs=dict(zip(champion.inputs, map(_shortest, matrix.T.tolist()), strict=True)),
        served=answer.served.tolist(),
        outputs={str(version): _nullable(column.tolist()) for version, column in answer.outputs.items()},
        errors={str(version): count for version, count in answer.errors.items()},
        latency_us={str(version): spent for version, spent in answer.latency_us.items()},
    )


def failure_record(route: Route, errors: Mapping[int, int], batch_id: str) -> PredictionBatch:
    """What goes to Kafka of a request that the champion could not answer: how many rows failed, and no row."""
    return PredictionBatch(
        id=batch_id,
        model=route.model,
        revision=route.revision,
        mode=route.mode,
        champion=route.champion.version.version,
        challenger=route.challenger_version,
        weight=route.weight,
        keys=[],
        event_times=[],
        inputs={name: [] for name in route.champion.version.inputs},
        served=[],
        outputs={},
        errors={str(version): count for version, count in errors.items()},
        latency_us={},
    )


def labels(answer: Answer, route: Route) -> list[int]:
    """Whether each row is predicted positive, by the threshold of the version that answered it."""
    threshold: float | Column = route.champion.version.threshold
    if route.is_shared:
        of_version = {one.version: one.threshold for one in route.versions}
        threshold = np.array([of_version[version] for version in answer.served.tolist()])
    reached = answer.probabilities >= threshold
    found: list[int] = reached.astype(int).tolist()
    return found


def _try(answer: Answer, version: int, scorer: Scorer | None, chosen: NDArray[np.bool_]) -> Column | None:
    """A version's scores of the chosen rows, NaN elsewhere; None when it failed, which is counted."""
    if not chosen.any():
        return None
    began = time.perf_counter()
    matrix = answer.rows.matrices.get(version)
    found = np.full(chosen.size, np.nan)
    try:
        if scorer is None or matrix is None:
            raise ValueError("the version is not loaded, or its inputs were not sent")
        found[chosen] = scorer.score(matrix[chosen])
    except Exception:  # noqa: BLE001 - whatever it is, it is the version's own failure
        answer.errors[version] = int(chosen.sum())
        return None
    answer.outputs[version] = found
    answer.latency_us[version] = _since(began)
    return found


def _nullable(column: Iterable[float]) -> list[float | None]:
    """A column for the log: missing values as null."""
    return [None if value != value else value for value in column]  # noqa: PLR0124


def _shortest(column: Iterable[float]) -> list[float | None]:
    """As `_nullable`, of what was float32: in the nine digits that tell one from any other."""
    return [None if value != value else float(f"{value:.9g}") for value in column]  # noqa: PLR0124


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1e6)
