"""The graph of runs that MLflow's clients keep: read from what they say of them."""

from lineage_facts import keys, logged, record
from registry_door import Door

from pelton.contracts.registry import LoggedRun


async def test_what_mlflow_s_clients_say_of_a_run_is_part_of_the_graph(door: Door) -> None:
    made = await door.mlflow(
        "POST",
        "2.0/mlflow/runs/create",
        json={
            "experiment_id": "0",
            "tags": [
                {"key": "mlflow.source.git.commit", "value": "c0ffee"},
                {"key": "mlflow.source.name", "value": "train.ipynb"},
                {"key": "mlflow.parentRunId", "value": "outer"},
                {"key": "pelton.parent", "value": "base@3"},
            ],
        },
    )
    run_id = made.json()["run"]["info"]["run_id"]
    inputs = [
        {
            "dataset": {"name": "näme/1", "digest": digest_, "source_type": "local", "source": "{}"},
            "tags": [{"key": "mlflow.data.context", "value": context}],
        }
        for digest_, context in (("d1", "training"), ("d2", "evaluation"))
    ]
    answer = await door.mlflow("POST", "2.0/mlflow/runs/log-inputs", json={"run_id": run_id, "datasets": inputs})
    assert answer.status_code == 200, answer.text
    await record(door, logged("m", 1, run=LoggedRun(run_id=run_id, commit="c0ffee")))
    found = await door.get("/lineage/version/m@1", depth=2)
    assert keys(found) == {
        ("version", "m@1"),
        ("run", run_id),
        ("code", "c0ffee"),
        ("run", "outer"),
        ("version", "base@3"),
        ("dataset", "mlflow:näme/1:d1"),
        ("dataset", "mlflow:näme/1:d2"),
    }
    assert sorted((edge["role"], edge["parent"]["id"]) for edge in found["edges"]) == [
        ("derived_from", "base@3"),
        ("evaluated_on", "mlflow:näme/1:d2"),
        ("nested_in", "outer"),
        ("produced_by", run_id),
        ("trained_on", "mlflow:näme/1:d1"),
        ("used", "c0ffee"),
    ]
    (run,) = (node["attributes"] for node in found["nodes"] if node["key"]["id"] == run_id)
    assert run["source"]["mlflow.source.name"] == "train.ipynb"
    down = await door.get("/lineage/dataset/mlflow:näme/1:d1", direction="down")
    assert ("version", "m@1") in keys(down)
    assert down["nodes"][0]["attributes"]["source_type"] == "local"
