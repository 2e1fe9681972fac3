"""ONNX: a Protocol Buffers message `ModelProto`, which is a graph of operators, and no code."""

import io
from typing import BinaryIO, Final

VARINT: Final = 0
BYTES: Final = 2
# onnx.proto3, message ModelProto: field → wire type
FIELDS: Final = {1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 7: BYTES, 8: BYTES}
FIELDS_SINCE: Final = {14: BYTES, 20: BYTES, 25: BYTES, 26: BYTES}
NEEDED: Final = {1, 7, 8}
"""The version of the format, the graph, and the operator sets that it is written in."""
LONGEST_VARINT: Final = 10


def is_model(file: BinaryIO) -> bool:
    """Whether a file is one `ModelProto` from its first byte to its last."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    known, seen, place = FIELDS | FIELDS_SINCE, set(), 0
    while place < size:
        key = _varint(file)
        if key is None or known.get(key >> 3) != key & 7:
            return False
        seen.add(key >> 3)
        value = _varint(file)
        if value is None:
            return False
        place = file.seek(value, io.SEEK_CUR) if key & 7 == BYTES else file.tell()
    return place == size and seen >= NEEDED


def _varint(file: BinaryIO) -> int | None:
    value = 0
    for count in range(LONGEST_VARINT):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << (7 * count)
        if byte[0] < 0x80:  # noqa: PLR2004 - the last byte of a varint
            return value
    return None
