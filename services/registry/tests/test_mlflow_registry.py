"""Registered models and versions as MLflow's clients make, change, find and load them."""

import asyncio
from typing import Any

import pytest
from registry_door import Door
from registry_facts import CODE, define, person, succeeded, trained

from pelton.eventkit.identity import Role

MODELS = "2.0/mlflow/registered-models"
VERSIONS = "2.0/mlflow/model-versions"


async def ask(door: Door, method: str, path: str, status: int = 200, **options: Any) -> Any:  # noqa: ANN401 - any JSON
    answer = await door.mlflow(method, path, **options)
    assert answer.status_code == status, answer.text
    return answer.json()


async def make(door: Door, name: str = "late", **fields: Any) -> Any:  # noqa: ANN401 - any JSON
    return (await ask(door, "POST", f"{MODELS}/create", json={"name": name} | fields))["registered_model"]


async def log(door: Door, name: str = "late", source: str = "s3://b/m", **fields: Any) -> Any:  # noqa: ANN401 - any JSON
    body = {"name": name, "source": source} | fields
    return (await ask(door, "POST", f"{VERSIONS}/create", json=body))["model_version"]


async def read(door: Door, name: str = "late") -> Any:  # noqa: ANN401 - any JSON
    return (await ask(door, "GET", f"{MODELS}/get", params={"name": name}))["registered_model"]


async def read_version(door: Door, version: int | str, name: str = "late") -> Any:  # noqa: ANN401 - any JSON
    answer = await ask(door, "GET", f"{VERSIONS}/get", params={"name": name, "version": version})
    return answer["model_version"]


async def move(door: Door, version: int, stage: str, status: int = 200, **fields: Any) -> Any:  # noqa: ANN401 - any JSON
    body = {"name": "late", "version": str(version), "stage": stage} | fields
    return await ask(door, "POST", f"{VERSIONS}/transition-stage", status, json=body)


async def models_found(door: Door, **params: Any) -> list[str]:  # noqa: ANN401 - any JSON
    answer = await ask(door, "GET", f"{MODELS}/search", params=params)
    return [one["name"] for one in answer["registered_models"]]


async def versions_found(door: Door, **params: Any) -> list[str]:  # noqa: ANN401 - any JSON
    answer = await ask(door, "GET", f"{VERSIONS}/search", params=params)
    return [f"{one['name']}/{one['version']}" for one in answer["model_versions"]]


async def test_a_model_is_read_as_it_was_made(door: Door) -> None:
    made = await make(door, "crédit", description="who pays", tags=[{"key": "team", "value": "risk"}])
    assert made["latest_versions"] == made["aliases"] == []
    assert (made["name"], made["description"]) == ("crédit", "who pays")
    assert made["tags"] == [{"key": "team", "value": "risk"}]
    assert await read(door, "crédit") == made
    taken = await ask(door, "POST", f"{MODELS}/create", 400, json={"name": "crédit"})
    assert taken["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert "Registered Model (name=crédit) already exists" in taken["message"]


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "..", "x" * 257])
async def test_a_name_that_cannot_be_is_refused(door: Door, name: str) -> None:
    refused = await ask(door, "POST", f"{MODELS}/create", 400, json={"name": name})
    assert refused["error_code"] == "INVALID_PARAMETER_VALUE"


async def test_a_model_is_renamed_described_tagged_and_deleted(door: Door) -> None:
    await make(door)
    await ask(door, "POST", f"{MODELS}/rename", json={"name": "late", "new_name": "later"})
    gone = await ask(door, "GET", f"{MODELS}/get", 404, params={"name": "late"})
    assert gone == {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Registered Model with name=late not found"}
    updated = await ask(door, "PATCH", f"{MODELS}/update", json={"name": "later", "description": "why"})
    assert updated["registered_model"]["description"] == "why"
    await ask(door, "POST", f"{MODELS}/set-tag", json={"name": "later", "key": "k", "value": ""})
    assert (await read(door, "later"))["tags"] == [{"key": "k", "value": ""}]
    await ask(door, "DELETE", f"{MODELS}/delete-tag", json={"name": "later", "key": "k"})
    assert (await read(door, "later"))["tags"] == []
    await ask(door, "DELETE", f"{MODELS}/delete", json={"name": "later"})
    await ask(door, "GET", f"{MODELS}/get", 404, params={"name": "later"})
    await make(door, "later")


async def test_a_version_is_read_as_it_was_made(door: Door) -> None:
    await make(door)
    tags = [{"key": "b", "value": "v"}, {"key": "a", "value": ""}]
    made = await log(
        door, run_id="elsewhere", run_link="http://x", description="first", tags=tags, model_id="m-elsewhere"
    )
    assert made | {"creation_timestamp": 0, "last_updated_timestamp": 0} == {
        "name": "late",
        "version": "1",
        "user_id": "ann",
        "current_stage": "None",
        "source": "s3://b/m",
        "run_id": "elsewhere",
        "run_link": "http://x",
        "description": "first",
        "status": "READY",
        "tags": tags[::-1],
        "aliases": [],
        "model_id": "m-elsewhere",
        "creation_timestamp": 0,
        "last_updated_timestamp": 0,
    }
    assert await read_version(door, 1) == made
    assert (await read(door))["latest_versions"] == [made]
    assert await log(door) == await read_version(door, 2)
    await ask(door, "PATCH", f"{VERSIONS}/update", json={"name": "late", "version": "2", "description": "second"})
    await ask(door, "POST", f"{VERSIONS}/set-tag", json={"name": "late", "version": "2", "key": "a", "value": "b"})
    second = await read_version(door, 2)
    assert (second["description"], second["tags"]) == ("second", [{"key": "a", "value": "b"}])
    await ask(door, "DELETE", f"{VERSIONS}/delete-tag", json={"name": "late", "version": "2", "key": "a"})
    assert (await read_version(door, 2))["tags"] == []


@pytest.mark.parametrize("version", ["something", "1.5", ""])
async def test_a_version_is_a_number(door: Door, version: str) -> None:
    await make(door)
    refused = await ask(door, "GET", f"{VERSIONS}/get", 400, params={"name": "late", "version": version})
    assert refused["error_code"] == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("version", ["0", "-1", "7", "99999999999"])
async def test_a_version_that_is_not_there_is_missing(door: Door, version: str) -> None:
    await make(door)
    for method, path, options in (
        ("GET", "get", {"params": {"name": "late", "version": version}}),
        ("GET", "get-download-uri", {"params": {"name": "late", "version": version}}),
        ("PATCH", "update", {"json": {"name": "late", "version": version, "description": "x"}}),
        ("DELETE", "delete", {"json": {"name": "late", "version": version}}),
        ("POST", "transition-stage", {"json": {"name": "late", "version": version, "stage": "Staging"}}),
    ):
        gone = await ask(door, method, f"{VERSIONS}/{path}", 404, **options)
        assert gone["error_code"] == "RESOURCE_DOES_NOT_EXIST"
        assert f"Model Version (name=late, version={int(version)}) not found" in gone["message"]


async def test_versions_that_are_made_at_once_all_get_numbers(door: Door) -> None:
    await make(door)
    made = await asyncio.gather(*(log(door) for _ in range(12)))
    assert sorted(int(one["version"]) for one in made) == list(range(1, 13))


async def test_of_two_concurrent_stage_changes_one_wins_and_the_other_hears_of_it(door: Door) -> None:
    await make(door)
    await log(door)
    body = {"name": "late", "version": "1"}
    answers = await asyncio.gather(
        *(
            door.mlflow("POST", f"{VERSIONS}/transition-stage", json=body | {"stage": stage})
            for stage in ("Staging", "Archived", "Production")
        )
    )
    won = [answer.json() for answer in answers if answer.status_code == 200]
    lost = [answer.json() for answer in answers if answer.status_code != 200]
    assert won
    assert {answer["error_code"] for answer in lost} <= {"RESOURCE_CONFLICT"}
    facts = [fact for fact in await door.facts() if fact["type"] == "model_stage_changed"]
    assert len(facts) == len(won)
    assert (await read_version(door, 1))["current_stage"] in {one["model_version"]["current_stage"] for one in won}


async def test_stages_have_mlflows_names_and_the_newest_of_each_is_found(door: Door) -> None:
    await make(door)
    for stage in ("Archived", "production", "Archived", "Production", "Staging", "staging", "None"):
        version = int((await log(door))["version"])
        if stage != "None":
            await move(door, version, stage)
        assert (await read_version(door, version))["current_stage"] == stage.capitalize()

    async def latest(*stages: str) -> dict[str, str]:
        answer = await ask(door, "POST", f"{MODELS}/get-latest-versions", json={"name": "late", "stages": stages})
        return {one["current_stage"]: one["version"] for one in answer["model_versions"]}

    everywhere = {"Production": "4", "Staging": "6", "Archived": "3", "None": "7"}
    assert await latest("None", "staging") == {"None": "7", "Staging": "6"}
    assert await latest() == everywhere
    asked = await ask(door, "GET", f"{MODELS}/get-latest-versions", params={"name": "late", "stages": "Production"})
    assert [one["version"] for one in asked["model_versions"]] == ["4"]
    assert {one["current_stage"]: one["version"] for one in (await read(door))["latest_versions"]} == everywhere
    await ask(door, "POST", f"{MODELS}/get-latest-versions", 400, json={"name": "late", "stages": ["Nowhere"]})
    await ask(door, "POST", f"{MODELS}/get-latest-versions", 404, json={"name": "nowhere"})


async def test_a_move_makes_room_in_the_stage_if_asked_to(door: Door) -> None:
    await make(door)
    for version in (1, 2):
        await log(door)
        await move(door, version, "Production", archive_existing_versions=True)
    assert (await read_version(door, 1))["current_stage"] == "Archived"
    assert (await read_version(door, 2))["current_stage"] == "Production"
    await move(door, 2, "Archived", 400, archive_existing_versions=True)
    await move(door, 2, "Nowhere", 400)


async def test_a_move_that_persons_must_agree_to_is_a_request_and_an_error(door: Door) -> None:
    definition = person()
    await door.declare(definition, CODE.digest)
    await door.receive(trained(1, definition))
    refused = await move(door, 1, "Production", 403)
    assert refused["error_code"] == "PERMISSION_DENIED"
    assert "the request is on record and waits" in refused["message"]
    assert (await read_version(door, 1))["current_stage"] == "Staging"
    assert len((await door.get("/approvals"))["approvals"]) == 1
    again = await move(door, 1, "Production", 409)
    assert again["error_code"] == "RESOURCE_CONFLICT"


async def test_an_alias_names_a_version_until_it_names_another(door: Door) -> None:
    await make(door)
    await log(door)
    await log(door)
    path, alias = f"{MODELS}/alias", {"name": "late", "alias": "best"}
    unknown = await ask(door, "GET", path, 400, params=alias)
    assert unknown == {"error_code": "INVALID_PARAMETER_VALUE", "message": "Registered model alias best not found."}
    for version in ("1", "2"):
        await ask(door, "POST", path, json=alias | {"version": version})
        found = (await ask(door, "GET", path, params=alias))["model_version"]
        assert found == await read_version(door, version)
        assert found["aliases"] == ["best"]
    assert (await read(door))["aliases"] == [{"alias": "best", "version": "2"}]
    for _ in range(2):
        await ask(door, "DELETE", path, json=alias)
    assert (await read_version(door, 2))["aliases"] == []
    newest = await ask(door, "GET", path, params={"name": "late", "alias": "latest"})
    assert newest["model_version"]["version"] == "2"
    await ask(door, "GET", path, 404, params={"name": "nowhere", "alias": "best"})


@pytest.mark.parametrize("alias", ["latest", "Latest", "v12", "V1", "a b", "a/b", "x" * 256])
async def test_an_alias_that_means_something_else_is_refused(door: Door, alias: str) -> None:
    await make(door)
    await log(door)
    body = {"name": "late", "alias": alias, "version": "1"}
    refused = await ask(door, "POST", f"{MODELS}/alias", 400, json=body)
    assert refused["error_code"] == "INVALID_PARAMETER_VALUE"


async def test_a_version_that_something_depends_on_stays(door: Door) -> None:
    await make(door)
    await log(door)
    await ask(door, "POST", f"{MODELS}/alias", json={"name": "late", "alias": "best", "version": "1"})
    kept = await ask(door, "DELETE", f"{VERSIONS}/delete", 409, json={"name": "late", "version": "1"})
    assert kept["error_code"] == "RESOURCE_CONFLICT"
    assert "best" in kept["message"]
    await ask(door, "DELETE", f"{MODELS}/alias", json={"name": "late", "alias": "best"})
    await ask(door, "DELETE", f"{VERSIONS}/delete", json={"name": "late", "version": "1"})
    assert await versions_found(door) == []
    assert (await log(door))["version"] == "2"


async def test_models_are_found_and_prompts_are_not_unless_asked_for(door: Door) -> None:
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    for name, tags in (("b", [{"key": "team", "value": "x"}]), ("a", []), ("ask", prompt)):
        await make(door, name, tags=tags)
    no_prompt = "tag.`mlflow.prompt.is_prompt` != 'true'"
    assert await models_found(door) == ["a", "b"]
    assert await models_found(door, filter=no_prompt) == ["a", "b"]
    assert await models_found(door, filter=f"name ILIKE 'A%' AND {no_prompt}") == ["a"]
    assert await models_found(door, filter="tags.`mlflow.prompt.is_prompt` = 'true'") == ["ask"]
    assert await models_found(door, filter="tags.team = 'x'") == ["b"]
    assert await models_found(door, filter="tags.team != 'x'") == []
    assert await models_found(door, order_by="name DESC") == ["b", "a"]
    assert await models_found(door, order_by=["creation_timestamp ASC"]) == ["b", "a"]
    for wrong in ({"filter": "size > 3"}, {"order_by": "size"}, {"max_results": 0}, {"max_results": 1001}):
        await ask(door, "GET", f"{MODELS}/search", 400, params=wrong)


async def test_pages_of_models_hold_each_once(door: Door) -> None:
    for number in range(5):
        await make(door, f"n{number}")
    params: dict[str, Any] = {"max_results": 2}
    pages = []
    while True:
        answer = await ask(door, "GET", f"{MODELS}/search", params=params)
        pages.append([one["name"] for one in answer["registered_models"]])
        if "next_page_token" not in answer:
            break
        params["page_token"] = answer["next_page_token"]
    assert pages == [["n0", "n1"], ["n2", "n3"], ["n4"]]
    await ask(door, "GET", f"{MODELS}/search", 400, params={"page_token": "bm9uZQ=="})


async def test_versions_are_found_the_last_changed_first(door: Door) -> None:
    for name in ("late", "soon"):
        await make(door, name)
    await log(door, "late", run_id="r1", tags=[{"key": "k", "value": "v"}])
    await log(door, "late", run_id="r2")
    await log(door, "soon", "s3://b/other", run_id="r1")
    await ask(door, "PATCH", f"{VERSIONS}/update", json={"name": "late", "version": "1", "description": "x"})
    assert await versions_found(door) == ["late/1", "soon/1", "late/2"]
    assert await versions_found(door, filter="name = 'late'") == ["late/1", "late/2"]
    assert await versions_found(door, filter="run_id IN ('r1') AND name = 'late'") == ["late/1"]
    assert await versions_found(door, filter="source_path = 's3://b/other'") == ["soon/1"]
    assert await versions_found(door, filter="version_number > 1") == ["late/2"]
    assert await versions_found(door, filter="version_number = '2'") == ["late/2"]
    assert await versions_found(door, filter="tags.k = 'v'") == ["late/1"]
    assert await versions_found(door, order_by=["name DESC", "version_number ASC"]) == ["soon/1", "late/1", "late/2"]


async def test_what_pelton_trained_is_shown_by_the_same_routes(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await door.receive(trained(1))
    await door.receive(succeeded(1))
    version = await read_version(door, 1)
    assert (version["current_stage"], version["run_id"], version["aliases"]) == ("Production", "late-1", ["champion"])
    assert version["source"] == f"pelton:/v1/artifacts/{trained(1).artifact.digest}"
    assert (await read(door))["latest_versions"] == [version]
    refused = await ask(door, "POST", f"{VERSIONS}/create", 409, json={"name": "late", "source": "s3://b/m"})
    assert "declared" in refused["message"]


async def run_with_model(door: Door) -> tuple[str, str]:
    """A run with a logged model's file and records; the run's id and its artifacts' URI."""
    run = await ask(door, "POST", "2.0/mlflow/runs/create", json={"experiment_id": "0"})
    info = run["run"]["info"]
    batch = {
        "run_id": info["run_id"],
        "params": [{"key": "depth", "value": "3"}],
        "metrics": [
            {"key": "auc", "value": 0.75, "timestamp": 1, "step": 0},
            {"key": "bad", "value": "NaN", "timestamp": 1, "step": 0},
        ],
        "tags": [{"key": "mlflow.source.git.commit", "value": "abc"}],
    }
    await ask(door, "POST", "2.0/mlflow/runs/log-batch", json=batch)
    place = f"2.0/mlflow-artifacts/artifacts/0/{info['run_id']}/artifacts/model"
    signature = '[{"type": "double", "name": "distance"}, {"type": "double", "name": "speed"}]'
    await ask(door, "PUT", f"{place}/MLmodel", content=f"signature:\n  inputs: '{signature}'\n".encode())
    await ask(door, "PUT", f"{place}/model.txt", content=b"weights")
    return info["run_id"], info["artifact_uri"]


async def test_what_a_version_was_made_of_is_frozen_with_it(door: Door) -> None:
    run_id, artifacts = await run_with_model(door)
    await make(door)
    await log(door, source=f"{artifacts}/model", run_id=run_id)
    await log(door, source=f"runs:/{run_id}/model", run_id=run_id)
    logged = [fact["data"] for fact in await door.facts() if fact["type"] == "model_version_logged"]
    for fact in logged:
        assert fact["run"] == {
            "run_id": run_id,
            "parameters": {"depth": "3"},
            "metrics": {"auc": 0.75},
            "commit": "abc",
        }
        assert fact["artifact"]["format"] == "file-manifest"
    assert logged[0]["artifact"] == logged[1]["artifact"]
    assert logged[1]["location"] == logged[0]["source"] == f"{artifacts}/model"


async def test_a_version_of_a_version_leads_to_the_same_files(door: Door) -> None:
    run_id, artifacts = await run_with_model(door)
    await make(door)
    await make(door, "copy")
    await log(door, source=f"{artifacts}/model", run_id=run_id)
    await ask(door, "POST", f"{MODELS}/alias", json={"name": "late", "alias": "best", "version": "1"})
    copied = await log(door, "copy", "models:/late@best")
    assert (copied["source"], copied["run_id"]) == ("models:/late/1", run_id)
    again = await log(door, "copy", "models:/copy/latest")
    assert again["source"] == "models:/copy/1"
    for version in ("1", "2"):
        answer = await ask(door, "GET", f"{VERSIONS}/get-download-uri", params={"name": "copy", "version": version})
        assert answer == {"artifact_uri": f"{artifacts}/model"}
    digests = {
        fact["data"]["artifact"]["digest"] for fact in await door.facts() if fact["type"] == "model_version_logged"
    }
    assert len(digests) == 1


async def test_a_version_of_a_logged_model_names_it_and_its_run(door: Door) -> None:
    run_id, _ = await run_with_model(door)
    body = {"experiment_id": "0", "source_run_id": run_id}
    model_id = (await ask(door, "POST", "2.0/mlflow/logged-models", json=body))["model"]["info"]["model_id"]
    await make(door)
    uri = f"mlflow-artifacts:/0/models/{model_id}/artifacts"
    for source in (uri, f"models:/{model_id}"):
        version = await log(door, source=source, model_id=model_id)
        assert (version["model_id"], version["run_id"], version["source"]) == (model_id, run_id, source)
        params = {"name": "late", "version": version["version"]}
        assert await ask(door, "GET", f"{VERSIONS}/get-download-uri", params=params) == {"artifact_uri": uri}
    for _ in range(8):
        await log(door, source=uri, model_id=model_id)
    info = (await ask(door, "GET", f"2.0/mlflow/logged-models/{model_id}"))["model"]["info"]
    assert info["registrations"] == [{"name": "late", "version": str(number)} for number in range(1, 11)]
    versions = ", ".join(f'{{"name": "late", "version": {number}}}' for number in range(1, 11))
    assert info["tags"] == [{"key": "mlflow.modelVersions", "value": f"[{versions}]"}]


@pytest.mark.parametrize(
    ("source", "location"),
    [
        ("mlflow-artifacts:/models", "mlflow-artifacts:/models"),
        ("mlflow-artifacts:/models///", "mlflow-artifacts:/models"),
        ("mlflow-artifacts:/models/foo///bar", "mlflow-artifacts:/models/foo/bar"),
        ("mlflow-artifacts://host:9000/models/artifact/..../", "mlflow-artifacts://host:9000/models/artifact/...."),
        ("https://host//models/m", "https://host/models/m"),
        ("runs:/unknown/model", "runs:/unknown/model"),
    ],
)
async def test_a_source_somewhere_else_is_kept_as_it_is(door: Door, source: str, location: str) -> None:
    await make(door)
    assert (await log(door, source=source))["source"] == source
    answer = await ask(door, "GET", f"{VERSIONS}/get-download-uri", params={"name": "late", "version": "1"})
    assert answer == {"artifact_uri": location}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("/tmp/model", "To use a local path as a model version source"),  # noqa: S108 - nothing is there
        ("file:///tmp/model", "To use a local path as a model version source"),
        ("file://host/path", "To use a local path as a model version source"),
        ("C:\\model", "To use a local path as a model version source"),
        ("relative/model", "To use a local path as a model version source"),
        ("mlflow-artifacts://host:9000/models/../../../", "If supplying a source as an http, https,"),
        ("https://host/api/2.0/mlflow-artifacts/artifacts/../../../", "If supplying a source as an http, https,"),
        ("s3a://bucket/models/..%2f..%2fartifacts", "If supplying a source as an http, https,"),
        ("ftp://host/models/..%252f..", "If supplying a source as an http, https,"),
        ("mlflow-artifacts:/models\\..\\x", "If supplying a source as an http, https,"),
        ("mlflow-artifacts://host:9000/models/artifact%00", "If supplying a source as an http, https,"),
        ("mlflow-artifacts:/models#/../..", "If supplying a source as an http, https,"),
        ("mlflow-artifacts:/models#fragment", "no query and no fragment"),
        ("models:/nowhere/1", "no such version"),
        ("models:/late/99999999999", "no such version"),
        ("models:/late@nobody", "no such version"),
        ("models:/m-unknown", "no such logged model"),
        ("models://host/late/1", "use models:/"),
        ("runs:/abc", "use runs:/"),
    ],
)
async def test_a_source_that_leads_astray_is_refused(door: Door, source: str, words: str) -> None:
    await make(door)
    body = {"name": "late", "source": source}
    refused = await ask(door, "POST", f"{VERSIONS}/create", 400, json=body)
    assert refused["error_code"] == "INVALID_PARAMETER_VALUE"
    assert "Invalid model version source" in refused["message"]
    assert words in refused["message"]
    assert await versions_found(door) == []


async def test_a_local_path_is_a_source_within_the_artifacts_of_its_run(door: Door) -> None:
    experiment = await ask(
        door, "POST", "2.0/mlflow/experiments/create", json={"name": "local", "artifact_location": "file:///srv/runs"}
    )
    run = (await ask(door, "POST", "2.0/mlflow/runs/create", json=experiment))["run"]["info"]
    await make(door)
    inside = run["artifact_uri"]
    for source in (inside, f"{inside}/model", f"{inside}/model/..", inside.removeprefix("file://") + "/model"):
        await log(door, source=source, run_id=run["run_id"])
    for source in (f"{inside}/..", f"{inside}x", "/tmp"):  # noqa: S108 - nothing is there
        body = {"name": "late", "source": source, "run_id": run["run_id"]}
        await ask(door, "POST", f"{VERSIONS}/create", 400, json=body)


async def test_a_prompt_is_a_version_whose_text_is_in_its_tags(door: Door) -> None:
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    await make(door, "ask", tags=tags)
    await log(door, "ask", "dummy-source", tags=[*tags, {"key": "mlflow.prompt.text", "value": "Say {{it}}"}])
    assert await versions_found(door) == []
    assert await versions_found(door, filter="tags.`mlflow.prompt.is_prompt` = 'true'") == ["ask/1"]
    await ask(door, "POST", f"{VERSIONS}/create", 400, json={"name": "ask", "source": "s3://b/m", "tags": tags})
    await make(door)
    await ask(door, "POST", f"{VERSIONS}/create", 400, json={"name": "late", "source": "models:/ask/1"})


async def test_roles_come_from_the_token_or_from_a_team(door: Door) -> None:
    viewer = {"role": Role.VIEWER, "who": "bob"}
    refused = await ask(door, "POST", f"{MODELS}/create", 403, json={"name": "risk-1"}, **viewer)
    assert refused["error_code"] == "PERMISSION_DENIED"
    team = {"members": {"bob": "contributor"}, "models": ["risk-*"]}
    assert (await door.ask("PUT", "/teams/risk", json=team)).is_success
    await ask(door, "POST", f"{MODELS}/create", json={"name": "risk-1"}, **viewer)
    await ask(door, "POST", f"{MODELS}/create", 403, json={"name": "other"}, **viewer)
    await ask(door, "POST", f"{VERSIONS}/create", json={"name": "risk-1", "source": "s3://b/m"}, **viewer)


async def test_a_model_is_last_changed_when_its_name_its_versions_or_their_stages_are(door: Door) -> None:
    await make(door)
    times = [(await read(door))["last_updated_timestamp"]]
    await log(door)
    times.append((await read(door))["last_updated_timestamp"])
    await move(door, 1, "Staging")
    times.append((await read(door))["last_updated_timestamp"])
    await move(door, 1, "None")
    await ask(door, "DELETE", f"{VERSIONS}/delete", json={"name": "late", "version": "1"})
    times.append((await read(door))["last_updated_timestamp"])
    renamed = await ask(door, "POST", f"{MODELS}/rename", json={"name": "late", "new_name": "later"})
    times.append(renamed["registered_model"]["last_updated_timestamp"])
    assert times == sorted(set(times))
