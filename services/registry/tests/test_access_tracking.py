"""Restrictions on experiments, as MLflow's clients meet them."""

from typing import Any

import httpx
import pytest
from registry_door import Door

from pelton.eventkit.identity import Role
from pelton.registry.access.domain import Action
from pelton.registry.mlflow.endpoints import ENDPOINTS
from pelton.registry.mlflow.guard import action_of

RUNS = "2.0/mlflow/runs"
EXPERIMENTS = "2.0/mlflow/experiments"
FILES = "2.0/mlflow-artifacts/artifacts"


async def restrict(door: Door, **body: Any) -> None:  # noqa: ANN401
    body = {"experiments": ["prod-*"], "users": ["bob"], "reason": "they are evidence"} | body
    answer = await door.ask("PUT", "/restrictions/evidence", json=body)
    assert answer.status_code == 204, answer.text


async def experiment(door: Door, name: str, **tags: str) -> str:
    body = {"name": name, "tags": [{"key": key, "value": value} for key, value in tags.items()]}
    answer = await door.mlflow("POST", f"{EXPERIMENTS}/create", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["experiment_id"])


async def run(door: Door, experiment_id: str) -> str:
    answer = await door.mlflow("POST", f"{RUNS}/create", json={"experiment_id": experiment_id})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["run"]["info"]["run_id"])


def refused(answer: httpx.Response) -> bool:
    if answer.status_code != 403:
        return False
    assert answer.json()["error_code"] == "PERMISSION_DENIED"
    return "they are evidence" in answer.json()["message"]


async def test_runs_of_a_restricted_experiment_are_written_and_deleted_by_those_named_only(door: Door) -> None:
    prod, free = await experiment(door, "prod-1"), await experiment(door, "free")
    runs = {prod: await run(door, prod), free: await run(door, free)}
    await restrict(door, actions=["write", "delete"])
    for where, run_id in runs.items():
        for method, path, body in (
            ("POST", f"{RUNS}/create", {"experiment_id": where}),
            ("POST", f"{RUNS}/log-metric", {"run_id": run_id, "key": "a", "value": 1, "timestamp": 1}),
            ("POST", f"{RUNS}/log-batch", {"run_id": run_id, "metrics": []}),
            ("POST", f"{RUNS}/set-tag", {"run_id": run_id, "key": "a", "value": "b"}),
            ("POST", f"{RUNS}/update", {"run_uuid": run_id, "status": "FINISHED"}),
            ("POST", f"{RUNS}/delete", {"run_id": run_id}),
            ("POST", f"{RUNS}/restore", {"run_id": run_id}),
            ("POST", "2.0/mlflow/logged-models", {"experiment_id": where, "name": "m"}),
        ):
            ann = await door.mlflow(method, path, json=body)
            assert refused(ann) is (where == prod), (path, ann.text)
            assert (await door.mlflow(method, path, "bob", json=body)).status_code == 200, path
        assert (await door.mlflow("GET", f"{RUNS}/get", params={"run_id": run_id})).status_code == 200


async def test_files_of_a_restricted_experiment_are_restricted_by_their_paths(door: Door) -> None:
    prod = await experiment(door, "prod-1")
    run_id = await run(door, prod)
    await restrict(door, actions=["write", "read"])
    for path in (f"{FILES}/{prod}/{run_id}/artifacts/a.txt", f"{FILES}/elsewhere/{run_id}/a.txt"):
        assert refused(await door.mlflow("PUT", path, content=b"x"))
        assert (await door.mlflow("PUT", path, "bob", content=b"x")).status_code == 200
        assert refused(await door.mlflow("GET", path))
        assert (await door.mlflow("GET", path, "bob")).content == b"x"
    assert refused(await door.mlflow("GET", FILES, params={"path": f"{prod}/{run_id}"}))
    assert refused(await door.mlflow("GET", "2.0/mlflow/artifacts/list", params={"run_id": run_id}))


async def test_a_logged_model_is_as_restricted_as_its_experiment(door: Door) -> None:
    prod = await experiment(door, "prod-1")
    made = await door.mlflow("POST", "2.0/mlflow/logged-models", json={"experiment_id": prod, "name": "m"})
    model_id = made.json()["model"]["info"]["model_id"]
    await restrict(door, actions=["read", "write", "delete"])
    for method, path, body in (
        ("GET", f"2.0/mlflow/logged-models/{model_id}", None),
        ("PATCH", f"2.0/mlflow/logged-models/{model_id}/tags", {"tags": [{"key": "a", "value": "b"}]}),
        ("DELETE", f"2.0/mlflow/logged-models/{model_id}", None),
        ("POST", "2.0/mlflow/logged-models/search", {"experiment_ids": [prod]}),
    ):
        assert refused(await door.mlflow(method, path, json=body)), path
        assert (await door.mlflow(method, path, "bob", json=body)).status_code == 200, path


async def test_who_may_not_read_an_experiment_does_not_find_it(door: Door) -> None:
    prod = await experiment(door, "prod-1")
    run_id = await run(door, prod)
    await experiment(door, "free")
    await restrict(door, actions=["read"])
    for who, role, names in (
        ("ann", Role.CONTRIBUTOR, {"free"}),
        ("bob", Role.VIEWER, {"free", "prod-1"}),
        ("root", Role.ADMIN, {"free", "prod-1"}),
    ):
        found = await door.mlflow("POST", f"{EXPERIMENTS}/search", who, role, json={"max_results": 10})
        assert {one["name"] for one in found.json()["experiments"]} - {"Default"} == names
    assert refused(await door.mlflow("POST", f"{RUNS}/search", json={"experiment_ids": [prod]}))
    assert refused(await door.mlflow("GET", f"{EXPERIMENTS}/get-by-name", params={"experiment_name": "prod-1"}))
    history = {"run_id": run_id, "metric_key": "a"}
    assert refused(await door.mlflow("GET", "2.0/mlflow/metrics/get-history", params=history))
    several = [("run_id", run_id), ("run_id", "f" * 32), ("metric_key", "a")]
    assert refused(await door.mlflow("GET", "2.0/mlflow/metrics/get-history-bulk", params=several))


async def test_a_name_is_restricted_before_there_is_an_experiment_of_it(door: Door) -> None:
    free = await experiment(door, "free")
    await restrict(door, actions=["write"])
    assert refused(await door.mlflow("POST", f"{EXPERIMENTS}/create", json={"name": "prod-9"}))
    rename = {"experiment_id": free, "new_name": "prod-9"}
    assert refused(await door.mlflow("POST", f"{EXPERIMENTS}/update", json=rename))
    assert (await door.mlflow("POST", f"{EXPERIMENTS}/update", "bob", json=rename)).status_code == 200


async def test_a_run_that_names_no_experiment_is_in_the_default_one(door: Door) -> None:
    await restrict(door, experiments=["Default"], actions=["write"])
    assert refused(await door.mlflow("POST", f"{RUNS}/create", json={}))


async def test_a_tag_that_restricts_is_set_and_taken_away_by_those_named_only(door: Door) -> None:
    plain, tagged = await experiment(door, "a"), await experiment(door, "b", env="prod")
    await restrict(door, experiments=["*"], actions=["delete"], when={"tags": {"env": "prod"}})
    assert refused(await door.mlflow("POST", f"{EXPERIMENTS}/delete", json={"experiment_id": tagged}))
    set_tag = {"experiment_id": plain, "key": "env", "value": "prod"}
    assert refused(await door.mlflow("POST", f"{EXPERIMENTS}/set-experiment-tag", json=set_tag))
    harmless = set_tag | {"value": "dev"}
    assert (await door.mlflow("POST", f"{EXPERIMENTS}/set-experiment-tag", json=harmless)).status_code == 200
    untag = {"experiment_id": tagged, "key": "env"}
    assert refused(await door.mlflow("POST", f"{EXPERIMENTS}/delete-experiment-tag", json=untag))
    checked = await door.get("/access/check", action="delete", experiment="b", user="ann", role="approver")
    assert (checked["allowed"], checked["rules"]) == (False, ["restriction:evidence"])
    assert (await door.mlflow("POST", f"{EXPERIMENTS}/delete", json={"experiment_id": plain})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", f"{RUNS}/get", Action.READ),
        ("POST", f"{RUNS}/search", Action.READ),
        ("POST", f"{RUNS}/log-batch", Action.WRITE),
        ("POST", f"{RUNS}/delete-tag", Action.WRITE),
        ("POST", f"{RUNS}/delete", Action.DELETE),
        ("POST", f"{EXPERIMENTS}/restore", Action.DELETE),
        ("POST", f"{EXPERIMENTS}/delete-experiment-tag", Action.TAG),
        ("DELETE", "2.0/mlflow/logged-models/{model_id}", Action.DELETE),
        ("DELETE", "2.0/mlflow/logged-models/{model_id}/tags/{key:path}", Action.WRITE),
        ("DELETE", FILES + "/{path:path}", Action.DELETE),
    ],
)
def test_what_a_route_does_is_told_by_its_role_and_its_path(method: str, path: str, action: Action) -> None:
    (endpoint,) = (one for one in ENDPOINTS if (one.method, one.path) == (method, path))
    assert action_of(endpoint) is action
