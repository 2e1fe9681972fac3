"""A process with MLflow's own client, run by the peer's Python; it does what it is told on stdin, a line of JSON each.

`{"case": "log metric", "seconds": 2}` repeats the case for that long, and answers how often and how long it was;
other words make what the cases work on. `MLFLOW_TRACKING_URI` says where the server is.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import requests
from mlflow.entities import Metric

from mlflow import MlflowClient

BATCH = 1000
PAGE = 100
POINTS_SHOWN = 320
MODEL = "measured"
FILTER = "metrics.loss < 0.5 AND params.layers = '3'"
ORDER = ["metrics.loss ASC"]


class Work:
    """What the cases do, on one server."""

    def __init__(self) -> None:
        self.client = MlflowClient()
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {os.environ.get('MLFLOW_TRACKING_TOKEN', '')}"
        self.run = ""
        self.points = 0

    def prepare(self, experiment: str) -> None:
        """A run with a file, and a model."""
        found = self.client.get_experiment_by_name(experiment)
        self.experiment = found.experiment_id if found else self.client.create_experiment(experiment)
        run = self.client.create_run(self.experiment)
        self.run, self.points = run.info.run_id, 0
        self.source = f"{run.info.artifact_uri}/model"
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "MLmodel").write_text("flavors: {}\n")
            self.client.log_artifact(self.run, str(Path(folder) / "MLmodel"), "model")
        if not self.client.search_registered_models(f"name = '{MODEL}'"):
            self.client.create_registered_model(MODEL)

    def create_run(self) -> None:
        self.client.create_run(self.experiment)

    def log_metric(self) -> None:
        self.client.log_metric(self.run, "single", self._point().value, step=self.points)

    def log_batch(self) -> None:
        self.client.log_batch(self.run, metrics=[self._point() for _ in range(BATCH)])

    def log_without_client(self) -> None:
        """The same batch over the same interface, without what the client makes of it."""
        points = [self._point() for _ in range(BATCH)]
        told = [{"key": one.key, "value": one.value, "timestamp": one.timestamp, "step": one.step} for one in points]
        answer = self.http.post(self._url("api/2.0/mlflow/runs/log-batch"), json={"run_id": self.run, "metrics": told})
        answer.raise_for_status()

    def create_version(self) -> None:
        self.client.create_model_version(MODEL, self.source, self.run)

    def search_runs(self) -> None:
        found = self.client.search_runs([self.searched], FILTER, order_by=ORDER, max_results=PAGE)
        if len(found) != PAGE:
            raise RuntimeError(f"the search found {len(found)} runs, not {PAGE}")

    def history(self) -> None:
        """All points of the run, page by page."""
        found = len(self.client.get_metric_history(self.run, "loss"))
        if found != self.points:
            raise RuntimeError(f"{found} points came back, not {self.points}")

    def downsample(self) -> None:
        """What a chart of the run needs: no client has a call for it, the web interface asks so."""
        answer = self.http.get(
            self._url("ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"),
            params={"run_ids": [self.run], "metric_key": "loss", "max_results": POINTS_SHOWN},
        )
        answer.raise_for_status()
        if not 0 < len(answer.json()["metrics"]) <= POINTS_SHOWN + 2:
            raise RuntimeError(f"{len(answer.json()['metrics'])} points came back")

    def _url(self, path: str) -> str:
        return f"{os.environ['MLFLOW_TRACKING_URI']}/{path}"

    def _point(self) -> Metric:
        self.points += 1
        return Metric("loss", 1 / self.points, 1_700_000_000_000 + self.points, self.points)


def answers(work: Work) -> Iterator[dict[str, object]]:
    """What is told to each line."""
    for line in sys.stdin:
        asked = json.loads(line)
        if "prepare" in asked:
            work.prepare(asked["prepare"])
            work.searched = asked.get("searched", "")
            yield {"prepared": work.run}
        else:
            case: Callable[[], None] = getattr(work, asked["case"])
            done, began = 0, time.perf_counter()
            while True:
                case()
                done += 1
                took = time.perf_counter() - began
                if done >= asked["times"] if "times" in asked else took >= asked["seconds"]:
                    break
            yield {"done": done, "seconds": took}


if __name__ == "__main__":
    for answer in answers(Work()):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
