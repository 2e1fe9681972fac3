"""Searches for runs: what a filter finds, in which order, and page by page."""

from typing import Any

import pytest
from registry_door import Door
from tracking_client import RUNS, answered, invalid, log, new_experiment, new_run

RUN = {
    "a": {"metrics": {"acc": 0.9}, "params": {"lr": "0.1", "opt": "adam"}, "tags": {"team": "blue"}},
    "b": {"metrics": {"acc": 0.5, "loss": 2}, "params": {"lr": "0.01"}, "tags": {"team": "Red"}},
    "c": {"metrics": {"acc": "NaN"}, "params": {}, "tags": {}},
    "d": {"metrics": {}, "params": {"lr": "0.1"}, "tags": {"team": "red"}},
    "e": {"metrics": {"acc": "Infinity"}, "params": {}, "tags": {}},
}


async def fill(door: Door) -> str:
    """An experiment with the runs above, `a` begun first."""
    experiment = await new_experiment(door)
    for start, (name, data) in enumerate(RUN.items(), 1):
        run_id = await new_run(door, experiment_id=experiment, run_name=name, start_time=start, user_id=f"user {name}")
        metrics = [{"key": key, "value": value, "timestamp": 1} for key, value in data["metrics"].items()]
        listed = {of: [{"key": key, "value": data[of][key]} for key in data[of]] for of in ("params", "tags")}
        answered(await log(door, run_id, metrics=metrics, **listed))
        if name == "b":
            inputs = [
                {
                    "dataset": {"name": "iris", "digest": "d1", "source_type": "t", "source": "s"},
                    "tags": [{"key": "mlflow.data.context", "value": "train"}],
                }
            ]
            answered(await log(door, run_id, "inputs", datasets=inputs))
            update = {"run_id": run_id, "status": "FINISHED", "end_time": 50}
            answered(await door.mlflow("POST", f"{RUNS}/update", json=update))
    return experiment


async def search(door: Door, experiment: str, **fields: object) -> dict[str, Any]:
    answer = await door.mlflow("POST", f"{RUNS}/search", json={"experiment_ids": [experiment]} | fields)
    found: dict[str, Any] = answered(answer)
    return found


async def names(door: Door, experiment: str, **fields: object) -> str:
    return "".join(run["info"]["run_name"] for run in (await search(door, experiment, **fields))["runs"])


FILTERS = {
    "": "edcba",
    "metrics.acc > 0.6": "ea",
    "metrics.acc <= 0.9": "ba",
    "metrics.acc > 0.1 and metrics.loss = 2": "b",
    "params.lr = '0.1'": "da",
    "params.lr != '0.1'": "b",
    "params.opt LIKE 'a%'": "a",
    "tags.team ILIKE 'red'": "db",
    "tag.team = 'red'": "d",
    "tags.`mlflow.runName` = 'a'": "a",
    "attributes.run_name IN ('a', 'c')": "ca",
    "run_name = 'a'": "a",
    "status = 'FINISHED'": "b",
    "attributes.start_time >= 3": "edc",
    "end_time > 1": "b",
    "user_id = 'user d'": "d",
    "dataset.name = 'iris' AND dataset.context = 'train'": "b",
    "dataset.digest = 'other'": "",
}


async def test_a_filter_finds_what_it_says(door: Door) -> None:
    experiment = await fill(door)
    assert {one: await names(door, experiment, filter=one) for one in FILTERS} == FILTERS


ORDERS = {
    ("metrics.acc",): "baecd",
    ("metrics.acc DESC",): "eabcd",
    ("params.lr", "attributes.run_name"): "badce",
    ("params.lr DESC",): "dabec",
    ("tag.team DESC",): "dabec",
    ("attributes.start_time",): "abcde",
    ("start_time DESC",): "edcba",
    ("end_time", "run_name DESC"): "bedca",
    ("created",): "abcde",
}


async def test_an_order_puts_those_without_the_value_last_and_nan_before_them(door: Door) -> None:
    experiment = await fill(door)
    assert {one: await names(door, experiment, order_by=list(one)) for one in ORDERS} == ORDERS


async def test_a_found_run_is_whole(door: Door) -> None:
    experiment = await fill(door)
    for run in (await search(door, experiment))["runs"]:
        answer = await door.mlflow("GET", f"{RUNS}/get", params={"run_id": run["info"]["run_id"]})
        assert answered(answer)["run"] == run


@pytest.mark.parametrize("order_by", [[], ["metrics.acc DESC"]])
async def test_pages_follow_one_another_without_gap_or_overlap(door: Door, order_by: list[str]) -> None:
    experiment = await fill(door)
    fields: dict[str, object] = {"order_by": order_by, "max_results": 2}
    pages = []
    while fields.get("page_token", True):
        answer = await search(door, experiment, **fields)
        pages.append("".join(run["info"]["run_name"] for run in answer["runs"]))
        fields["page_token"] = answer.get("next_page_token")
    whole = await names(door, experiment, order_by=order_by)
    assert pages == [whole[:2], whole[2:4], whole[4:]]


async def test_deleted_runs_are_found_where_they_are_asked_for(door: Door) -> None:
    experiment = await fill(door)
    (run,) = (await search(door, experiment, filter="run_name = 'c'"))["runs"]
    await door.mlflow("POST", f"{RUNS}/delete", json={"run_id": run["info"]["run_id"]})
    assert await names(door, experiment) == "edba"
    assert await names(door, experiment, run_view_type="DELETED_ONLY") == "c"
    assert await names(door, experiment, run_view_type="ALL") == "edcba"


async def test_runs_are_found_in_the_experiments_that_are_named(door: Door) -> None:
    experiment = await fill(door)
    await new_run(door, run_name="x", start_time=9)
    assert await names(door, experiment) == "edcba"
    assert await names(door, experiment, experiment_ids=["0", experiment]) == "xedcba"
    assert await names(door, experiment, experiment_ids=[]) == ""


WRONG = [
    ({"max_results": 123456789}, "Invalid value 123456789 for parameter 'max_results' supplied"),
    ({"page_token": "nonsense"}, "Invalid page token"),
    ({"experiment_ids": ["x"]}, "Invalid experiment ID 'x'."),
    ({"experiment_ids": "0"}, "Invalid value \"0\" for parameter 'experiment_ids' supplied"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
async def test_what_is_wrong_is_named(door: Door, fields: dict[str, object], message: str) -> None:
    body = {"experiment_ids": ["0"]} | fields
    assert invalid(await door.mlflow("POST", f"{RUNS}/search", json=body)).startswith(message)


@pytest.mark.parametrize("wrong", ["metrics.acc >", "metrics.acc > 'x'", "nothing = 1", "a.b.c", "run_name = 'a' OR 1"])
async def test_a_filter_that_is_none_is_refused(door: Door, wrong: str) -> None:
    body = {"experiment_ids": ["0"], "filter": wrong}
    assert invalid(await door.mlflow("POST", f"{RUNS}/search", json=body))
