"""Logged models as MLflow's clients begin, finish, describe and find them."""

from collections.abc import Sequence
from typing import Any

import pytest
from registry_door import Door

from pelton.eventkit.identity import Role

MODELS = "2.0/mlflow/logged-models"


async def ask(door: Door, method: str, path: str, status: int = 200, **options: Any) -> Any:  # noqa: ANN401 - any JSON
    answer = await door.mlflow(method, path, **options)
    assert answer.status_code == status, answer.text
    return answer.json()


async def begin(door: Door, name: str = "net", **fields: Any) -> str:  # noqa: ANN401 - any JSON
    body = {"experiment_id": "0", "name": name} | fields
    model_id: str = (await ask(door, "POST", MODELS, json=body))["model"]["info"]["model_id"]
    return model_id


async def read(door: Door, model_id: str) -> Any:  # noqa: ANN401 - any JSON
    return (await ask(door, "GET", f"{MODELS}/{model_id}"))["model"]


async def found(door: Door, **query: Any) -> list[str]:  # noqa: ANN401 - any JSON
    answer = await ask(door, "POST", f"{MODELS}/search", json={"experiment_ids": ["0"]} | query)
    return [one["info"]["name"] for one in answer["models"]]


async def measure(door: Door, model_id: str, *metrics: tuple[str, float | str, int], dataset: str = "") -> str:
    """A run that measures a model; returns the run's id."""
    run_id: str = (await ask(door, "POST", "2.0/mlflow/runs/create", json={"experiment_id": "0"}))["run"]["info"][
        "run_id"
    ]
    on = {"dataset_name": dataset, "dataset_digest": f"{dataset}1"} if dataset else {}
    points = [
        {"key": key, "value": value, "timestamp": 5, "step": step, "model_id": model_id} | on
        for key, value, step in metrics
    ]
    await ask(door, "POST", "2.0/mlflow/runs/log-batch", json={"run_id": run_id, "metrics": points})
    return run_id


async def test_a_model_is_begun_and_finished_and_read_as_it_was_begun(door: Door) -> None:
    begun = await ask(
        door,
        "POST",
        MODELS,
        json={
            "experiment_id": "0",
            "name": "net",
            "model_type": "Classifier",
            "source_run_id": "r1",
            "params": [{"key": "lr", "value": "0.1"}],
            "tags": [{"key": "team", "value": "ö"}],
        },
    )
    info = begun["model"]["info"]
    model_id = info["model_id"]
    assert info["artifact_uri"] == f"mlflow-artifacts:/0/models/{model_id}/artifacts"
    assert (info["status"], info["experiment_id"], info["source_run_id"]) == ("LOGGED_MODEL_PENDING", "0", "r1")
    assert info["tags"] == [{"key": "team", "value": "ö"}]
    assert begun["model"]["data"] == {"params": [{"key": "lr", "value": "0.1"}], "metrics": []}

    body = {"model_id": model_id, "status": "LOGGED_MODEL_READY"}
    finished = (await ask(door, "PATCH", f"{MODELS}/{model_id}", json=body))["model"]
    assert finished["info"]["status"] == "LOGGED_MODEL_READY"
    assert finished["info"]["last_updated_timestamp_ms"] > info["last_updated_timestamp_ms"]
    assert await read(door, model_id) == finished


async def test_a_model_without_a_name_gets_one(door: Door) -> None:
    model_id = (await ask(door, "POST", MODELS, json={"experiment_id": "0"}))["model"]["info"]["model_id"]
    assert (await read(door, model_id))["info"]["name"]


@pytest.mark.parametrize("name", ["a/b", "a:b", "a.b", "a%b", 'a"b', "a'b", "x" * 501])
async def test_a_name_that_cannot_be_part_of_an_address_is_refused(door: Door, name: str) -> None:
    answer = await ask(door, "POST", MODELS, 400, json={"experiment_id": "0", "name": name})
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"


async def test_an_experiment_that_is_not_there_or_deleted_takes_no_models(door: Door) -> None:
    absent = await ask(door, "POST", MODELS, 404, json={"experiment_id": "77"})
    assert absent["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    created = await ask(door, "POST", "2.0/mlflow/experiments/create", json={"name": "gone"})
    await ask(door, "POST", "2.0/mlflow/experiments/delete", json=created)
    deleted = await ask(door, "POST", MODELS, 400, json=created)
    assert deleted["error_code"] == "INVALID_PARAMETER_VALUE"


async def test_an_unknown_status_is_refused(door: Door) -> None:
    model_id = await begin(door)
    answer = await ask(door, "PATCH", f"{MODELS}/{model_id}", 400, json={"status": "LOGGED_MODEL_FINE"})
    assert "status" in answer["message"]
    assert (await read(door, model_id))["info"]["status"] == "LOGGED_MODEL_PENDING"


async def test_a_deleted_model_is_shown_only_to_who_asks_for_deleted_ones(door: Door) -> None:
    model_id = await begin(door)
    await ask(door, "DELETE", f"{MODELS}/{model_id}", json={"model_id": model_id})
    gone = await ask(door, "GET", f"{MODELS}/{model_id}", 404)
    assert gone["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    await ask(door, "GET", f"{MODELS}/{model_id}", params={"allow_deleted": "true"})
    await ask(door, "DELETE", f"{MODELS}/{model_id}", 404)
    await ask(door, "PATCH", f"{MODELS}/{model_id}/tags", 404, json={"tags": [{"key": "a", "value": "b"}]})
    assert await found(door) == []


async def test_tags_are_set_replaced_and_taken_away(door: Door) -> None:
    model_id = await begin(door, tags=[{"key": "a/b", "value": "old"}])
    await ask(door, "PATCH", f"{MODELS}/{model_id}/tags", json={"tags": [{"key": "a/b", "value": "new"}]})
    assert (await read(door, model_id))["info"]["tags"] == [{"key": "a/b", "value": "new"}]
    await ask(door, "DELETE", f"{MODELS}/{model_id}/tags/a%2Fb")
    assert (await read(door, model_id))["info"]["tags"] == []
    await ask(door, "DELETE", f"{MODELS}/{model_id}/tags/a%2Fb", 404)


async def test_a_param_keeps_its_value(door: Door) -> None:
    model_id = await begin(door, params=[{"key": "lr", "value": "0.1"}])
    path = f"{MODELS}/{model_id}/params"
    await ask(door, "POST", path, json={"params": [{"key": "lr", "value": "0.1"}, {"key": "depth", "value": "3"}]})
    refused = await ask(
        door, "POST", path, 400, json={"params": [{"key": "new", "value": "1"}, {"key": "lr", "value": "0.2"}]}
    )
    assert "lr" in refused["message"]
    params = (await read(door, model_id))["data"]["params"]
    assert params == [{"key": "depth", "value": "3"}, {"key": "lr", "value": "0.1"}]


async def test_metrics_of_a_run_show_on_the_model_by_their_latest_point(door: Door) -> None:
    model_id = await begin(door)
    run_id = await measure(door, model_id, ("loss", 0.5, 1), ("loss", 0.25, 2), ("acc", "NaN", 0), dataset="d")
    common = {"timestamp": 5, "model_id": model_id, "run_id": run_id, "dataset_name": "d", "dataset_digest": "d1"}
    assert (await read(door, model_id))["data"]["metrics"] == [
        {"key": "acc", "value": "NaN", "step": 0} | common,
        {"key": "loss", "value": 0.25, "step": 2} | common,
    ]


async def test_files_of_a_model_are_listed_from_its_root(door: Door) -> None:
    model_id = await begin(door)
    place = f"2.0/mlflow-artifacts/artifacts/0/models/{model_id}/artifacts"
    await ask(door, "PUT", f"{place}/code/a.py", content=b"1")
    await ask(door, "PUT", f"{place}/MLmodel", content=b"22")
    path = f"{MODELS}/{model_id}/artifacts/directories"
    root = await ask(door, "GET", path)
    assert root["root_uri"] == f"mlflow-artifacts:/0/models/{model_id}/artifacts"
    assert root["files"] == [
        {"path": "MLmodel", "is_dir": False, "file_size": 2},
        {"path": "code", "is_dir": True},
    ]
    code = await ask(door, "GET", path, params={"artifact_directory_path": "code"})
    assert code["files"] == [{"path": "code/a.py", "is_dir": False, "file_size": 1}]
    await ask(door, "GET", path, 400, params={"artifact_directory_path": "../../.."})


async def test_a_file_of_a_model_is_downloaded_and_nothing_outside_it(door: Door) -> None:
    model_id = await begin(door)
    place = f"2.0/mlflow-artifacts/artifacts/0/models/{model_id}/artifacts"
    await ask(door, "PUT", f"{place}/MLmodel", content=b"22")
    path = f"{MODELS}/{model_id}/artifacts/files"
    answer = await door.mlflow("GET", path, params={"artifact_file_path": "MLmodel"})
    assert (answer.status_code, answer.content) == (200, b"22")
    await ask(door, "GET", path, 400, params={"artifact_file_path": "../artifacts/MLmodel"})
    await ask(door, "GET", path, 400)
    await ask(door, "GET", path, 404, params={"artifact_file_path": "other"})
    await ask(door, "GET", f"{MODELS}/m-0/artifacts/files", 404, params={"artifact_file_path": "MLmodel"})


@pytest.mark.parametrize(
    ("filter_string", "names"),
    [
        ("name = 'a'", ["a"]),
        ("name LIKE 'A' OR name = 'b'", None),
        ("name ILIKE 'A'", ["a"]),
        ("name IN ('a', 'c')", ["c", "a"]),
        ("status = 'READY'", ["b"]),
        ("model_type = 'tree'", ["c"]),
        ("params.depth = '3'", ["a"]),
        ("params.depth != '3'", ["b"]),
        ("tags.team = 'x' AND params.depth = '4'", ["b"]),
        ("tags.absent IS NULL", ["c", "b", "a"]),
        ("metrics.loss < 0.4", ["b"]),
        ("metrics.loss >= 0.4", ["a"]),
        ("metrics.loss > 0.1 AND metrics.nan > 0", []),
        ("metrics.nan != 1", ["a"]),
        ("creation_timestamp > 99999999999999999999", []),
        ("creation_time > 0 AND experiment_id = '0'", ["c", "b", "a"]),
        ("experiment_id = 'x'", None),
        ("nothing = 'x'", None),
    ],
)
async def test_models_are_found_by_a_filter(door: Door, filter_string: str, names: Sequence[str] | None) -> None:
    a = await begin(door, "a", params=[{"key": "depth", "value": "3"}], tags=[{"key": "team", "value": "x"}])
    b = await begin(door, "b", params=[{"key": "depth", "value": "4"}], tags=[{"key": "team", "value": "x"}])
    await begin(door, "c", model_type="tree")
    await ask(door, "PATCH", f"{MODELS}/{b}", json={"status": 2})
    await measure(door, a, ("loss", 0.5, 1), ("nan", "NaN", 1))
    await measure(door, b, ("loss", 0.3, 1))
    if names is None:
        body = {"experiment_ids": ["0"], "filter": filter_string}
        refused = await ask(door, "POST", f"{MODELS}/search", 400, json=body)
        assert refused["error_code"] == "INVALID_PARAMETER_VALUE"
    else:
        assert await found(door, filter=filter_string) == names


async def test_models_are_ordered_by_the_latest_metric_on_a_dataset(door: Door) -> None:
    for name, on_train, on_test in (("a", 0.9, 0.1), ("b", 0.8, 0.3), ("c", 0.7, 0.2)):
        model_id = await begin(door, name)
        await measure(door, model_id, ("acc", on_train, 1), dataset="train")
        await measure(door, model_id, ("acc", 1.0, 1), ("acc", on_test, 2), dataset="test")
    await begin(door, "unmeasured")
    by_train = {"field_name": "metrics.acc", "ascending": False, "dataset_name": "train"}
    by_test = {"field_name": "metrics.acc", "ascending": False, "dataset_name": "test", "dataset_digest": "test1"}
    assert await found(door, order_by=[by_train]) == ["a", "b", "c", "unmeasured"]
    assert await found(door, order_by=[by_test]) == ["b", "c", "a", "unmeasured"]
    assert await found(door, order_by=[{"field_name": "name", "ascending": False}]) == ["unmeasured", "c", "b", "a"]
    for wrong in (
        {"field_name": "params.x"},
        {"field_name": "nothing"},
        {"field_name": "name", "dataset_name": "d"},
        {"field_name": "metrics.acc", "dataset_digest": "d"},
    ):
        await ask(door, "POST", f"{MODELS}/search", 400, json={"experiment_ids": ["0"], "order_by": [wrong]})


async def test_datasets_say_on_which_a_metric_must_hold(door: Door) -> None:
    for name, dataset in (("a", "train"), ("b", "test")):
        await measure(door, await begin(door, name), ("acc", 0.9, 1), dataset=dataset)
    await begin(door, "unmeasured")
    on = [{"dataset_name": "test"}]
    assert await found(door, datasets=on) == ["b"]
    assert await found(door, datasets=on, filter="metrics.acc > 0.5") == ["b"]
    assert await found(door, datasets=on, filter="metrics.acc > 0.95") == []
    assert await found(door, datasets=[{"dataset_name": "test", "dataset_digest": "other"}]) == []


async def test_pages_hold_every_model_once_and_belong_to_one_search(door: Door) -> None:
    for number in range(5):
        await begin(door, f"n{number}")
    body: dict[str, object] = {"experiment_ids": ["0"], "max_results": 2}
    pages = []
    while True:
        answer = await ask(door, "POST", f"{MODELS}/search", json=body)
        pages.append([one["info"]["name"] for one in answer["models"]])
        if "next_page_token" not in answer:
            break
        body["page_token"] = answer["next_page_token"]
    assert pages == [["n4", "n3"], ["n2", "n1"], ["n0"]]
    await ask(door, "POST", f"{MODELS}/search", 400, json=body | {"filter": "name = 'n0'"})
    await ask(door, "POST", f"{MODELS}/search", 400, json=body | {"page_token": "nonsense"})


async def test_a_viewer_reads_and_does_not_write(door: Door) -> None:
    model_id = await begin(door)
    await ask(door, "GET", f"{MODELS}/{model_id}", role=Role.VIEWER)
    await ask(door, "POST", f"{MODELS}/search", role=Role.VIEWER, json={"experiment_ids": ["0"]})
    await ask(door, "DELETE", f"{MODELS}/{model_id}", 403, role=Role.VIEWER)
