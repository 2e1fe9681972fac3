"""The steps of the round that experiment: runs, metrics, parameters, tags, inputs, searches, artifacts."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlflow.artifacts import download_artifacts
from mlflow.entities import Metric, Param, RunTag, ViewType
from round_world import EXPERIMENT, World, code_of
from sklearn.linear_model import LogisticRegression

import mlflow

BIG = 12 * 2**20
RUNS = 5


def experiments(world: World) -> Any:  # noqa: ANN401 - whatever JSON can say, here and below
    """Made, found, tagged, renamed, deleted and restored."""
    client = world.client
    world.call("experiment", mlflow.set_experiment(EXPERIMENT).experiment_id)
    other = client.create_experiment("other", tags={"team": "blue"})
    client.set_experiment_tag(other, "purpose", "nothing")
    client.rename_experiment(other, "renamed")
    found = client.get_experiment(other)
    client.delete_experiment(other)
    deleted = [one.name for one in client.search_experiments(view_type=ViewType.DELETED_ONLY)]
    client.restore_experiment(other)
    return {
        "found": [found.name, found.lifecycle_stage, found.tags],
        "by name": client.get_experiment_by_name(EXPERIMENT).experiment_id == world.ids["experiment"],
        "by no name": client.get_experiment_by_name("nobody's"),
        "deleted": deleted,
        "all": [one.name for one in client.search_experiments(order_by=["name ASC"])],
        "by tag": [one.name for one in client.search_experiments(filter_string="tags.team = 'blue'")],
        "again": code_of(lambda: client.create_experiment("renamed")),
    }


def autolog(world: World) -> Any:  # noqa: ANN401
    """One `fit`, of which MLflow logs all by itself."""
    mlflow.sklearn.autolog(silent=False)
    with mlflow.start_run(run_name="autolog") as run:
        LogisticRegression(C=0.5, max_iter=300).fit(world.features, world.labels)
    mlflow.sklearn.autolog(disable=True)
    world.call("autolog run", run.info.run_id)
    seen = world.client.get_run(run.info.run_id)
    (output,) = seen.outputs.model_outputs
    world.call("autolog model", output.model_id)
    model = mlflow.sklearn.load_model(f"models:/{output.model_id}")
    return {
        "status": seen.info.status,
        "params": seen.data.params,
        "metrics": {name: round(value, 12) for name, value in seen.data.metrics.items()},
        "estimator": seen.data.tags["estimator_name"],
        "inputs": [
            [one.dataset.source_type, one.dataset.digest, {tag.key: tag.value for tag in one.tags}]
            for one in seen.inputs.dataset_inputs
        ],
        "artifacts": sorted(one.path for one in world.client.list_artifacts(run.info.run_id)),
        "predictions": model.predict(world.features).tolist(),
    }


def explicit(world: World) -> Any:  # noqa: ANN401
    """All that a script can log by hand, in every way."""
    client = world.client
    with mlflow.start_run(run_name="by hand", tags={"team": "blue"}, description="Logged by hand") as run:
        run_id = world.call("run by hand", run.info.run_id)
        mlflow.log_param("depth", 3)
        mlflow.log_params({"kind": "löss", "empty": "", "long": "x" * 5000})
        for step, loss in enumerate([3.0, 2.0, 1.0]):
            mlflow.log_metric("loss", loss, step=step, timestamp=1000 + step)
        mlflow.log_metrics({"nan": float("nan"), "much": float("inf"), "little": float("-inf")}, step=1)
        client.log_batch(
            run_id,
            metrics=[Metric("batch", number / 8, 5000 + number, number) for number in range(1000)],
            params=[Param(f"p{number}", str(number)) for number in range(100)],
            tags=[RunTag("one", "1"), RunTag("two", "2")],
        )
        mlflow.set_tags({"colour": "grün", "gone": "soon"})
        mlflow.delete_tag("gone")
        table = mlflow.data.from_pandas(world.features, name="iris", targets=None)
        mlflow.log_input(table, context="training", tags={"season": "spring"})
        with mlflow.start_run(run_name="child", nested=True) as child:
            world.call("child run", child.info.run_id)
    seen = client.get_run(run_id)
    (given,) = seen.inputs.dataset_inputs
    return {
        "status": seen.info.status,
        "name": seen.info.run_name,
        "params": seen.data.params,
        "metrics": {name: repr(value) for name, value in seen.data.metrics.items()},
        "tags": {key: value for key, value in seen.data.tags.items() if not key.startswith("mlflow.")},
        "note": seen.data.tags["mlflow.note.content"],
        "parent": client.get_parent_run(child.info.run_id).info.run_id,
        "input": [given.dataset.name, given.dataset.digest, {tag.key: tag.value for tag in given.tags}],
        "history": [[one.value, one.step, one.timestamp] for one in client.get_metric_history(run_id, "loss")],
        "long history": sum(one.value for one in client.get_metric_history(run_id, "batch")),
        "no history": client.get_metric_history(run_id, "nothing"),
    }


def searches(world: World) -> Any:  # noqa: ANN401
    """Filters, orders and pages over runs that differ."""
    client = world.client
    experiment = client.create_experiment("searched")
    for number in range(RUNS):
        run = client.create_run(experiment, run_name=f"run {number}", tags={"parity": ("even", "odd")[number % 2]})
        client.log_metric(run.info.run_id, "loss", number / 2)
        client.log_param(run.info.run_id, "layers", number)
        client.set_terminated(run.info.run_id, "FAILED" if number == 0 else "FINISHED")

    def names(filter_string: str = "", order_by: Sequence[str] = ("attributes.start_time ASC",)) -> list[str]:
        found = client.search_runs([experiment], filter_string, order_by=list(order_by))
        return [one.info.run_name for one in found]

    pages, token = [], None
    while True:
        page = client.search_runs([experiment], max_results=2, order_by=["metrics.loss DESC"], page_token=token)
        pages.append([one.info.run_name for one in page])
        token = page.token
        if not token:
            break
    frame = mlflow.search_runs([experiment], filter_string="params.layers = '2'")
    return {
        "metric": names("metrics.loss > 1.0"),
        "param": names("params.layers = '3' AND params.layers != '1'"),
        "ids": names(f"attributes.run_id IN ('{run.info.run_id}', '{world.ids['child run']}')"),
        "like": names("tags.parity LIKE 'ev%' AND attributes.run_name ILIKE 'RUN%'"),
        "status": names("attributes.status != 'FINISHED'"),
        "none": names("metrics.`no such` > 0"),
        "down": names(order_by=["metrics.loss DESC"]),
        "two orders": names(order_by=["tags.parity DESC", "params.layers ASC"]),
        "pages": pages,
        "frame": [frame["metrics.loss"].tolist(), frame["params.layers"].tolist(), frame["tags.parity"].tolist()],
        "wrong filter": code_of(lambda: names("metrics.loss > 'abc'")),
        "no filter": code_of(lambda: names("loss !! 1")),
        "wrong token": code_of(lambda: client.search_runs([experiment], page_token="made up")),
    }


def artifacts(world: World) -> Any:  # noqa: ANN401
    """Files up, listed, and down again; a big one in parts, where the server takes parts."""
    os.environ |= {
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
        "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(BIG),
    }
    client, run_id = world.client, world.ids["run by hand"]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "tree" / "deep").mkdir(parents=True)
        (root / "tree" / "deep" / "äpfel und birnen.txt").write_text("Obst")
        (root / "tree" / "empty").write_bytes(b"")
        (root / "big").write_bytes(bytes(range(256)) * (BIG // 256) + b"end")
        client.log_artifact(run_id, str(root / "big"))
        client.log_artifact(run_id, str(root / "tree" / "empty"), "beside")
        client.log_artifacts(run_id, str(root / "tree"), "tree")
        client.log_text(run_id, "said", "words/text.txt")
        client.log_dict(run_id, {"a": [1, 2]}, "words/dict.json")
        client.log_artifact(run_id, str(root / "tree" / "empty"), "beside")
        whole = Path(download_artifacts(run_id=run_id, dst_path=folder + "/down"))
        files = {
            str(path.relative_to(whole)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in whole.rglob("*")
            if path.is_file()
        }
    return {
        "listed": [[one.path, one.is_dir, one.file_size] for one in client.list_artifacts(run_id)],
        "listed below": [[one.path, one.is_dir, one.file_size] for one in client.list_artifacts(run_id, "tree")],
        "listed nowhere": client.list_artifacts(run_id, "nowhere"),
        "files": files,
        "text": mlflow.artifacts.load_text(f"runs:/{run_id}/words/text.txt"),
        "dict": mlflow.artifacts.load_dict(f"runs:/{run_id}/words/dict.json"),
    }


def ends(world: World) -> Any:  # noqa: ANN401
    """Deleted and restored runs, and what is refused."""
    client = world.client
    experiment = client.create_experiment("ends")
    run_id = world.call("ended run", client.create_run(experiment).info.run_id)
    client.log_param(run_id, "once", "1")
    client.log_param(run_id, "once", "1")
    client.delete_run(run_id)
    hidden = len(client.search_runs([experiment]))
    gone = client.get_run(run_id).info.lifecycle_stage
    shown = len(client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY))
    metric_on_deleted = code_of(lambda: client.log_metric(run_id, "late", 1.0))
    client.restore_run(run_id)
    client.update_run(run_id, status="KILLED", name="other")
    ended = client.get_run(run_id).info
    return {
        "deleted": [hidden, gone, shown, metric_on_deleted],
        "restored": [ended.lifecycle_stage, ended.status, ended.run_name],
        "param changed": code_of(lambda: client.log_param(run_id, "once", "2")),
        "no run": code_of(lambda: client.get_run("0" * 32)),
        "no experiment": code_of(lambda: client.get_experiment("123456789")),
        "run in no experiment": code_of(lambda: client.create_run("123456789")),
        "no such tag": code_of(lambda: client.delete_tag(run_id, "none")),
        "metric without a name": code_of(lambda: client.log_metric(run_id, "", 1.0)),
    }


def traced(world: World) -> Any:  # noqa: ANN401, ARG001
    """A function that is traced returns what it would; whether the server keeps traces is another matter."""

    @mlflow.trace
    def double(number: int) -> int:
        return 2 * number

    answer = double(21)
    mlflow.flush_trace_async_logging()
    return {"doubled": answer}


STEPS: tuple[Callable[[World], Any], ...] = (experiments, autolog, explicit, searches, artifacts, ends, traced)
