"""The graph of runs that MLflow's clients keep: read from what they say of them."""

from lineage_facts import keys, logged, record
from registry_door import Door

from pelton.contracts.canonical import sha256
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


async def test_a_commit_and_a_diff_that_mlflow_s_clients_told_are_of_the_run_or_of_the_logged_model(door: Door) -> None:
    diff = "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-ä\n+ö\n"
    tags = [
        {"key": "mlflow.source.git.commit", "value": "c0ffee"},
        {"key": "mlflow.source.git.diff", "value": diff},
        {"key": "mlflow.source.git.dirty", "value": "true"},
    ]
    made = await door.mlflow("POST", "2.0/mlflow/runs/create", json={"experiment_id": "0", "tags": tags})
    run_id = made.json()["run"]["info"]["run_id"]
    made = await door.mlflow("POST", "2.0/mlflow/logged-models", json={"experiment_id": "0", "tags": tags})
    model_id = made.json()["model"]["info"]["model_id"]
    await door.mlflow("POST", "2.0/mlflow/registered-models/create", json={"name": "m"})
    version = {"name": "m", "source": f"models:/{model_id}", "model_id": model_id}
    made = await door.mlflow("POST", "2.0/mlflow/model-versions/create", json=version)
    assert made.status_code == 200, made.text
    for thing in (f"run/{run_id}", "version/m@1"):
        found = await door.get(f"/lineage/{thing}", depth=1)
        assert {("code", "c0ffee"), ("diff", sha256(diff.encode()))} < keys(found)
        assert "train.py" not in str(found)
    down = await door.get(f"/lineage/diff/{sha256(diff.encode())}", direction="down")
    assert {("run", run_id), ("version", "m@1")} < keys(down)
    no_name = "".join(sha256(b"%d" % number) for number in range(60))
    long = {"run_id": run_id, "key": "mlflow.source.git.commit", "value": no_name}
    assert (await door.mlflow("POST", "2.0/mlflow/runs/set-tag", json=long)).status_code == 200
    assert "code" not in {kind for kind, _ in keys(await door.get(f"/lineage/run/{run_id}", depth=1))}
