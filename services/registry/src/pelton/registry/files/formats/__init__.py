"""Which files could run code when somebody loads them: told by their content, of which nothing is ever loaded.

Known to be safe are texts, ONNX, safetensors, skops with types of a list, arrays without objects, and a few formats of
data. Whatever is none of these is not: a pickle needs neither a name of its own nor a header.
"""

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from pelton.registry.files.formats import archives, arrays, onnx, pickles, safetensors, texts
from pelton.registry.files.formats.budget import Budget, TooMuchError

MOST_READ: Final = 1024 * 1024 * 1024
"""How many bytes of a file, unpacked, are looked at before it counts as one that cannot be looked into."""
DEEPEST: Final = 3
CODE: Final = frozenset({".py", ".pyc", ".pyx", ".so", ".pyd", ".dll", ".dylib", ".sh", ".ipynb"})
DATA: Final = (b"PAR1", b"ARROW1", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
SAFE: Final[tuple[Callable[[BinaryIO], bool], ...]] = (onnx.is_model, safetensors.is_tensors, texts.is_text)


def is_code(path: str) -> bool:
    """Whether a file is code by its name: a text could be anything."""
    return PurePosixPath(path).suffix.lower() in CODE


def why_unsafe(file: BinaryIO) -> str | None:
    """Why loading a file could run code, in words that follow its name; None where its content cannot.

    The file is binary and seekable.
    """
    budget = Budget(MOST_READ)
    try:
        return _why(budget.opened(file), budget, 0)
    except TooMuchError:
        return f"takes reading over {MOST_READ} bytes to look into"


def _why(file: BinaryIO, budget: Budget, depth: int) -> str | None:
    if (reason := pickles.why_unsafe(file)) is not None:
        return reason
    file.seek(0)
    head = file.read(16)
    if head.startswith(arrays.MAGIC):
        return arrays.why_unsafe(file)
    if head.startswith(DATA):
        return None
    if archives.is_archive(file):
        if depth == DEEPEST:
            return f"is packed more than {DEEPEST} times"
        return archives.why_unsafe(file, budget, lambda name, inner: _why_packed(name, inner, budget, depth + 1))
    for is_safe in SAFE:
        file.seek(0)
        if is_safe(file):
            return None
    return "is of no format that is known to be safe"


def _why_packed(name: str, file: BinaryIO, budget: Budget, depth: int) -> str | None:
    return "is code" if is_code(name) else _why(file, budget, depth)
