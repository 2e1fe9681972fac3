"""safetensors: a header in JSON with a place for each tensor, then their bytes."""

import io
import json
import struct
from typing import BinaryIO, Final

MOST_HEADER: Final = 100_000_000
"""That of the format."""
FIELDS: Final = {"dtype", "shape", "data_offsets"}
METADATA: Final = "__metadata__"


def is_tensors(file: BinaryIO) -> bool:
    """Whether a file is safetensors, with every tensor within it."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    length = file.read(8)
    if len(length) < 8:  # noqa: PLR2004 - the format's
        return False
    (header_size,) = struct.unpack("<Q", length)
    if header_size > min(MOST_HEADER, size - 8):
        return False
    try:
        header = json.loads(file.read(header_size))
    except (ValueError, RecursionError):
        return False
    room = size - 8 - header_size
    return isinstance(header, dict) and all(_fits(one, room) for name, one in header.items() if name != METADATA)


def _fits(tensor: object, room: int) -> bool:
    if not isinstance(tensor, dict) or tensor.keys() != FIELDS:
        return False
    match tensor["data_offsets"]:
        case [int(start), int(end)]:
            return 0 <= start <= end <= room
        case _:
            return False
