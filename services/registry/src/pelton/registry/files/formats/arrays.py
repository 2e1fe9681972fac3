"""NumPy's files: rows of numbers, or of objects, which are a pickle."""

import ast
import struct
from typing import BinaryIO, Final

MAGIC: Final = b"\x93NUMPY"
MOST_HEADER: Final = 1024 * 1024
OBJECT: Final = "O"


def why_unsafe(file: BinaryIO) -> str | None:
    """Why loading an array could run code; None where it holds plain values."""
    file.seek(len(MAGIC))
    version = file.read(2)
    form = "<H" if version[:1] == b"\x01" else "<I"
    size = file.read(struct.calcsize(form))
    if len(size) < struct.calcsize(form) or struct.unpack(form, size)[0] > MOST_HEADER:
        return "has a NumPy header that is cut off or too long"
    try:
        header = ast.literal_eval(file.read(struct.unpack(form, size)[0]).decode("latin-1"))
        described = header["descr"]
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError, KeyError):
        return "has a NumPy header that cannot be read"
    return "is an array of objects, which is a pickle" if _has_objects(described) else None


def _has_objects(described: object) -> bool:
    match described:
        case str():
            return OBJECT in described
        case list():
            return any(not isinstance(one, tuple) or len(one) < _FIELD or _has_objects(one[1]) for one in described)
        case _:
            return True


_FIELD = 2
