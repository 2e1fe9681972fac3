import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from artifact_server import RawServer, raw_server
from registry_door import MAX_BODY, Door

from pelton.contracts.canonical import sha256
from pelton.eventkit.identity import Role
from pelton.registry.mlflow.artifacts import tree_of
from pelton.testkit import eventually

PROXY = "2.0/mlflow-artifacts/artifacts"
RUN = "1/abc/artifacts"


@pytest.fixture
async def server(door: Door) -> AsyncIterator[RawServer]:
    async with raw_server(door) as server:
        yield server


async def put(door: Door, path: str, content: bytes) -> None:
    answer = await door.mlflow("PUT", f"{PROXY}/{quote(path)}", content=content)
    assert (answer.status_code, answer.json()) == (200, {}), answer.text


async def listed(door: Door, path: str) -> list[dict[str, Any]]:
    answer = await door.mlflow("GET", PROXY, role=Role.VIEWER, params={"path": path})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["files"]
    return found


async def left(door: Door, store: Path) -> tuple[int, list[str]]:
    """How many files the table has, and what lies in the files' area of the store."""
    rows = await door.backend.pool.fetchval("SELECT count(*) FROM files")
    return rows, [one.name for one in store.rglob("*") if not one.is_dir()]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "objects" / "files"


@pytest.mark.parametrize(
    "name", ["model.onnx", "模型 1.bin", "a%b", "é", "e\u0301", "with space+plus", ".hidden", "a:b"]
)
async def test_what_was_uploaded_is_listed_and_downloaded_under_the_name_it_was_sent_with(
    door: Door, name: str
) -> None:
    content = bytes(range(256)) * 300
    await put(door, f"{RUN}/{name}", content)
    assert await listed(door, RUN) == [{"path": name, "is_dir": False, "file_size": len(content)}]
    answer = await door.mlflow("GET", f"{PROXY}/{quote(f'{RUN}/{name}')}", role=Role.VIEWER)
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["etag"] == f'"{sha256(content)}"'
    assert (answer.headers["x-content-type-options"], answer.headers["content-disposition"]) == (
        "nosniff",
        "attachment",
    )


async def test_an_empty_file_is_a_file(door: Door) -> None:
    await put(door, f"{RUN}/empty", b"")
    answer = await door.mlflow("GET", f"{PROXY}/{RUN}/empty")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


async def test_a_run_lists_its_artifacts_by_their_paths_in_it(door: Door) -> None:
    made = await door.mlflow("POST", "2.0/mlflow/runs/create", json={"experiment_id": "0"})
    run = made.json()["run"]["info"]
    root = run["artifact_uri"].partition(":/")[2]
    await put(door, f"{root}/m/MLmodel", b"flavors")
    await put(door, f"{root}/log.txt", b"x")

    async def shown(**params: str) -> Any:  # noqa: ANN401
        answer = await door.mlflow("GET", "2.0/mlflow/artifacts/list", params={"run_id": run["run_id"], **params})
        return answer.json()

    assert await shown() == {
        "root_uri": run["artifact_uri"],
        "files": [{"path": "log.txt", "is_dir": False, "file_size": 1}, {"path": "m", "is_dir": True}],
    }
    assert (await shown(path="m"))["files"] == [{"path": "m/MLmodel", "is_dir": False, "file_size": 7}]
    assert (await shown(path="../.."))["error_code"] == "INVALID_PARAMETER_VALUE"
    unknown = await door.mlflow("GET", "2.0/mlflow/artifacts/list", params={"run_id": "nobody"})
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_files_and_folders_are_deleted_and_what_is_not_there_is_deleted_already(door: Door) -> None:
    for name in ("a", "b/c", "b/d"):
        await put(door, f"{RUN}/{name}", b"x")
    for path in ("a", "b/", "nothing"):
        assert (await door.mlflow("DELETE", f"{PROXY}/{RUN}/{path}")).status_code == 200
    assert await listed(door, RUN) == []
    gone = await door.mlflow("GET", f"{PROXY}/{RUN}/a")
    assert (gone.status_code, gone.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_a_viewer_reads_and_does_not_write(door: Door, store: Path) -> None:
    for method in ("PUT", "DELETE"):
        answer = await door.mlflow(method, f"{PROXY}/{RUN}/a", role=Role.VIEWER, content=b"x")
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert await left(door, store) == (0, [])


CROOKED = {
    "parent": "../secret",
    "parent within": f"{RUN}/../../../secret",
    "parent, encoded": "%2e%2e/secret",
    "parent, encoded with its slash": "..%2fsecret",
    "parent, encoded twice": "%252e%252e/secret",
    "parent and slash, encoded twice": "%252e%252e%252fsecret",
    "parent, encoded thrice": "%25252e%25252e/secret",
    "backslash": "..%5csecret",
    "backslash, encoded twice": "a%255c..%255csecret",
    "absolute": "/etc/passwd",
    "absolute, encoded": "%2fetc/passwd",
    "absolute, encoded twice": "%252fetc/passwd",
    "drive": "C:/windows",
    "drive, encoded": "c%3a/windows",
    "drive and backslash": "C:%5cwindows",
    "file url": "file:///etc/passwd",
    "empty segment": "a//b",
    "trailing slash": "a/b/",
    "dot": "a/./b",
    "only a dot": ".",
    "nothing": "",
    "nul": "a%00b",
    "nul, encoded twice": "a%2500b",
    "line break": "a%0ab",
    "escape": "a%1bb",
    "delete": "a%7fb",
    "next line": "a%c2%85b",
    "fragment": "a%23b",
    "not utf-8": "a%ff%feb",
    "overlong slash": "..%c0%afsecret",
    "long segment": "x" * 256,
    "long segment in another script": "%E6%A8%A1" * 86,
    "long path": "/".join(["x" * 200] * 6),
    "deep path": "/".join(["x"] * 65),
}


@pytest.mark.parametrize("path", CROOKED.values(), ids=CROOKED)
async def test_a_crooked_path_is_refused_and_nothing_is_written(
    server: RawServer, door: Door, store: Path, path: str
) -> None:
    for method in ("PUT", "GET") if path else ("PUT",):
        answer = await server.send(method, f"/api/{PROXY}/{path}", b"x" if method == "PUT" else b"")
        assert answer.error() == (400, "INVALID_PARAMETER_VALUE")
    if not path.endswith("/"):
        assert (await server.send("DELETE", f"/ajax-api/{PROXY}/{path}")).error() == (400, "INVALID_PARAMETER_VALUE")
    assert await left(door, store) == (0, [])


@pytest.mark.parametrize("path", ["..", "../x", "/etc", "a\\b", "%2e%2e", "C:/", "a//b", "a\0b"])
async def test_a_crooked_folder_is_not_listed(door: Door, path: str) -> None:
    answer = await door.mlflow("GET", PROXY, params={"path": path})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


async def test_a_file_where_a_folder_is_and_the_reverse_are_conflicts(door: Door) -> None:
    await put(door, f"{RUN}/m/a", b"x")
    for path in (f"{RUN}/m", f"{RUN}/m/a/b"):
        answer = await door.mlflow("PUT", f"{PROXY}/{path}", content=b"y")
        assert (answer.status_code, answer.json()["error_code"]) == (409, "RESOURCE_CONFLICT")


async def test_a_body_over_the_limit_is_refused_whether_it_announces_its_length_or_not(
    door: Door, server: RawServer, store: Path
) -> None:
    large = b"x" * (MAX_BODY + 1)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 10_000):
            yield large[start : start + 10_000]

    announced = await server.send("PUT", f"/api/{PROXY}/{RUN}/a", large)
    assert announced.error() == (413, "RESOURCE_EXHAUSTED")
    streamed = await door.mlflow("PUT", f"{PROXY}/{RUN}/a", content=pieces())
    assert streamed.status_code == 413
    assert await left(door, store) == (0, [])


async def test_a_connection_lost_midway_leaves_the_old_file_and_nothing_half_written(
    server: RawServer, door: Door, store: Path
) -> None:
    await put(door, f"{RUN}/a", b"old")
    before = await left(door, store)
    async with server.begin("PUT", f"/api/{PROXY}/{RUN}/a", MAX_BODY) as (_, writer):
        writer.write(b"x" * (MAX_BODY // 2))
        await writer.drain()
        await eventually(lambda: any((store / "drafts").iterdir()))
    await eventually(lambda: not any((store / "drafts").iterdir()))
    assert await left(door, store) == before
    assert (await door.mlflow("GET", f"{PROXY}/{RUN}/a")).content == b"old"


async def test_a_body_that_is_shorter_than_it_said_is_no_file(server: RawServer, door: Door, store: Path) -> None:
    async with server.begin("PUT", f"/api/{PROXY}/{RUN}/a", 1000) as (reader, writer):
        writer.write(b"x" * 999)
        writer.write_eof()
        await reader.read()
    assert await left(door, store) == (0, [])


async def test_a_body_that_is_longer_than_it_said_is_the_file_that_was_announced(server: RawServer, door: Door) -> None:
    await server.send("PUT", f"/api/{PROXY}/{RUN}/a", b"x" * 1000, length=900)
    assert [one["file_size"] for one in await listed(door, RUN)] == [900]


async def test_a_damaged_file_is_never_downloaded_whole(server: RawServer, door: Door, store: Path) -> None:
    large = bytes(9_000_000)
    tree_file = store / "sha256"
    pieces = [large[:5_000_000], large[5_000_000:]]

    async def sent() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    await tree_of(door.backend).write(f"{RUN}/large", sent(), "ann")
    await put(door, f"{RUN}/small", b"small")
    assert (await server.send("GET", f"/api/{PROXY}/{RUN}/large")).whole
    for file in (one for one in tree_file.rglob("*") if one.is_file()):
        data = file.read_bytes()
        file.write_bytes(b"!" + data[1:])
    small = await server.send("GET", f"/api/{PROXY}/{RUN}/small")
    assert small.error() == (500, "INTERNAL_ERROR")
    answer = await server.send("GET", f"/api/{PROXY}/{RUN}/large")
    assert (answer.status, answer.whole, len(answer.body) > 1_000_000) == (200, False, True)


async def test_uploads_of_one_path_at_once_leave_one_whole_file(door: Door) -> None:
    contents = [bytes([number]) * 50_000 for number in range(8)]
    await asyncio.gather(*(put(door, f"{RUN}/a", content) for content in contents))
    answer = await door.mlflow("GET", f"{PROXY}/{RUN}/a")
    assert answer.content in contents
