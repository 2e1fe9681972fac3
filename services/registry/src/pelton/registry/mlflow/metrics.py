"""Routes of the histories of metrics."""

import base64
import binascii
from typing import Annotated, Final

import msgspec

from pelton.eventkit.identity import Role
from pelton.registry.mlflow.limits import check_max_results
from pelton.registry.mlflow.reading import Int64, Required
from pelton.registry.mlflow.runs import OfRun
from pelton.registry.mlflow.wire import Call, Endpoint, invalid
from pelton.registry.tracking import histories
from pelton.registry.tracking.histories import Place

MOST_RUNS: Final = 100
MOST_POINTS: Final = 25_000
MOST_SAMPLED: Final = 2500


class History(OfRun, kw_only=True):
    """A metric's points; all of them, unless `max_results` says how many at a time."""

    metric_key: Required
    max_results: int | None = None
    page_token: str | None = None


class Bulk(msgspec.Struct):
    """A metric's points in several runs."""

    run_id: list[str] | None = None
    metric_key: str | None = None
    max_results: int | None = None


class Sampled(msgspec.Struct):
    """Points that stand for a metric's history in several runs, between two steps."""

    run_ids: Annotated[list[str], msgspec.Meta(min_length=1)]
    metric_key: Required
    start_step: Int64 | None = None
    end_step: Int64 | None = None
    max_results: int | None = None


async def history(call: Call, request: History) -> object:
    """The history of a metric of a run."""
    limit = None if request.max_results is None else check_max_results(request.max_results)
    after = _place(request.page_token) if request.page_token else histories.BEFORE_ALL
    points, following = await histories.page(call.backend.pool, request.run, request.metric_key, after, limit)
    token = "" if following is None else f',"next_page_token":"{_token(following)}"'
    return msgspec.Raw(f'{{"metrics":{points}{token}}}'.encode())


async def bulk(call: Call, request: Bulk) -> object:
    """The histories of a metric in several runs."""
    if not request.run_id:
        raise invalid("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(request.run_id) > MOST_RUNS:
        raise invalid(
            f"GetMetricHistoryBulk request cannot specify more than {MOST_RUNS} run_ids. "
            f"Received {len(request.run_id)} run_ids."
        )
    if request.metric_key is None:
        raise invalid("GetMetricHistoryBulk request must specify a metric_key.")
    limit = MOST_POINTS if request.max_results is None else min(check_max_results(request.max_results), MOST_POINTS)
    points = await histories.whole(call.backend.pool, request.run_id, request.metric_key, limit)
    return msgspec.Raw(f'{{"metrics":{points}}}'.encode())


async def sampled(call: Call, request: Sampled) -> object:
    """As many points as a chart shows, evenly spread over each history."""
    if len(request.run_ids) > MOST_RUNS:
        raise invalid(
            f"GetMetricHistoryBulkInterval request must specify at most {MOST_RUNS} run_ids. "
            f"Received {len(request.run_ids)} run_ids."
        )
    limit = MOST_SAMPLED if request.max_results is None else request.max_results
    if not 0 < limit <= MOST_SAMPLED:
        raise invalid(f"max_results must be between 1 and {MOST_SAMPLED}.")
    steps = histories.ALL_STEPS
    if request.start_step is not None and request.end_step is not None:
        if request.start_step > request.end_step:
            raise invalid(
                "end_step must be greater than start_step. "
                f"Found start_step={request.start_step} and end_step={request.end_step}."
            )
        steps = request.start_step, request.end_step
    elif request.start_step is not None or request.end_step is not None:
        raise invalid("If either start step or end step are specified, both must be specified.")
    points = await histories.sample(call.backend.pool, request.run_ids, request.metric_key, limit, steps)
    return msgspec.Raw(f'{{"metrics":{points}}}'.encode())


def _token(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place.step} {place.timestamp} {place.value!r}".encode()).decode()


def _place(token: str) -> Place:
    try:
        step, timestamp, value = base64.urlsafe_b64decode(token).split()
        place = Place(int(step), int(timestamp), float(value))
        if not -(2**63) <= min(place[:2]) <= max(place[:2]) < 2**63:
            raise ValueError(token)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"Invalid page token '{token}': pass the next_page_token of the page before") from error
    return place


PATH: Final = "2.0/mlflow/metrics"

ENDPOINTS: Final = (
    Endpoint("GET", f"{PATH}/get-history", Role.VIEWER, History, history),
    Endpoint("GET", f"{PATH}/get-history-bulk", Role.VIEWER, Bulk, bulk),
    Endpoint("GET", f"{PATH}/get-history-bulk-interval", Role.VIEWER, Sampled, sampled),
)
