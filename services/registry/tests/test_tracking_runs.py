"""Runs as MLflow's clients begin, change, read and delete them."""

import pytest
from registry_door import Door
from tracking_client import RUNS, answered, begin, invalid, log, new_experiment, new_run, pairs, read_run, refused

from pelton.eventkit.identity import Role


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
    found = await read_run(door, run_id)
    assert found["info"] == begun["info"]
    assert found["data"]["tags"] == [{"key": "k", "value": "ü\n"}, {"key": "mlflow.runName", "value": "first"}]


async def test_a_run_without_a_name_gets_one_and_who_begins_it_is_who_the_token_names(door: Door) -> None:
    run = await begin(door)
    name = run["info"]["run_name"]
    assert name.count("-") == 2
    assert pairs(run["data"]["tags"]) == {"mlflow.runName": name}
    assert run["info"]["user_id"] == "ann"
    assert run["info"]["start_time"] > 0


async def test_a_name_and_a_tag_that_names_the_run_otherwise_are_refused(door: Door) -> None:
    body = {"experiment_id": "0", "run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]}
    message = invalid(await door.mlflow("POST", f"{RUNS}/create", json=body))
    assert "run_name='a'" in message


async def test_a_run_begins_in_no_experiment_that_is_unknown_or_deleted(door: Door) -> None:
    body = {"experiment_id": "99"}
    refused(await door.mlflow("POST", f"{RUNS}/create", json=body), 404, "RESOURCE_DOES_NOT_EXIST")
    experiment = await new_experiment(door)
    await door.mlflow("POST", "2.0/mlflow/experiments/delete", json={"experiment_id": experiment})
    message = invalid(await door.mlflow("POST", f"{RUNS}/create", json={"experiment_id": experiment}))
    assert "must be in the 'active' state" in message


async def test_the_name_and_its_tag_are_kept_in_step(door: Door) -> None:
    run_id = await new_run(door)
    update = {"run_id": run_id, "run_name": "second", "status": "FINISHED", "end_time": 9}
    info = answered(await door.mlflow("POST", f"{RUNS}/update", json=update))["run_info"]
    assert (info["run_name"], info["status"], info["end_time"]) == ("second", "FINISHED", 9)
    assert pairs((await read_run(door, run_id))["data"]["tags"]) == {"mlflow.runName": "second"}
    await log(door, run_id, tags=[{"key": "mlflow.runName", "value": "third"}])
    run = await read_run(door, run_id)
    assert (run["info"]["run_name"], run["info"]["status"]) == ("third", "FINISHED")
    answered(await door.mlflow("POST", f"{RUNS}/update", json={"run_id": run_id, "status": 4}))
    assert (await read_run(door, run_id))["info"]["status"] == "FAILED"


async def test_a_status_that_is_none_is_refused(door: Door) -> None:
    update = {"run_id": await new_run(door), "status": "DONE"}
    message = invalid(await door.mlflow("POST", f"{RUNS}/update", json=update))
    assert message.startswith("Invalid value \"DONE\" for parameter 'status' supplied")


async def test_nothing_is_written_to_a_deleted_run_until_it_is_restored(door: Door) -> None:
    run_id = await new_run(door)
    await door.mlflow("POST", f"{RUNS}/set-tag", json={"run_id": run_id, "key": "k", "value": "v"})
    answered(await door.mlflow("POST", f"{RUNS}/delete", json={"run_id": run_id}))
    assert (await read_run(door, run_id))["info"]["lifecycle_stage"] == "deleted"
    writes = {
        "update": {"status": "FINISHED"},
        "log-metric": {"key": "m", "value": 1, "timestamp": 1},
        "log-parameter": {"key": "p", "value": "1"},
        "log-batch": {"tags": [{"key": "t", "value": "1"}]},
        "log-inputs": {"models": [{"model_id": "m-1"}]},
        "outputs": {"models": [{"model_id": "m-1"}]},
        "delete-tag": {"key": "k"},
    }
    for path, fields in writes.items():
        message = invalid(await door.mlflow("POST", f"{RUNS}/{path}", json={"run_id": run_id} | fields))
        assert message.startswith(f"The run {run_id} must be in the 'active' state"), path
    answered(await door.mlflow("POST", f"{RUNS}/restore", json={"run_id": run_id}))
    run = await read_run(door, run_id)
    assert (run["info"]["lifecycle_stage"], run["info"]["status"]) == ("active", "RUNNING")
    assert (run["data"]["metrics"], run["data"]["params"]) == ([], [])
    assert "k" in pairs(run["data"]["tags"])


@pytest.mark.parametrize("path", ["get", "update", "delete", "restore", "log-metric", "delete-tag", "log-inputs"])
async def test_a_run_that_is_not_there_is_not_found(door: Door, path: str) -> None:
    fields = {"run_id": "gone", "key": "k", "value": 1, "timestamp": 1}
    options = {"params": {"run_id": "gone"}} if path == "get" else {"json": fields}
    answer = await door.mlflow("GET" if path == "get" else "POST", f"{RUNS}/{path}", **options)
    assert refused(answer, 404, "RESOURCE_DOES_NOT_EXIST") == "Run with id=gone not found"


async def test_a_tag_is_taken_away_once(door: Door) -> None:
    run_id = await new_run(door, tags=[{"key": "k", "value": "v"}])
    body = {"run_id": run_id, "key": "k"}
    answered(await door.mlflow("POST", f"{RUNS}/delete-tag", json=body))
    assert "k" not in pairs((await read_run(door, run_id))["data"]["tags"])
    answer = await door.mlflow("POST", f"{RUNS}/delete-tag", json=body)
    assert refused(answer, 404, "RESOURCE_DOES_NOT_EXIST") == f"No tag with name: k in run with id {run_id}"


async def test_a_viewer_reads_and_does_not_write(door: Door) -> None:
    run_id = await new_run(door)
    answered(await door.mlflow("GET", f"{RUNS}/get", role=Role.VIEWER, params={"run_id": run_id}))
    answer = await door.mlflow("POST", f"{RUNS}/delete", role=Role.VIEWER, json={"run_id": run_id})
    refused(answer, 403, "PERMISSION_DENIED")


async def test_the_server_says_its_health_and_its_version_without_a_token(door: Door) -> None:
    for path, text in (("/health", "OK"), ("/version", "3.17.0")):
        answer = await door._http.get(path)
        assert (answer.status_code, answer.text) == (200, text)
