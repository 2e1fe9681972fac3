"""The histories of metrics: page by page, of several runs, and in samples."""

from itertools import pairwise

import pytest
from registry_door import Door
from tracking_client import METRICS, answered, invalid, log, new_run

from pelton.registry.tracking import histories


async def logged(door: Door, points: list[tuple[int, int, float]], key: str = "m") -> str:
    """A new run with these steps, timestamps and values."""
    run_id = await new_run(door)
    metrics = [{"key": key, "step": step, "timestamp": time, "value": value} for step, time, value in points]
    for start in range(0, len(metrics), 1000):
        answered(await log(door, run_id, metrics=metrics[start : start + 1000]))
    return run_id


async def steps(door: Door, path: str, **params: object) -> list[int]:
    answer = answered(await door.mlflow("GET", f"{METRICS}/{path}", params={"metric_key": "m"} | params))
    return [point["step"] for point in answer["metrics"]]


async def test_a_history_is_read_page_by_page_and_the_last_page_says_so(door: Door) -> None:
    points = [(0, 1, float("inf")), (0, 1, float("-inf")), (-(2**63), 0, 0.5), (2, 1, 0.25), (2**63 - 1, 2**63 - 1, 1)]
    run_id = await logged(door, [point for point in points if abs(point[2]) < 2])
    infinite = [{"key": "m", "step": 0, "timestamp": 1, "value": f"{sign}Infinity"} for sign in ("", "-")]
    nan = {"key": "m", "step": 0, "timestamp": 1, "value": "NaN"}
    answered(await log(door, run_id, metrics=[*infinite, nan]))
    params: dict[str, object] = {"run_id": run_id, "metric_key": "m", "max_results": 2}
    pages = []
    while params.get("page_token", True):
        answer = answered(await door.mlflow("GET", f"{METRICS}/get-history", params=params))
        pages.append([(point["step"], point["value"]) for point in answer["metrics"]])
        params["page_token"] = answer.get("next_page_token")
    assert pages == [
        [(-(2**63), 0.5), (0, "-Infinity")],
        [(0, "Infinity"), (0, "NaN")],
        [(2, 0.25), (2**63 - 1, 1)],
    ]


async def test_a_history_without_pages_is_whole_and_one_of_nothing_is_empty(door: Door) -> None:
    run_id = await logged(door, [(step, 1, 1.0) for step in range(1500)])
    assert await steps(door, "get-history", run_id=run_id) == list(range(1500))
    assert await steps(door, "get-history", run_uuid=run_id) == list(range(1500))
    assert await steps(door, "get-history", run_id=run_id, metric_key="other") == []


async def test_several_runs_come_by_their_identifiers_up_to_a_limit(door: Door) -> None:
    runs = sorted([await logged(door, [(step, 1, 1.0) for step in (2, 0, 1)]) for _ in range(2)], reverse=True)
    params = {"run_id": runs, "metric_key": "m", "max_results": 5}
    answer = answered(await door.mlflow("GET", f"{METRICS}/get-history-bulk", params=params))
    found = [(point["run_id"], point["step"]) for point in answer["metrics"]]
    assert found == [(run_id, step) for run_id in sorted(runs) for step in range(3)][:5]


@pytest.mark.parametrize("count", [1, 2, 5, 7, 10, 999])
@pytest.mark.parametrize("most", [2, 3, 5, 8])
async def test_a_sample_is_even_and_has_both_ends(door: Door, count: int, most: int) -> None:
    run_id = await logged(door, [(step, 1, 1.0) for step in range(count)])
    found = await steps(door, "get-history-bulk-interval", run_ids=run_id, max_results=most)
    assert len(found) == min(count, most)
    assert (found[0], found[-1]) == (0, count - 1)
    gaps = [later - earlier for earlier, later in pairwise(found)]
    assert not gaps or max(gaps) - min(gaps) <= 1


async def test_a_sample_of_one_step_is_of_its_points(door: Door) -> None:
    run_id = await logged(door, [(0, time, 1.0) for time in range(100)])
    params = {"run_ids": [run_id], "metric_key": "m", "max_results": 3}
    answer = answered(await door.mlflow("GET", f"{METRICS}/get-history-bulk-interval", params=params))
    assert [point["timestamp"] for point in answer["metrics"]] == [0, 50, 99]


async def test_a_sample_is_of_each_run_and_between_two_steps(door: Door) -> None:
    runs = [await logged(door, [(step, 1, 1.0) for step in range(size)]) for size in (20, 10)]
    between = {"start_step": 4, "end_step": 12, "max_results": 3}
    assert await steps(door, "get-history-bulk-interval", run_ids=runs, **between) == [4, 8, 12, 4, 7, 9]


WRONG = [
    ("get-history", {"run_id": "r"}, "Missing value for required parameter 'metric_key'."),
    ("get-history", {"metric_key": "m"}, "Missing value for required parameter 'run_id'."),
    ("get-history", {"run_id": "r", "metric_key": "m", "max_results": 0}, "Invalid value 0 for parameter"),
    ("get-history", {"run_id": "r", "metric_key": "m", "page_token": "?"}, "Invalid page token '?'"),
    (
        "get-history",
        {"run_id": "r", "metric_key": "m", "page_token": "OTk5OTk5OTk5OTk5OTk5OTk5OTkgMCAw"},
        "Invalid page",
    ),
    ("get-history-bulk", {"metric_key": "m"}, "GetMetricHistoryBulk request must specify at least one run_id"),
    ("get-history-bulk", {"run_id": "r"}, "GetMetricHistoryBulk request must specify a metric_key"),
    (
        "get-history-bulk",
        {"run_id": [str(number) for number in range(101)], "metric_key": "m"},
        "GetMetricHistoryBulk request cannot specify more than 100 run_ids",
    ),
    ("get-history-bulk-interval", {"metric_key": "m"}, "Missing value for required parameter 'run_ids'."),
    ("get-history-bulk-interval", {"run_ids": "r", "metric_key": ""}, "Missing value for required parameter"),
    ("get-history-bulk-interval", {"run_ids": "r", "max_results": 5}, "Missing value for required parameter"),
    (
        "get-history-bulk-interval",
        {"run_ids": [str(number) for number in range(101)], "metric_key": "m"},
        "GetMetricHistoryBulkInterval request must specify at most 100 run_ids.",
    ),
    (
        "get-history-bulk-interval",
        {"run_ids": "r", "metric_key": "m", "max_results": 0},
        "max_results must be between 1 and 2500",
    ),
    (
        "get-history-bulk-interval",
        {"run_ids": "r", "metric_key": "m", "start_step": 1, "end_step": 0},
        "end_step must be greater than start_step.",
    ),
    (
        "get-history-bulk-interval",
        {"run_ids": "r", "metric_key": "m", "start_step": 1},
        "If either start step or end step are specified, both must be specified.",
    ),
]


@pytest.mark.parametrize(("path", "params", "message"), WRONG)
async def test_what_is_wrong_is_named(door: Door, path: str, params: dict[str, object], message: str) -> None:
    assert invalid(await door.mlflow("GET", f"{METRICS}/{path}", params=params)).startswith(message)


async def test_a_page_is_no_longer_than_asked(door: Door) -> None:
    run_id = await logged(door, [(step, 1, 1.0) for step in range(4)])
    page, following = await histories.page(door.backend.pool, run_id, "m", limit=3)
    assert page.count('"step"') == 3
    assert following == histories.Place(2, 1, 1.0)
    page, following = await histories.page(door.backend.pool, run_id, "m", histories.Place(2, 1, 1.0), limit=1)
    assert following is None
