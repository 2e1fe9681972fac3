"""Packed files: looked into as far as the budget goes, and never unpacked to where anybody would find them."""

import bz2
import gzip
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final, cast

from pelton.registry.files.formats import skops
from pelton.registry.files.formats.budget import Budget

MOST_MEMBERS: Final = 10_000
Why = Callable[[str, BinaryIO], str | None]
Opened = Callable[[BinaryIO], Any]

# Not LZMA, in a zip neither: how much memory it takes to unpack is for who packed it to say.
STREAMS: Final[Mapping[bytes, Opened]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open}
METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2})
BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


def is_archive(file: BinaryIO) -> bool:
    """Whether a file is packed; a zip may begin with anything."""
    return _stream_of(file) is not None or zipfile.is_zipfile(file)


def why_unsafe(file: BinaryIO, budget: Budget, why: Why) -> str | None:
    """Why something packed in a file is unsafe, by `why` of each; None where nothing is.

    Raises:
        TooMuchError: it unpacks to more than the budget.
    """
    opened = _stream_of(file)
    try:
        if opened is not None:
            file.seek(0)
            reason = why("", budget.opened(opened(file)))
            return None if reason is None else f"is packed, and what it holds {reason}"
        return _zipped(file, budget, why)
    except BROKEN as error:
        return f"is packed in a way that cannot be looked into: {error}"


def _stream_of(file: BinaryIO) -> Opened | None:
    file.seek(0)
    head = file.read(6)
    return next((opened for magic, opened in STREAMS.items() if head.startswith(magic)), None)


def _zipped(file: BinaryIO, budget: Budget, why: Why) -> str | None:
    with zipfile.ZipFile(file) as archive:
        members = [one for one in archive.infolist() if not one.is_dir()]
        if len(members) > MOST_MEMBERS:
            return f"packs {len(members)} files, and {MOST_MEMBERS} are looked into"
        if any(one.compress_type not in METHODS for one in members):
            return "is a zip that is not deflated, stored or packed by bzip2"
        # zipfile gives no more of a member than it says it has: so this bounds whatever is read below
        budget.spend(sum(one.file_size for one in members))
        if skops.SCHEMA in {one.filename for one in members} and (
            reason := skops.why_unsafe(archive.read(skops.SCHEMA))
        ):
            return reason
        for member in members:
            with archive.open(member) as opened:
                reason = why(member.filename, cast("BinaryIO", opened))
            if reason is not None:
                return f"packs {member.filename!r}, which {reason}"
    return None
