"""Files by path, in a local folder and in a store that is none."""

from pathlib import Path

import pytest

from pelton.objects import ObjectNotFoundError
from pelton.objects.files import Files


@pytest.fixture(params=["folder", "elsewhere"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    url = (tmp_path / "store").as_uri() if request.param == "folder" else "memory://"
    return Files(url, tmp_path / "copies")


async def test_a_file_is_found_by_its_path_and_read_from_disk(files: Files) -> None:
    await files.put("offline/_source=a/1.parquet", b"rows")
    await files.put("other/2", b"")
    place = await files.on_disk("offline/_source=a/1.parquet")
    assert place.name == "1.parquet"
    assert place.read_bytes() == await files.get("offline/_source=a/1.parquet") == b"rows"
    assert await files.on_disk("offline/_source=a/1.parquet") == place
    assert [path async for path in files.paths("offline")] == ["offline/_source=a/1.parquet"]


async def test_a_deleted_file_is_gone_from_the_store_and_from_here(files: Files) -> None:
    await files.put("a", b"1")
    place = await files.on_disk("a")
    await files.delete("a")
    await files.delete("a")
    assert not place.exists()
    for read in (files.get, files.on_disk):
        with pytest.raises(ObjectNotFoundError, match="a is not in the object store"):
            await read("a")


async def test_reading_a_copy_asks_the_store_once(tmp_path: Path) -> None:
    files = Files("memory://", tmp_path / "copies")
    await files.put("a", b"1")
    place = await files.on_disk("a")
    place.write_bytes(b"the copy")
    assert (await files.on_disk("a")).read_bytes() == b"the copy"
    assert list(place.parent.iterdir()) == [place]
