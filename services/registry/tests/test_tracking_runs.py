"""Runs as MLflow's clients begin, change and read them."""

from typing import Any

import pytest
from registry_door import Door

RUNS = "2.0/mlflow/runs"


async def begin(door: Door, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    answer = await door.mlflow("POST", f"{RUNS}/create", json={"experiment_id": "0"} | fields)
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()["run"]
    return run


async def read(door: Door, run_id: str) -> dict[str, Any]:
    answer = await door.mlflow("GET", f"{RUNS}/get", params={"run_id": run_id})
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()["run"]
    return run


async def test_a_run_is_read_as_it_was_begun(door: Door) -> None:
    begun = await begin(door, run_name="first", start_time=5, user_id="eve", tags=[{"key": "k", "value": "ü\n"}])
    run_id = begun["info"]["run_id"]
    assert begun["info"] == {
        "run_id": run_id,
        "run_uuid": run_id,
        "run_name": "first",
        "experiment_id": "0",
        "user_id": "eve",
        "status": "RUNNING",
        "start_time": 5,
        "artifact_uri": f"mlflow-artifacts:/0/{run_id}/artifacts",
        "lifecycle_stage": "active",
    }
    found = await read(door, run_id)
    assert found["info"] == begun["info"]
    assert found["data"]["tags"] == [{"key": "k", "value": "ü\n"}, {"key": "mlflow.runName", "value": "first"}]


@pytest.mark.parametrize(("value", "shown"), [("NaN", "NaN"), ("-Infinity", "-Infinity"), (0.1, 0.1), ("2.5", 2.5)])
async def test_a_metric_is_shown_as_the_number_that_it_is(door: Door, value: object, shown: object) -> None:
    run_id = (await begin(door))["info"]["run_id"]
    point = {"run_id": run_id, "key": "loss", "value": value, "timestamp": 7}
    answer = await door.mlflow("POST", f"{RUNS}/log-metric", json=point)
    assert (answer.status_code, answer.json()) == (200, {})
    metrics = (await read(door, run_id))["data"]["metrics"]
    assert metrics == [{"key": "loss", "value": shown, "timestamp": 7, "step": 0}]
