import asyncio
import pickle
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from pelton.contracts.canonical import sha256
from pelton.contracts.values import Artifact
from pelton.eventkit.unit import Units
from pelton.objects import Objects
from pelton.objects.names import path_of
from pelton.registry.files import FileTree, manifest, read_manifest, unsafe_files
from pelton.registry.files.tree import Child, FileKeptError, PathTakenError, UnknownFileError

RUN = "1/abc/artifacts"


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects((tmp_path / "objects").as_uri())


@pytest.fixture
async def tree(units: Units, objects: Objects) -> AsyncIterator[FileTree]:
    dsn = units.engine.url.render_as_string(hide_password=False).replace("+asyncpg", "")
    async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
        yield FileTree.of(pool, objects, units.clock)


async def sent(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def write(tree: FileTree, *paths: str) -> None:
    for path in paths:
        await tree.write(path, sent(path.encode()), "ann")


async def test_a_file_is_found_read_replaced_and_deleted(tree: FileTree) -> None:
    await tree.write(f"{RUN}/a.txt", sent(b"one ", b"two"), "ann")
    found = await tree.find(f"{RUN}/a.txt")
    assert (found.digest, found.size) == (sha256(b"one two"), 7)
    assert b"".join([piece async for piece in tree.read(found.digest)]) == b"one two"
    await tree.write(f"{RUN}/a.txt", sent(b"three"), "ben")
    assert (await tree.find(f"{RUN}/a.txt")).digest == sha256(b"three")
    assert (await tree.delete(f"{RUN}/a.txt"), await tree.delete(f"{RUN}/a.txt")) == (1, 0)
    with pytest.raises(UnknownFileError, match=r"a\.txt"):
        await tree.find(f"{RUN}/a.txt")


async def test_a_folder_shows_its_children_once_in_any_script_and_nothing_of_its_neighbours(tree: FileTree) -> None:
    names = [
        "a",
        "a-b/x",
        "a.b",
        "a0",
        "b/1",
        "b/2/3",
        "b!",
        "Ä/é",
        "模型/权重",
        "z/" + "y/" * 20 + "x",
        "%41",
        "e\u0301",
    ]
    await write(tree, *(f"{RUN}/{name}" for name in names), f"{RUN}0/other", "1/abc/other", "2/x")
    found = await tree.children(RUN)
    heads = {name.partition("/")[0]: "/" in name for name in names}
    assert [(one.name, one.is_folder) for one in found] == sorted(heads.items())
    assert await tree.children(f"{RUN}/b") == [Child("1", len(f"{RUN}/b/1")), Child("2", None)]
    assert await tree.children(f"{RUN}/a") == []
    assert await tree.children(f"{RUN}/nothing") == []
    assert [one.name for one in await tree.children("")] == ["1", "2"]


async def test_a_deleted_folder_takes_all_under_it_and_nothing_beside_it(tree: FileTree) -> None:
    await write(tree, f"{RUN}/m/a", f"{RUN}/m/b/c", f"{RUN}/m0", f"{RUN}/m-", f"{RUN}/m.txt")
    assert await tree.delete(f"{RUN}/m") == 2
    assert [one.name for one in await tree.children(RUN)] == ["m-", "m.txt", "m0"]


async def test_a_file_is_no_folder_and_a_folder_no_file(tree: FileTree) -> None:
    await write(tree, f"{RUN}/m/a")
    for path, said in [(f"{RUN}/m", "is a folder"), (f"{RUN}/m/a/b", "is a file"), (f"{RUN}/m/a/b/c", "is a file")]:
        with pytest.raises(PathTakenError, match=said):
            await write(tree, path)


async def test_of_a_file_and_a_folder_of_one_name_that_are_written_at_once_there_is_one(tree: FileTree) -> None:
    async def attempt(path: str) -> bool:
        try:
            await write(tree, path)
        except PathTakenError:
            return False
        return True

    for number in range(10):
        outcomes = await asyncio.gather(attempt(f"{RUN}/{number}"), attempt(f"{RUN}/{number}/x/y"))
        assert sorted(outcomes) == [False, True]


async def test_content_that_ends_in_an_error_leaves_the_old_file_and_nothing_half_written(
    tree: FileTree, tmp_path: Path
) -> None:
    async def lost() -> AsyncIterator[bytes]:
        yield b"x" * 6_000_000
        raise ConnectionError("lost")

    await write(tree, f"{RUN}/a")
    before = {one for one in tmp_path.rglob("*") if one.is_file()}
    for path in (f"{RUN}/a", f"{RUN}/b"):
        with pytest.raises(ConnectionError, match="lost"):
            await tree.write(path, lost(), "ann")
    assert {one for one in tmp_path.rglob("*") if one.is_file()} == before
    assert [one.name for one in await tree.children(RUN)] == ["a"]
    assert (await tree.find(f"{RUN}/a")).digest == sha256(f"{RUN}/a".encode())


async def test_a_manifest_is_of_the_content_wherever_it_lies(tree: FileTree, units: Units, objects: Objects) -> None:
    for folder in (f"{RUN}/m", "2/def/artifacts/m"):
        for name in ("b", "a/c", "a.txt", "模型"):
            await tree.write(f"{folder}/{name}", sent(name.encode()), "ann")
    await write(tree, f"{RUN}/m0")
    async with units.engine.begin() as connection:
        first = await manifest(connection, objects, f"mlflow-artifacts:/{RUN}/m")
        second = await manifest(connection, objects, "http://any/api/2.0/mlflow-artifacts/artifacts/2/def/artifacts/m/")
        single = await manifest(connection, objects, f"mlflow-artifacts:/{RUN}/m/a.txt")
        nothing = await manifest(connection, objects, f"mlflow-artifacts:/{RUN}/nothing")
        elsewhere = await manifest(connection, objects, f"s3://bucket/{RUN}/m")
    assert first is not None
    assert single is not None
    assert (first, nothing, elsewhere) == (second, None, None)
    held = (await read_manifest(objects, first.digest)).files
    assert [(one.path, one.digest) for one in held] == [
        (name, sha256(name.encode())) for name in ("a.txt", "a/c", "b", "模型")
    ]
    assert [one.path for one in (await read_manifest(objects, single.digest)).files] == ["a.txt"]
    assert first.format == "file-manifest"

    await tree.write(f"{RUN}/m/b", sent(b"changed"), "ann")
    async with units.engine.begin() as connection:
        changed = await manifest(connection, objects, f"mlflow-artifacts:/{RUN}/m")
    assert changed is not None
    assert changed.digest != first.digest


async def test_files_that_could_run_code_are_named_with_the_reason_and_looked_into_once(
    tree: FileTree, units: Units, objects: Objects, tmp_path: Path
) -> None:
    for name, content in {"MLmodel": b"flavors:", "model.pkl": pickle.dumps(len), "code/m.py": b"", "x": b"a"}.items():
        await tree.write(f"{RUN}/m/{name}", sent(content), "ann")
    async with units.engine.begin() as connection:
        frozen = await manifest(connection, objects, f"mlflow-artifacts:/{RUN}/m")
        assert frozen is not None
        first = await unsafe_files(connection, objects, frozen)
    pickled = sha256(pickle.dumps(len))
    assert first == (f"code/m.py is code ({sha256(b'')})", f"model.pkl is a pickle ({pickled})")
    looked_into = tmp_path / "objects" / "files" / path_of(pickled)
    looked_into.unlink()
    async with units.engine.begin() as connection:
        assert await unsafe_files(connection, objects, frozen) == first


async def test_an_artifact_that_is_one_object_is_looked_into_itself(units: Units, objects: Objects) -> None:
    pickled = pickle.dumps(len)
    for content, found in ((b"text", ()), (pickled, (f"the artifact is a pickle ({sha256(pickled)})",))):
        artifact = Artifact(digest=await objects.put(content), size=len(content), format="onnx")
        async with units.engine.begin() as connection:
            assert await unsafe_files(connection, objects, artifact) == found


@pytest.mark.parametrize("stage", ["staging", "production"])
async def test_what_a_version_in_use_is_made_of_is_neither_written_nor_deleted(
    tree: FileTree, units: Units, stage: str
) -> None:
    await write(tree, f"{RUN}/m/MLmodel", f"{RUN}/m/data/w", f"{RUN}/log", f"{RUN}/m0/x")
    await version_of(units, f"mlflow-artifacts:/{RUN}/m", stage)
    for path in (f"{RUN}/m/MLmodel", f"{RUN}/m/data/w", f"{RUN}/m/new"):
        with pytest.raises(FileKeptError, match=f"belongs to late version 3, which is in {stage}"):
            await write(tree, path)
    for path in (f"{RUN}/m/data/w", f"{RUN}/m/data", f"{RUN}/m", RUN, "1"):
        with pytest.raises(FileKeptError, match="late version 3"):
            await tree.delete(path)
    await write(tree, f"{RUN}/log", f"{RUN}/m1", f"{RUN}/m0/x")
    await tree.delete(f"{RUN}/m0")


async def test_what_a_version_in_development_or_the_archive_is_made_of_is_free(tree: FileTree, units: Units) -> None:
    await version_of(units, f"mlflow-artifacts:/{RUN}/m", "archived")
    await write(tree, f"{RUN}/m/a")
    assert await tree.delete(RUN) == 1


async def version_of(units: Units, location: str, stage: str) -> None:
    async with units.engine.begin() as connection:
        await connection.execute(
            text("""
                INSERT INTO versions (model, version, stage, location, created_at, updated_at)
                VALUES ('late', 3, :stage, :location, now(), now())
            """),
            {"stage": stage, "location": location},
        )
