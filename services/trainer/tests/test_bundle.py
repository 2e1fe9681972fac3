"""Code bundles: unpacked under a folder, and nowhere else."""

import io
import zipfile
from pathlib import Path

import pytest

from pelton.objects.bundles import UnfitBundleError
from pelton.trainer.bundle import unpack


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b"x = 1\n")
    return buffer.getvalue()


def test_a_bundle_unpacks_with_its_folders(tmp_path: Path) -> None:
    unpack(zipped("a/b.py"), tmp_path)
    assert (tmp_path / "a" / "b.py").read_text() == "x = 1\n"


def test_nothing_is_written_outside_of_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(UnfitBundleError, match="outside of its folder"):
        unpack(zipped("../out.py"), inside)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
