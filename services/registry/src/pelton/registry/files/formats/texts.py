"""Texts in UTF-8: YAML, JSON, requirements, whatever people read."""

import codecs
from typing import BinaryIO, Final

PIECE: Final = 1024 * 1024


def is_text(file: BinaryIO) -> bool:
    """Whether a file is text to its end; an empty one is."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while piece := file.read(PIECE):
            if b"\0" in piece:
                return False
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
