import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_door import Door

from pelton.contracts.canonical import sha256
from pelton.eventkit.identity import Role

MPU = "2.0/mlflow-artifacts/mpu"
RUN = "1/abc/artifacts"
PARTS = [bytes([number]) * 30_000 for number in range(1, 5)]


async def begin(door: Door, parts: int = len(PARTS), local: str = "/home/ann/model.bin") -> dict[str, Any]:
    answer = await door.mlflow("POST", f"{MPU}/create/{RUN}/m", json={"path": local, "num_parts": parts})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def put(door: Door, credential: dict[str, Any], content: bytes) -> httpx.Response:
    """A part as MLflow's client sends it: to the URL that it was told, with the headers that it was told."""
    return await door._http.put(credential["url"], content=content, headers=credential["headers"])


async def end(
    door: Door, how: str, upload_id: str, etags: list[str] | None = None, local: str = "/home/ann/model.bin"
) -> tuple[int, str | None]:
    parts = [{"part_number": number, "etag": etag, "url": ""} for number, etag in enumerate(etags or [], start=1)]
    body = {"path": local, "upload_id": upload_id, "parts": parts}
    answer = await door.mlflow("POST", f"{MPU}/{how}/{RUN}/m", json=body)
    return answer.status_code, answer.json().get("error_code")


async def listed(door: Door) -> list[dict[str, Any]]:
    answer = await door.mlflow("GET", "2.0/mlflow-artifacts/artifacts", params={"path": f"{RUN}/m"})
    found: list[dict[str, Any]] = answer.json()["files"]
    return found


async def test_parts_that_come_at_once_become_the_file_when_they_are_put_together(door: Door) -> None:
    upload = await begin(door)
    assert [one["part_number"] for one in upload["credentials"]] == [1, 2, 3, 4]
    sent = [(one, PARTS[one["part_number"] - 1]) for one in upload["credentials"]]
    answers = await asyncio.gather(*(put(door, *one) for one in reversed(sent)))
    assert {answer.status_code for answer in answers} == {200}
    assert await listed(door) == []
    etags = [answer.headers["etag"] for answer in reversed(answers)]
    assert etags == [f'"{sha256(part)}"' for part in PARTS]
    assert await end(door, "complete", upload["upload_id"], etags) == (200, None)
    assert await listed(door) == [{"path": "model.bin", "is_dir": False, "file_size": 120_000}]
    file = await door.mlflow("GET", f"2.0/mlflow-artifacts/artifacts/{RUN}/m/model.bin")
    assert file.content == b"".join(PARTS)
    assert await end(door, "complete", upload["upload_id"], etags) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_a_part_that_is_sent_again_replaces_what_came_before(door: Door) -> None:
    upload = await begin(door, 1)
    for content in (b"first", b"second"):
        answer = await put(door, upload["credentials"][0], content)
    assert await end(door, "complete", upload["upload_id"], [answer.headers["etag"]]) == (200, None)
    file = await door.mlflow("GET", f"2.0/mlflow-artifacts/artifacts/{RUN}/m/model.bin")
    assert file.content == b"second"


@pytest.mark.parametrize("etags", [[], ['"sha256:0"', '"sha256:0"'], [f'"{sha256(PARTS[0])}"']])
async def test_what_is_not_what_the_client_sent_is_not_put_together(door: Door, etags: list[str]) -> None:
    upload = await begin(door, 2)
    for one, content in zip(upload["credentials"], PARTS, strict=False):
        await put(door, one, content)
    assert await end(door, "complete", upload["upload_id"], etags) == (400, "INVALID_PARAMETER_VALUE")
    assert await listed(door) == []


async def test_an_upload_without_all_its_parts_is_not_put_together(door: Door) -> None:
    upload = await begin(door, 2)
    answer = await put(door, upload["credentials"][0], PARTS[0])
    etags = [answer.headers["etag"]] * 2
    assert await end(door, "complete", upload["upload_id"], etags) == (400, "INVALID_PARAMETER_VALUE")
    assert await listed(door) == []


async def test_an_aborted_upload_takes_no_more_parts_and_is_aborted_already_when_it_is_again(door: Door) -> None:
    upload = await begin(door, 2)
    for _ in range(2):
        assert await end(door, "abort", upload["upload_id"]) == (200, None)
    answer = await put(door, upload["credentials"][0], PARTS[0])
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert await door.backend.pool.fetchval("SELECT count(*) FROM upload_parts") == 0


@pytest.mark.parametrize("number", ["0", "3", "-1", "x", "1/2", "9" * 30])
async def test_a_part_that_the_upload_does_not_have_is_refused(door: Door, number: str) -> None:
    upload = await begin(door, 2)
    url = upload["credentials"][0]["url"].removesuffix("/1") + f"/{number}"
    answer = await put(door, upload["credentials"][0] | {"url": url}, PARTS[0])
    assert answer.status_code in (400, 501)


@pytest.mark.parametrize(
    ("body", "folder"),
    [
        ({"path": "/home/ann/.."}, "m"),
        ({"path": "model.bin", "num_parts": 0}, "m"),
        ({"path": "model.bin", "num_parts": 10_001}, "m"),
        ({"path": "model.bin", "num_parts": "many"}, "m"),
        ({"path": ""}, "m"),
        ({"path": "model.bin"}, "%252e%252e"),
        ({}, "m"),
    ],
)
async def test_an_upload_that_cannot_become_a_file_is_not_begun(door: Door, body: dict[str, Any], folder: str) -> None:
    answer = await door.mlflow("POST", f"{MPU}/create/{RUN}/{folder}", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert await door.backend.pool.fetchval("SELECT count(*) FROM uploads") == 0


async def test_a_name_from_another_system_is_the_files_own(door: Door) -> None:
    upload = await begin(door, 1, local="C:\\Users\\ann\\model.bin")
    answer = await put(door, upload["credentials"][0], b"x")
    done = await end(door, "complete", upload["upload_id"], [answer.headers["etag"]], local="C:\\Users\\ann\\model.bin")
    assert (done, [one["path"] for one in await listed(door)]) == ((200, None), ["model.bin"])


async def test_a_viewer_begins_nothing_and_a_stranger_puts_no_part(door: Door, tmp_path: Path) -> None:
    refused = await door.mlflow("POST", f"{MPU}/create/{RUN}/m", role=Role.VIEWER, json={"path": "a"})
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    upload = await begin(door, 1)
    stranger = await put(door, upload["credentials"][0] | {"headers": {}}, b"x")
    assert stranger.status_code == 401
    assert not (tmp_path / "objects" / "files").exists()
