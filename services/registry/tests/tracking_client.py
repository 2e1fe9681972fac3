"""What the tests of tracking ask the door, and how they read its answers."""

from typing import Any

import httpx
from registry_door import Door

RUNS = "2.0/mlflow/runs"
EXPERIMENTS = "2.0/mlflow/experiments"
METRICS = "2.0/mlflow/metrics"


def answered(answer: httpx.Response) -> Any:  # noqa: ANN401 - any JSON
    """The content of an answer that is no error."""
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int, code: str) -> str:
    """The message of an answer that is this error."""
    assert (answer.status_code, answer.json().get("error_code")) == (status, code), answer.text
    return str(answer.json()["message"])


def invalid(answer: httpx.Response) -> str:
    """The message of an answer that refuses a parameter."""
    return refused(answer, 400, "INVALID_PARAMETER_VALUE")


async def new_experiment(door: Door, name: str = "an experiment", **fields: Any) -> str:  # noqa: ANN401
    answer = await door.mlflow("POST", f"{EXPERIMENTS}/create", json={"name": name} | fields)
    return str(answered(answer)["experiment_id"])


async def read_experiment(door: Door, experiment_id: str) -> dict[str, Any]:
    answer = await door.mlflow("GET", f"{EXPERIMENTS}/get", params={"experiment_id": experiment_id})
    found: dict[str, Any] = answered(answer)["experiment"]
    return found


async def begin(door: Door, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """A new run, of the default experiment unless the fields say another."""
    answer = await door.mlflow("POST", f"{RUNS}/create", json={"experiment_id": "0"} | fields)
    run: dict[str, Any] = answered(answer)["run"]
    return run


async def new_run(door: Door, **fields: Any) -> str:  # noqa: ANN401
    """The identifier of a new run."""
    return str((await begin(door, **fields))["info"]["run_id"])


async def read_run(door: Door, run_id: str) -> dict[str, Any]:
    run: dict[str, Any] = answered(await door.mlflow("GET", f"{RUNS}/get", params={"run_id": run_id}))["run"]
    return run


async def log(door: Door, run_id: str, what: str = "batch", **fields: Any) -> httpx.Response:  # noqa: ANN401
    """A request that logs something; the answer as it came."""
    return await door.mlflow("POST", f"{RUNS}/log-{what}", json={"run_id": run_id} | fields)


def pairs(listed: list[dict[str, Any]]) -> dict[str, Any]:
    """Keys and values of a list of both."""
    return {one["key"]: one["value"] for one in listed}
