"""Code bundles: what unpacks, and what must not."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from pelton.trainer import bundle
from pelton.trainer.bundle import UnfitBundleError, unpack


def tarred(entries: list[tarfile.TarInfo], content: bytes = b"x = 1\n") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for entry in entries:
            if entry.isfile():
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content) if entry.isfile() else None)
    return buffer.getvalue()


def zipped(name: str, content: bytes = b"x = 1\n") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def link(name: str, to: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, to
    return entry


@pytest.mark.parametrize("packed", [zipped("a/b.py"), tarred([tarfile.TarInfo("a/b.py")])])
def test_zip_and_tar_unpack_alike(packed: bytes, tmp_path: Path) -> None:
    unpack(packed, tmp_path)
    assert (tmp_path / "a" / "b.py").read_text() == "x = 1\n"


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        (zipped("../out.py"), "outside of its folder"),
        (zipped("/out.py"), "outside of its folder"),
        (tarred([tarfile.TarInfo("a/../../out.py")]), "outside of its folder"),
        (tarred([link("a", "/etc")]), "a link or a device"),
        (zipped("big.py", b"0" * (bundle.MOST_BYTES + 1)), "leave data and environments out"),
        (b"neither", "neither a zip nor a tar"),
        (zipped("a.py")[:40], "neither a zip nor a tar"),
    ],
)
def test_what_must_not_be_unpacked_is_refused(packed: bytes, why: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(UnfitBundleError, match=why):
        unpack(packed, inside)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
