"""What runs were given and what they made: datasets and logged models."""

import asyncio
import json
from typing import Any

import pytest
from registry_door import Door
from tracking_client import EXPERIMENTS, RUNS, answered, invalid, log, new_experiment, new_run, pairs, read_run

DATASET = {"name": "iris", "digest": "d1", "source_type": "local", "source": '{"uri": "iris.csv"}'}
TAGS = [{"key": "foo", "value": "baz"}, {"key": "mlflow.data.context", "value": "train"}]


async def give(door: Door, run_id: str, *datasets: dict[str, Any], **fields: Any) -> None:  # noqa: ANN401
    inputs = [{"dataset": dataset, "tags": TAGS} for dataset in datasets]
    answered(await log(door, run_id, "inputs", datasets=inputs, **fields))


async def test_a_run_shows_the_datasets_that_it_was_given(door: Door) -> None:
    run_id = await new_run(door)
    full = DATASET | {"digest": "d2", "schema": "{}", "profile": '{"rows": 2}'}
    await give(door, run_id, DATASET, full, DATASET)
    inputs = (await read_run(door, run_id))["inputs"]["dataset_inputs"]
    assert inputs == [{"tags": TAGS, "dataset": DATASET}, {"tags": TAGS, "dataset": full}]


async def test_a_dataset_is_kept_once_for_an_experiment_and_given_once_to_a_run(door: Door) -> None:
    runs = [await new_run(door) for _ in range(4)]
    await asyncio.gather(*(give(door, run_id, DATASET) for run_id in runs * 2))
    assert [len((await read_run(door, run_id))["inputs"]["dataset_inputs"]) for run_id in runs] == [1] * 4
    assert await door.backend.pool.fetchval("SELECT count(*) FROM datasets") == 1


async def test_a_run_shows_the_models_that_it_was_given_and_those_that_it_made(door: Door) -> None:
    run_id = await new_run(door)
    await give(door, run_id, models=[{"model_id": "m-1"}])
    for step in (7, 3):
        made = {"run_id": run_id, "models": [{"model_id": "m-2", "step": step}]}
        answered(await door.mlflow("POST", f"{RUNS}/outputs", json=made))
    run = await read_run(door, run_id)
    assert run["inputs"]["model_inputs"] == [{"model_id": "m-1"}]
    assert run["outputs"]["model_outputs"] == [{"model_id": "m-2", "step": 3}, {"model_id": "m-2", "step": 7}]


async def test_the_datasets_of_experiments_are_found_with_what_they_were_for(door: Door) -> None:
    experiment = await new_experiment(door)
    for _ in range(2):
        run_id = await new_run(door, experiment_id=experiment)
        await give(door, run_id, DATASET)
    answered(await log(door, run_id, "inputs", datasets=[{"dataset": DATASET | {"name": "a"}}]))
    await give(door, await new_run(door), DATASET | {"name": "of another experiment"})
    answer = await door.mlflow("POST", f"{EXPERIMENTS}/search-datasets", json={"experiment_ids": [experiment]})
    assert answered(answer)["dataset_summaries"] == [
        {"experiment_id": experiment, "name": "a", "digest": "d1"},
        {"experiment_id": experiment, "name": "iris", "digest": "d1", "context": "train"},
    ]


async def test_models_of_older_clients_are_recorded_in_the_tag_where_they_look_for_them(door: Door) -> None:
    run_id = await new_run(door)
    models = [
        {"artifact_path": path, "flavors": {"f": {}}, "utc_time_created": "now", "run_id": run_id} for path in "ab"
    ]
    for model in models:
        answered(await log(door, run_id, "model", model_json=json.dumps(model)))
    tags = pairs((await read_run(door, run_id))["data"]["tags"])
    assert json.loads(tags["mlflow.log-model.history"]) == models


WRONG = [
    ("log-inputs", {"run_id": None}, "Missing value for required parameter 'run_id'."),
    ("log-inputs", {"datasets": "5"}, "Invalid value \"5\" for parameter 'datasets' supplied"),
    ("log-inputs", {"datasets": [{}]}, "Missing value for required parameter 'datasets[0].dataset'."),
    (
        "log-inputs",
        {"datasets": [{"dataset": DATASET | {"digest": "d" * 37}}]},
        f"Invalid value \"{'d' * 37}\" for parameter 'datasets[0].dataset.digest' supplied",
    ),
    ("log-inputs", {"run_id": "../x"}, "Invalid value \"../x\" for parameter 'run_id' supplied"),
    ("outputs", {}, "Missing value for required parameter 'models'."),
    ("log-model", {"model_json": "{"}, "Malformed model info"),
    ("log-model", {"model_json": "{}"}, "Malformed model info"),
]


@pytest.mark.parametrize(("path", "fields", "message"), WRONG)
async def test_what_is_wrong_is_named(door: Door, path: str, fields: dict[str, object], message: str) -> None:
    body = {"run_id": await new_run(door)} | fields
    assert invalid(await door.mlflow("POST", f"{RUNS}/{path}", json=body)).startswith(message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "SearchDatasets request must specify at least one experiment_id."),
        ({"experiment_ids": [str(one) for one in range(21)]}, "SearchDatasets request cannot specify more than 20"),
    ],
)
async def test_a_search_of_datasets_names_one_to_twenty_experiments(
    door: Door, body: dict[str, object], message: str
) -> None:
    answer = await door.mlflow("POST", f"{EXPERIMENTS}/search-datasets", json=body)
    assert invalid(answer).startswith(message)
