import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pelton.objects import CorruptObjectError, ObjectNotFoundError, Objects

PIECE = b"0123456789abcdef" * 65_536
SOON = timedelta(minutes=1)


async def pieces(count: int, *, lost: bool = False) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield PIECE
    if lost:
        raise ConnectionError("lost")


def files(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file() or one.is_symlink()]


@pytest.fixture(params=["memory", "file"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return Objects("memory://" if request.param == "memory" else tmp_path.as_uri())


@pytest.mark.parametrize("count", [0, 1, 7])
async def test_a_kept_draft_is_an_object_under_its_digest(objects: Objects, count: int) -> None:
    async with objects.draft(pieces(count)) as draft:
        assert not await objects.exists(draft.digest)
        await draft.keep()
    assert draft.digest == f"sha256:{hashlib.sha256(PIECE * count).hexdigest()}"
    assert draft.size == len(PIECE) * count
    assert await objects.get(draft.digest) == PIECE * count
    assert [one async for one in objects.digests()] == [draft.digest]


async def test_a_draft_that_is_not_kept_leaves_nothing(tmp_path: Path) -> None:
    objects = Objects(tmp_path.as_uri())
    async with objects.draft(pieces(7)) as draft:
        assert len(files(tmp_path)) == 1
    assert (files(tmp_path), await objects.exists(draft.digest)) == ([], False)


async def test_pieces_that_end_in_an_error_leave_nothing(tmp_path: Path) -> None:
    objects = Objects(tmp_path.as_uri())
    with pytest.raises(ConnectionError, match="lost"):
        async with objects.draft(pieces(7, lost=True)):
            pytest.fail("there is no draft of half an object")
    assert files(tmp_path) == []


async def test_what_a_killed_process_left_is_forgotten_once_it_is_old(tmp_path: Path) -> None:
    objects, now = Objects(tmp_path.as_uri()), datetime.now(UTC)
    half = tmp_path / "drafts" / "abc#1"
    half.parent.mkdir()
    half.write_bytes(b"half")
    assert await objects.forget_drafts(now - SOON) == 0
    assert half.exists()
    assert await objects.forget_drafts(now + SOON) == 1
    assert files(tmp_path) == []


async def test_drafts_in_a_store_without_a_folder_are_forgotten_too() -> None:
    objects, now = Objects("memory://"), datetime.now(UTC)
    async with objects.draft(pieces(1)):
        assert await objects.forget_drafts(now - SOON) == 0
        assert await objects.forget_drafts(now + SOON) == 1


@pytest.mark.parametrize("size", [0, 1, 100, 1000])
async def test_an_object_is_streamed_whole_and_in_order(objects: Objects, size: int) -> None:
    data = bytes(place % 251 for place in range(size))
    digest = await objects.put(data)
    assert b"".join([piece async for piece in objects.stream(digest, 100)]) == data


async def test_a_changed_object_is_never_streamed_to_its_end(tmp_path: Path) -> None:
    objects = Objects(tmp_path.as_uri())
    digest = await objects.put(bytes(1000))
    (file,) = files(tmp_path)
    file.write_bytes(b"x" + bytes(999))
    got = bytearray()

    async def take() -> None:
        async for piece in objects.stream(digest, 100):
            got.extend(piece)

    with pytest.raises(CorruptObjectError, match=digest):
        await take()
    assert len(got) < 1000


async def test_a_link_in_the_store_shows_nothing_of_where_it_leads_and_is_replaced_by_what_is_put(
    tmp_path: Path,
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"a secret")
    store = tmp_path / "store"
    objects = Objects(store.as_uri())
    async with objects.draft(pieces(1)) as draft:
        await draft.keep()
    (file,) = files(store)
    file.unlink()
    file.symlink_to(secret)
    with pytest.raises(CorruptObjectError):
        await anext(objects.stream(draft.digest))
    async with objects.draft(pieces(1)) as draft:
        await draft.keep()
    assert (await objects.get(draft.digest), secret.read_bytes()) == (PIECE, b"a secret")


async def test_an_area_has_objects_of_its_own(objects: Objects) -> None:
    area = objects.within("files")
    digest = await area.put(b"a")
    assert not await objects.exists(digest)
    await objects.put(b"a")
    await area.delete(digest)
    await area.delete(digest)
    assert (await area.exists(digest), await objects.get(digest)) == (False, b"a")
    with pytest.raises(ObjectNotFoundError, match=digest):
        await anext(area.stream(digest))
