"""Prints what is on a server, as JSON, run by the peer's Python; `copied_content.py make` makes it first."""

import json
import sys
import tempfile
from pathlib import Path

from mlflow.artifacts import download_artifacts
from mlflow.entities import Metric, Param

import mlflow
from mlflow import MlflowClient

POINTS = 2500
PARAMS = 150
BATCH = 1000
MODEL = "iris"


def make(client: MlflowClient) -> None:
    """Two runs, one with all that a run may have, and two versions, of which one has an alias."""
    experiment = client.create_experiment("moved", tags={"team": "blue"})
    run = client.create_run(experiment, start_time=1_700_000_000_000, tags={"colour": "grün"}, run_name="whole")
    run_id = run.info.run_id
    points = [Metric("loss", 1 / (number + 1), 1_700_000_000_000 + number, number) for number in range(POINTS)]
    for start in range(0, POINTS, BATCH):
        client.log_batch(run_id, points[start : start + BATCH])
    client.log_batch(run_id, params=[Param(f"p{number}", str(number)) for number in range(PARAMS // 2)])
    client.log_batch(run_id, params=[Param(f"q{number}", str(number)) for number in range(PARAMS // 2)])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model").mkdir()
        (Path(folder) / "model" / "MLmodel").write_text("flavors: {}\n")
        client.log_artifacts(run_id, folder)
    client.set_terminated(run_id, "FINISHED", 1_700_000_100_000)
    client.set_terminated(client.create_run(experiment, run_name="empty").info.run_id, "FAILED", 1_700_000_100_000)
    client.create_registered_model(MODEL, {"kind": "flower"}, "Which iris it is")
    location = f"{run.info.artifact_uri}/model"
    client.create_model_version(MODEL, location, run_id, {"checked": "yes"}, description="The first")
    client.create_model_version(MODEL, location, run_id)
    client.set_registered_model_alias(MODEL, "champion", "1")


def told(client: MlflowClient) -> object:
    """Everything but identifiers, and the clock of the server."""
    experiment = client.get_experiment_by_name("moved")
    runs = client.search_runs([experiment.experiment_id])
    whole = next(run for run in runs if run.info.run_name == "whole")
    history = client.get_metric_history(whole.info.run_id, "loss")
    model = client.get_registered_model(MODEL)
    versions = client.search_model_versions(f"name = '{MODEL}'", order_by=["version_number ASC"])
    return {
        "experiment": [experiment.name, experiment.tags["team"]],
        "runs": sorted(
            [run.info.run_name, run.info.status, run.info.end_time, run.data.params, run.data.metrics] for run in runs
        ),
        "started": whole.info.start_time,
        "colour": whole.data.tags["colour"],
        "history": [[point.value, point.timestamp, point.step] for point in history],
        "file": mlflow.artifacts.load_text(f"runs:/{whole.info.run_id}/model/MLmodel"),
        "model": [model.description, model.tags, {name: str(number) for name, number in model.aliases.items()}],
        "versions": [[str(one.version), one.description, one.tags, _files(one.version)] for one in versions],
        "made by": versions[0].run_id == whole.info.run_id,
    }


def _files(version: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(download_artifacts(f"models:/{MODEL}/{version}", dst_path=folder))
        return {str(path.relative_to(whole)): path.read_text() for path in whole.rglob("*") if path.is_file()}


if __name__ == "__main__":
    if sys.argv[1:] == ["make"]:
        make(MlflowClient())
    sys.stdout.write(json.dumps(told(MlflowClient())))
