"""Routes by which a run logs metrics, params and tags, alone or together."""

from collections.abc import Iterable
from typing import Final

import msgspec

from pelton.eventkit.identity import Role
from pelton.registry.mlflow import limits
from pelton.registry.mlflow.reading import Int64, Required, Time
from pelton.registry.mlflow.runs import OfRun, Tag
from pelton.registry.mlflow.wire import Call, Endpoint
from pelton.registry.tracking import batches
from pelton.registry.tracking.batches import Batch, Point


class Metric(msgspec.Struct):
    """A point of a metric. Its value is a number, or the text NaN, Infinity or -Infinity."""

    key: Required
    value: float
    timestamp: Time
    step: Int64 | None = None
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class LogMetric(OfRun, kw_only=True):
    """A point of a metric of a run."""

    key: Required
    value: float
    timestamp: Time
    step: Int64 | None = None
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class LogParam(OfRun, kw_only=True):
    """A param of a run."""

    key: Required
    value: str | None = None


class SetTag(OfRun, kw_only=True):
    """A tag of a run."""

    key: Required
    value: str | None = None


class LogBatch(msgspec.Struct):
    """Everything that a run logs at once."""

    run_id: Required
    metrics: list[Metric] | None = None
    params: list[Tag] | None = None
    tags: list[Tag] | None = None


async def log_metric(call: Call, request: LogMetric) -> None:
    """Log one point."""
    limits.check_key(request.key, "name")
    await batches.log(call.backend.pool, request.run, Batch(points=[_point(request)]))


async def log_param(call: Call, request: LogParam) -> None:
    """Log one param, for good."""
    limits.check_key(request.key, "key")
    value = (request.value or "")[: limits.PARAM_LENGTH]
    await batches.log(call.backend.pool, request.run, Batch(params={request.key: value}))


async def set_tag(call: Call, request: SetTag) -> None:
    """Set one tag."""
    limits.check_key(request.key, "key")
    value = (request.value or "")[: limits.TAG_LENGTH]
    await batches.log(call.backend.pool, request.run, Batch(tags={request.key: value}))


async def log_batch(call: Call, request: LogBatch) -> None:
    """Log all of it, or nothing."""
    metrics, params, tags = request.metrics or [], request.params or [], request.tags or []
    limits.check_run_id(request.run_id)
    limits.check_batch(len(metrics), len(params), len(tags))
    _check_keys((one.key for one in metrics), "metrics", "name")
    _check_keys((one.key for one in params), "params", "key")
    _check_keys((one.key for one in tags), "tags", "key")
    limits.check_unique([one.key for one in params])
    batch = Batch(
        points=[_point(one) for one in metrics],
        params={one.key: (one.value or "")[: limits.PARAM_LENGTH] for one in params},
        tags={one.key: (one.value or "")[: limits.TAG_LENGTH] for one in tags},
    )
    await batches.log(call.backend.pool, request.run_id, batch)


def _point(metric: Metric | LogMetric) -> Point:
    return Point(
        metric.key,
        metric.value,
        metric.timestamp,
        metric.step or 0,
        metric.model_id or None,
        metric.dataset_name or None,
        metric.dataset_digest or None,
    )


def _check_keys(keys: Iterable[str], of: str, field: str) -> None:
    for key, place in {key: place for place, key in enumerate(keys)}.items():
        limits.check_key(key, f"{of}[{place}].{field}")


PATH: Final = "2.0/mlflow/runs"

ENDPOINTS: Final = (
    Endpoint("POST", f"{PATH}/log-metric", Role.CONTRIBUTOR, LogMetric, log_metric),
    Endpoint("POST", f"{PATH}/log-parameter", Role.CONTRIBUTOR, LogParam, log_param),
    Endpoint("POST", f"{PATH}/set-tag", Role.CONTRIBUTOR, SetTag, set_tag),
    Endpoint("POST", f"{PATH}/log-batch", Role.CONTRIBUTOR, LogBatch, log_batch),
)
