"""What a run logs: points of metrics, params and tags, together in one transaction."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Final, NamedTuple

import asyncpg

from pelton.registry.tracking.refusals import ParamChangedError
from pelton.registry.tracking.runs import check_active

LOG: Final = "SELECT log_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
PARAM_CHANGED: Final = "PT409"


class Point(NamedTuple):
    """One value of a metric; `model_id` and the dataset are None where it is not about a logged model."""

    key: str
    value: float
    timestamp: int
    step: int
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What is logged at once."""

    points: Sequence[Point] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def latest(points: Sequence[Point]) -> dict[str, int]:
    """Where in a sequence the latest point of each metric is.

    That is the one of the greatest step, then timestamp, then value, where NaN is above all numbers.
    """
    found: dict[str, tuple[tuple[int, int, bool, float], int]] = {}
    for place, point in enumerate(points):
        age = (point.step, point.timestamp, isnan(point.value), point.value)
        known = found.get(point.key)
        if known is None or age > known[0]:
            found[point.key] = (age, place)
    return {key: place for key, (_, place) in found.items()}


async def log(pool: asyncpg.Pool, run_id: str, batch: Batch) -> None:
    """Write all of a batch, or nothing.

    A metric's latest point is replaced only by a later one. A param that is there already is left as it is.

    Raises:
        MissingError: there is no such run.
        InactiveError: it is deleted.
        ParamChangedError: a param has another value already.
    """
    points, newest = batch.points, latest(batch.points)
    keys = sorted(newest)
    series = {key: number for number, key in enumerate(keys, 1)}
    about = points if any(point.model_id for point in points) else ()
    try:
        stage = await pool.fetchval(
            LOG,
            run_id,
            keys,
            [newest[key] + 1 for key in keys],  # arrays of PostgreSQL begin with 1
            [series[point.key] for point in points],
            [point.value for point in points],
            [point.timestamp for point in points],
            [point.step for point in points],
            [point.model_id for point in about],
            [point.dataset_name for point in about],
            [point.dataset_digest for point in about],
            list(batch.params),
            list(batch.params.values()),
            list(batch.tags),
            list(batch.tags.values()),
        )
    except asyncpg.PostgresError as error:
        if error.sqlstate != PARAM_CHANGED:
            raise
        raise ParamChangedError(_changed(run_id, json.loads(error.detail))) from error
    check_active(stage, run_id)


def _changed(run_id: str, params: Iterable[Mapping[str, str]]) -> str:
    listed = "; ".join(
        f"Param with key='{one['key']}' was already logged with value='{one['old_value']}' for run ID='{run_id}'. "
        f"Attempted logging new value '{one['new_value']}'"
        for one in params
    )
    return f"Changing param values is not allowed. {listed}. Log it under another key, or in a run of its own."
