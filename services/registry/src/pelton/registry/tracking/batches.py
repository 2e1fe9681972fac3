"""What a run logs: points of metrics, params and tags, together in one transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import asyncpg

from pelton.registry.tracking.refusals import ParamChangedError
from pelton.registry.tracking.runs import check_active

LOG: Final = "SELECT log_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
PARAM_CHANGED: Final = "PT409"


class Point(NamedTuple):
    """One value of a metric; `model_id` and the dataset are empty where it is not about a logged model."""

    key: str
    value: float
    timestamp: int
    step: int
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is logged at once."""

    points: Sequence[Point] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


async def log(pool: asyncpg.Pool, run_id: str, batch: Batch) -> None:
    """Write all of a batch, or nothing.

    A metric's latest point is the one of the greatest step, then timestamp, then value, where NaN is above all numbers.
    A point or a param that is there already is left as it is.

    Raises:
        MissingError: there is no such run.
        InactiveError: it is deleted.
        ParamChangedError: a param has another value already.
    """
    keys, values, times, steps, *about = zip(*batch.points, strict=True) if batch.points else [()] * len(Point._fields)
    models, datasets, digests = about if any(about[0]) else ((), (), ())
    try:
        stage = await pool.fetchval(
            LOG,
            run_id,
            keys,
            values,
            times,
            steps,
            models,
            datasets,
            digests,
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


def _changed(run_id: str, params: Sequence[Mapping[str, str]]) -> str:
    listed = "; ".join(
        f"Param with key='{one['key']}' was already logged with value='{one['old_value']}' for run ID='{run_id}'. "
        f"Attempted logging new value '{one['new_value']}'"
        for one in params
    )
    return f"Changing param values is not allowed. {listed}. Log it under another key, or in a run of its own."
