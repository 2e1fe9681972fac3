"""Teams and restrictions on models, as MLflow's clients meet them."""

from typing import Any

import httpx
import pytest
from registry_door import Door

from pelton.eventkit.identity import Role

MODELS = "2.0/mlflow/registered-models"
VERSIONS = "2.0/mlflow/model-versions"
FILES = "2.0/mlflow-artifacts/artifacts"


async def model(door: Door, name: str) -> None:
    answer = await door.mlflow("POST", f"{MODELS}/create", json={"name": name})
    assert answer.status_code == 200, answer.text


async def version(door: Door, name: str, **tags: str) -> str:
    """A version with one file; the answer is the path of its folder among the artifacts."""
    started = await door.mlflow("POST", "2.0/mlflow/runs/create", json={})
    info = started.json()["run"]["info"]
    folder = f"{info['artifact_uri'].partition(':/')[2]}/model"
    assert (await door.mlflow("PUT", f"{FILES}/{folder}/MLmodel", content=b"{}")).status_code == 200
    body = {
        "name": name,
        "source": f"{info['artifact_uri']}/model",
        "run_id": info["run_id"],
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    answer = await door.mlflow("POST", f"{VERSIONS}/create", json=body)
    assert answer.status_code == 200, answer.text
    return folder


async def alias(door: Door, name: str, alias: str, number: int, who: str = "ann") -> httpx.Response:
    body = {"name": name, "alias": alias, "version": str(number)}
    return await door.mlflow("POST", f"{MODELS}/alias", who, json=body)


async def restrict(door: Door, **body: Any) -> None:  # noqa: ANN401
    body = {"models": ["fraud*"], "users": ["bob"], "reason": "it is in use"} | body
    answer = await door.ask("PUT", "/restrictions/guard", json=body)
    assert answer.status_code == 204, answer.text


def refused(answer: httpx.Response) -> bool:
    if answer.status_code != 403:
        assert answer.status_code == 200, answer.text
        return False
    assert answer.json()["error_code"] == "PERMISSION_DENIED"
    assert "it is in use" in answer.json()["message"]
    return True


async def test_a_member_of_a_team_does_with_its_models_what_their_token_alone_does_not_allow(door: Door) -> None:
    for name in ("fraud", "late"):
        await model(door, name)
    team = {"members": {"vera": "contributor"}, "models": ["fraud"]}
    await door.ask("PUT", "/teams/fraud", json=team)
    for name, status in (("fraud", 200), ("late", 403)):
        for method, path, body in (
            ("PATCH", f"{MODELS}/update", {"description": "hers"}),
            ("POST", f"{MODELS}/set-tag", {"key": "a", "value": "b"}),
            ("DELETE", f"{MODELS}/delete-tag", {"key": "a"}),
            ("DELETE", f"{MODELS}/delete", {}),
        ):
            answer = await door.mlflow(method, path, "vera", Role.VIEWER, json={"name": name} | body)
            assert answer.status_code == status, (name, path, answer.text)
    assert "needs the role contributor" in answer.json()["message"]


@pytest.mark.parametrize(
    ("action", "method", "path", "body"),
    [
        ("write", "PATCH", f"{MODELS}/update", {"description": "x"}),
        ("write", "POST", f"{MODELS}/rename", {"new_name": "fraud-2"}),
        ("tag", "POST", f"{MODELS}/set-tag", {"key": "a", "value": "b"}),
        ("tag", "POST", f"{VERSIONS}/set-tag", {"version": "1", "key": "a", "value": "b"}),
        ("set_alias", "POST", f"{MODELS}/alias", {"alias": "blue", "version": "1"}),
        ("set_alias", "DELETE", f"{MODELS}/alias", {"alias": "blue"}),
        ("set_stage", "POST", f"{VERSIONS}/transition-stage", {"version": "1", "stage": "Archived"}),
        ("delete", "DELETE", f"{VERSIONS}/delete", {"version": "1"}),
        ("delete", "DELETE", f"{MODELS}/delete", {}),
    ],
)
async def test_a_restricted_action_is_for_those_named_only(
    door: Door, action: str, method: str, path: str, body: dict[str, str]
) -> None:
    await model(door, "fraud")
    await version(door, "fraud")
    await restrict(door, actions=[action])
    assert refused(await door.mlflow(method, path, json={"name": "fraud"} | body))
    assert not refused(await door.mlflow(method, path, "bob", json={"name": "fraud"} | body))


async def test_a_name_under_restriction_is_taken_by_those_named_only(door: Door) -> None:
    await model(door, "late")
    await restrict(door, actions=["write"])
    assert refused(await door.mlflow("POST", f"{MODELS}/create", json={"name": "fraud"}))
    rename = {"name": "late", "new_name": "fraud"}
    assert refused(await door.mlflow("POST", f"{MODELS}/rename", json=rename))
    assert not refused(await door.mlflow("POST", f"{MODELS}/rename", "bob", json=rename))


async def test_what_may_not_be_read_is_neither_got_nor_found_nor_loaded(door: Door) -> None:
    for name in ("fraud", "late"):
        await model(door, name)
    folder, free = await version(door, "fraud"), await version(door, "late")
    await alias(door, "fraud", "blue", 1)
    await restrict(door, actions=["read"])
    for path, query in (
        (f"{MODELS}/get", {"name": "fraud"}),
        (f"{MODELS}/get-latest-versions", {"name": "fraud"}),
        (f"{MODELS}/alias", {"name": "fraud", "alias": "blue"}),
        (f"{VERSIONS}/get", {"name": "fraud", "version": "1"}),
        (f"{VERSIONS}/get-download-uri", {"name": "fraud", "version": "1"}),
        (f"{FILES}/{folder}/MLmodel", {}),
        (FILES, {"path": folder}),
    ):
        assert refused(await door.mlflow("GET", path, params=query)), path
        assert not refused(await door.mlflow("GET", path, "bob", params=query)), path
    assert (await door.mlflow("GET", f"{FILES}/{free}/MLmodel")).content == b"{}"
    for path, key in ((f"{MODELS}/search", "registered_models"), (f"{VERSIONS}/search", "model_versions")):
        for who, names in (("ann", {"late"}), ("bob", {"fraud", "late"})):
            found = (await door.mlflow("GET", path, who)).json()[key]
            assert {one["name"] for one in found} == names, path


async def test_a_tag_hides_one_version_from_the_model_that_it_is_of(door: Door) -> None:
    await model(door, "fraud")
    await version(door, "fraud")
    folder = await version(door, "fraud", pii="yes")
    await restrict(door, actions=["read"], when={"tags": {"pii": None}})
    for who, newest in (("ann", []), ("bob", ["2"])):
        for path, key in ((f"{MODELS}/get", "registered_model"), (f"{MODELS}/search", "registered_models")):
            answer = (await door.mlflow("GET", path, who, params={"name": "fraud"} if "get" in path else {})).json()
            holder = answer[key] if isinstance(answer[key], dict) else answer[key][0]
            assert [one["version"] for one in holder["latest_versions"]] == newest, (who, path)
    assert refused(await door.mlflow("GET", f"{FILES}/{folder}/MLmodel"))


async def test_an_alias_guards_its_version_and_itself(door: Door) -> None:
    await model(door, "fraud")
    for _ in range(2):
        await version(door, "fraud")
    assert (await alias(door, "fraud", "blue", 1)).status_code == 200
    await restrict(door, actions=["delete"], when={"aliases": ["blue"]})
    for number, guarded in ((1, True), (2, False)):
        body = {"name": "fraud", "version": str(number)}
        assert refused(await door.mlflow("DELETE", f"{VERSIONS}/delete", json=body)) is guarded
    assert refused(await door.mlflow("DELETE", f"{MODELS}/delete", json={"name": "fraud"}))
    assert refused(await door.mlflow("DELETE", f"{MODELS}/alias", json={"name": "fraud", "alias": "blue"}))
    await version(door, "fraud")
    assert refused(await alias(door, "fraud", "blue", 3))
    assert not refused(await alias(door, "fraud", "green", 1))
    assert not refused(await alias(door, "fraud", "blue", 3, "bob"))
