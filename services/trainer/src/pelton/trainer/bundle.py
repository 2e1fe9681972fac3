"""A project's code as it was applied, unpacked where only a worker imports it."""

from pathlib import Path

from pelton.objects.bundles import files_of


def unpack(bundle: bytes, into: Path) -> None:
    """Write the files of a bundle under a folder.

    Raises:
        UnfitBundleError: what `files_of` refuses; files before the fault may have been written.
    """
    for path, content in files_of(bundle):
        target = into / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
