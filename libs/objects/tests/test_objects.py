import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.objects import PIECE, CorruptObjectError, InvalidDigestError, ObjectNotFoundError, Objects


@given(st.binary(max_size=1000))
def test_what_was_put_is_what_one_gets(data: bytes) -> None:
    objects = Objects("memory://")
    digest = objects.put_sync(data)
    assert digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert objects.get_sync(digest) == data


async def test_the_same_bytes_are_one_object(tmp_path: Path) -> None:
    objects = Objects(tmp_path.as_uri())
    first, second, other = await objects.put(b"a"), await objects.put(b"a"), await objects.put(b"b")
    assert first == second
    assert {digest async for digest in objects.digests()} == {first, other}


async def test_a_changed_object_is_refused_by_name(tmp_path: Path) -> None:
    objects = Objects(tmp_path.as_uri())
    digest = await objects.put(b"a model")
    (file,) = (one for one in tmp_path.rglob("*") if one.is_file())
    file.write_bytes(b"b model")
    with pytest.raises(CorruptObjectError, match=digest):
        await objects.get(digest)


async def test_a_missing_object_says_which(tmp_path: Path) -> None:
    digest = "sha256:" + "0" * 64
    with pytest.raises(ObjectNotFoundError, match=digest):
        await Objects(tmp_path.as_uri()).get(digest)


@pytest.mark.parametrize("digest", ["", "sha256:..", "sha256:" + "A" * 64, "../../etc/passwd", "sha256:" + "0" * 65])
async def test_what_is_no_digest_never_becomes_a_path(digest: str) -> None:
    with pytest.raises(InvalidDigestError):
        await Objects("memory://").get(digest)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * (2 * PIECE // 256) + b"and a bit")
    return path


@pytest.mark.parametrize("store", ["memory", "file"])
async def test_a_file_goes_in_and_comes_out_by_pieces(tmp_path: Path, large: Path, store: str) -> None:
    objects = Objects("memory://" if store == "memory" else (tmp_path / "store").as_uri())
    digest = await objects.put(large)
    assert digest == await objects.put(large.read_bytes()) == objects.put_sync(large)
    assert await objects.size(digest) == large.stat().st_size
    await objects.download(digest, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == large.read_bytes()


async def test_a_changed_object_never_becomes_a_file(tmp_path: Path, large: Path) -> None:
    objects, target = Objects((tmp_path / "store").as_uri()), tmp_path / "target"
    digest = await objects.put(large)
    (file,) = (one for one in (tmp_path / "store").rglob("*") if one.is_file())
    with file.open("r+b") as stored:
        stored.write(b"x")
    target.mkdir()
    with pytest.raises(CorruptObjectError, match=digest):
        await objects.download(digest, target / "copy")
    assert list(target.iterdir()) == []


async def test_putting_again_mends_a_truncated_object(tmp_path: Path) -> None:
    objects = Objects(tmp_path.as_uri())
    digest = await objects.put(b"a model")
    (file,) = (one for one in tmp_path.rglob("*") if one.is_file())
    file.write_bytes(b"a mo")
    await objects.put(b"a model")
    assert await objects.get(digest) == b"a model"


async def test_what_is_missing_has_no_size_and_no_file(tmp_path: Path) -> None:
    objects, digest = Objects("memory://"), "sha256:" + "0" * 64
    assert not await objects.exists(digest)
    with pytest.raises(ObjectNotFoundError, match=digest):
        await objects.size(digest)
    with pytest.raises(ObjectNotFoundError, match=digest):
        await objects.download(digest, tmp_path / "copy")
    with pytest.raises(ObjectNotFoundError, match=digest):
        objects.get_sync(digest)


@given(st.text())
def test_no_text_leads_outside_of_the_store(text: str) -> None:
    with pytest.raises(InvalidDigestError):
        Objects("memory://").get_sync(text)
