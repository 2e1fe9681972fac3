"""Code bundles: what is read of them, and what is refused."""

import io
import tarfile
import zipfile
from pathlib import PurePosixPath

import pytest

from pelton.objects import bundles
from pelton.objects.bundles import UnfitBundleError, files_of


def tarred(entries: list[tarfile.TarInfo], content: bytes = b"x = 1\n") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for entry in entries:
            if entry.isfile():
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content) if entry.isfile() else None)
    return buffer.getvalue()


def zipped(*names: str, content: bytes = b"x = 1\n") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


def encrypted() -> bytes:
    """A zip that says of its entry that it is encrypted."""
    packed = bytearray(zipped("a.py"))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(header) + flags] |= 1
    return bytes(packed)


def damaged() -> bytes:
    packed = bytearray(zipped("a.py", content=bytes(range(256)) * 20))
    start = packed.index(b"a.py") + 4
    packed[start : start + 20] = b"\xff" * 20
    return bytes(packed)


def link(name: str, to: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, to
    return entry


@pytest.mark.parametrize("packed", [zipped("a/b.py"), tarred([tarfile.TarInfo("a/b.py")])])
def test_zip_and_tar_hold_the_same_files(packed: bytes) -> None:
    assert list(files_of(packed)) == [(PurePosixPath("a/b.py"), b"x = 1\n")]


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        (zipped("../out.py"), "outside of its folder"),
        (zipped("/out.py"), "outside of its folder"),
        (tarred([tarfile.TarInfo("a/../../out.py")]), "outside of its folder"),
        (tarred([link("a", "/etc")]), "a link or a device"),
        (zipped("bomb.py", content=b"0" * (bundles.MOST_BYTES + 1)), "leave data and environments out"),
        (zipped(*(f"{n}.py" for n in range(bundles.MOST_FILES + 1))), "leave data and environments out"),
        (b"neither", "neither a zip nor a tar"),
        (zipped("a.py")[:40], "neither a zip nor a tar"),
        (encrypted(), "neither a zip nor a tar that can be read"),
        (damaged(), "neither a zip nor a tar that can be read"),
    ],
)
def test_what_must_not_be_unpacked_is_refused(packed: bytes, why: str) -> None:
    with pytest.raises(UnfitBundleError, match=why):
        list(files_of(packed))
