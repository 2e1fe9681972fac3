"""Experiments as MLflow's clients make, change, find and delete them."""

import pytest
from registry_door import Door
from tracking_client import EXPERIMENTS, answered, invalid, new_experiment, new_run, pairs, read_experiment, read_run
from tracking_client import refused as refused_with

NOT_THERE = (404, "RESOURCE_DOES_NOT_EXIST")
TAKEN = (400, "RESOURCE_ALREADY_EXISTS")


async def found(door: Door, **search: object) -> list[str]:
    """The names of what a search finds."""
    answer = answered(await door.mlflow("POST", f"{EXPERIMENTS}/search", json=search))
    return [experiment["name"] for experiment in answer["experiments"]]


async def test_the_default_experiment_is_there_from_the_start(door: Door) -> None:
    experiment = await read_experiment(door, "0")
    assert (experiment["name"], experiment["artifact_location"]) == ("Default", "mlflow-artifacts:/0")


async def test_an_experiment_is_read_as_it_was_made(door: Door) -> None:
    tags = [{"key": "team", "value": "ü"}, {"key": "empty"}]
    experiment_id = await new_experiment(door, "名前", tags=tags)
    experiment = await read_experiment(door, experiment_id)
    assert experiment["creation_time"] == experiment["last_update_time"] > 0
    assert experiment["lifecycle_stage"] == "active"
    assert experiment["artifact_location"] == f"mlflow-artifacts:/{experiment_id}"
    assert pairs(experiment["tags"]) == {"team": "ü", "empty": ""}
    answer = await door.mlflow("GET", f"{EXPERIMENTS}/get-by-name", params={"experiment_name": "名前"})
    assert answered(answer)["experiment"] == experiment


async def test_an_experiment_may_keep_its_artifacts_elsewhere(door: Door) -> None:
    experiment_id = await new_experiment(door, artifact_location="s3://bucket/path")
    assert (await read_experiment(door, experiment_id))["artifact_location"] == "s3://bucket/path"


async def test_a_name_is_taken_even_by_what_is_deleted(door: Door) -> None:
    experiment_id = await new_experiment(door, "a")
    other = await new_experiment(door, "b")
    await door.mlflow("POST", f"{EXPERIMENTS}/delete", json={"experiment_id": experiment_id})
    message = refused_with(await door.mlflow("POST", f"{EXPERIMENTS}/create", json={"name": "a"}), *TAKEN)
    assert message.startswith("Experiment(name=a) already exists.")
    body = {"experiment_id": other, "new_name": "a"}
    refused_with(await door.mlflow("POST", f"{EXPERIMENTS}/update", json=body), *TAKEN)


async def test_an_experiment_is_renamed_unless_it_is_deleted(door: Door) -> None:
    experiment_id = await new_experiment(door, "a")
    before = await read_experiment(door, experiment_id)
    answered(await door.mlflow("POST", f"{EXPERIMENTS}/update", json={"experiment_id": experiment_id, "new_name": "b"}))
    after = await read_experiment(door, experiment_id)
    assert (after["name"], after["creation_time"]) == ("b", before["creation_time"])
    assert after["last_update_time"] > before["last_update_time"]
    await door.mlflow("POST", f"{EXPERIMENTS}/delete", json={"experiment_id": experiment_id})
    body = {"experiment_id": experiment_id, "new_name": "c"}
    assert "Restore it first" in invalid(await door.mlflow("POST", f"{EXPERIMENTS}/update", json=body))


async def test_runs_are_deleted_and_restored_with_their_experiment(door: Door) -> None:
    experiment_id = await new_experiment(door)
    run_id = await new_run(door, experiment_id=experiment_id)
    body = {"experiment_id": experiment_id}
    for path, stage in (("delete", "deleted"), ("restore", "active")):
        answered(await door.mlflow("POST", f"{EXPERIMENTS}/{path}", json=body))
        assert (await read_experiment(door, experiment_id))["lifecycle_stage"] == stage
        assert (await read_run(door, run_id))["info"]["lifecycle_stage"] == stage
        refused_with(await door.mlflow("POST", f"{EXPERIMENTS}/{path}", json=body), *NOT_THERE)


async def test_tags_are_set_changed_and_taken_away(door: Door) -> None:
    experiment_id = await new_experiment(door)
    tag = {"experiment_id": experiment_id, "key": "k"}
    for value in ("first", "second\nline"):
        answered(await door.mlflow("POST", f"{EXPERIMENTS}/set-experiment-tag", json=tag | {"value": value}))
        assert pairs((await read_experiment(door, experiment_id))["tags"]) == {"k": value}
    answered(await door.mlflow("POST", f"{EXPERIMENTS}/delete-experiment-tag", json=tag))
    assert (await read_experiment(door, experiment_id))["tags"] == []
    answer = await door.mlflow("POST", f"{EXPERIMENTS}/delete-experiment-tag", json=tag)
    assert refused_with(answer, *NOT_THERE) == f"No tag with name: k in experiment with id {experiment_id}"


@pytest.mark.parametrize("path", ["delete", "restore", "update", "set-experiment-tag", "delete-experiment-tag"])
async def test_an_experiment_that_is_not_there_is_not_found(door: Door, path: str) -> None:
    body = {"experiment_id": "77", "new_name": "n", "key": "k"}
    message = refused_with(await door.mlflow("POST", f"{EXPERIMENTS}/{path}", json=body), *NOT_THERE)
    assert message == "No Experiment with id=77 exists"


async def test_searches_filter_order_and_know_the_lifecycle(door: Door) -> None:
    for name, value in (("a", "value"), ("ab", "vaLue"), ("Abc", None)):
        tags = [] if value is None else [{"key": "key", "value": value}]
        deleted = await new_experiment(door, name, tags=tags)
    assert await found(door) == ["Abc", "ab", "a", "Default"]
    assert await found(door, filter="attribute.name = 'a'") == ["a"]
    assert await found(door, filter="name LIKE 'a%'") == ["ab", "a"]
    assert await found(door, filter="tag.key != 'value'") == ["ab"]
    assert await found(door, filter="tag.key ILIKE '%alu%' AND creation_time > 1") == ["ab", "a"]
    assert await found(door, order_by=["name DESC"]) == ["ab", "a", "Default", "Abc"]
    await door.mlflow("POST", f"{EXPERIMENTS}/delete", json={"experiment_id": deleted})
    assert await found(door, view_type="DELETED_ONLY") == ["Abc"]
    assert await found(door, view_type=3) == ["Abc", "ab", "a", "Default"]
    assert await found(door) == ["ab", "a", "Default"]


async def test_searches_go_on_from_page_to_page(door: Door) -> None:
    for name in "abc":
        await new_experiment(door, name)
    search: dict[str, object] = {"max_results": 2}
    pages = []
    while search.get("page_token", True):
        answer = answered(await door.mlflow("GET", f"{EXPERIMENTS}/search", params=search))
        pages.append([experiment["name"] for experiment in answer["experiments"]])
        search["page_token"] = answer.get("next_page_token")
    assert pages == [["c", "b"], ["a", "Default"]]


WRONG = [
    ("create", {}, "Missing value for required parameter 'name'."),
    ("create", {"name": ""}, "Missing value for required parameter 'name'."),
    ("create", {"name": 123}, "Invalid value 123 for parameter 'name'"),
    ("create", {"name": "n" * 501}, "'name' exceeds the maximum length of 500 characters"),
    ("create", {"name": "n", "artifact_location": 9.0}, "Invalid value 9.0 for parameter 'artifact_location'"),
    ("create", {"name": "n", "artifact_location": "runs:/a"}, "Artifact location cannot be a runs:/ URI."),
    ("create", {"name": "n", "tags": "5"}, "Invalid value \"5\" for parameter 'tags'"),
    ("create", {"name": "n", "tags": [{"key": "."}]}, "Invalid value \".\" for parameter 'tags[0].key' supplied"),
    ("create", {"name": "n\0"}, "NUL characters cannot be stored"),
    ("delete", {"experiment_id": "x"}, "Invalid experiment ID 'x'."),
    ("delete", {"experiment_id": "9" * 30}, "Invalid experiment ID"),
    ("search", {"max_results": 0}, "Invalid value 0 for parameter 'max_results' supplied"),
    ("search", {"max_results": 50_001}, "Invalid value 50001 for parameter 'max_results' supplied"),
    ("search", {"page_token": "?"}, "Invalid page token"),
    ("search", {"view_type": "SOME"}, "Invalid value \"SOME\" for parameter 'view_type' supplied"),
    ("set-experiment-tag", {"experiment_id": "0", "key": "k", "value": "v" * 20_001}, "'value' exceeds the maximum"),
]


@pytest.mark.parametrize(("path", "body", "message"), WRONG)
async def test_what_is_wrong_is_named(door: Door, path: str, body: dict[str, object], message: str) -> None:
    assert invalid(await door.mlflow("POST", f"{EXPERIMENTS}/{path}", json=body)).startswith(message)
