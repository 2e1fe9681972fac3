"""Pickles, by what an unpickler would do with the bytes: it obeys them one by one, so that an error comes too late."""

import pickletools
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

OPERATIONS: Final = {one.code: one for one in pickletools.opcodes}
PROTO: Final = re.compile(rb"\x80[\x00-\x05]")
MOST_OPERATIONS: Final = 1_000_000
NAMES: Final = frozenset({"GLOBAL", "INST", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"})
CALLS: Final = frozenset({"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE", "BUILD"})
NAME: Final = re.compile(rb"[A-Za-z_\x80-\xff][\w\x80-\xff]*(\.[A-Za-z_\x80-\xff][\w\x80-\xff]*)*")
LINES: Final = {"GLOBAL": 2, "INST": 2, "STRING": 1, "UNICODE": 1}
"""Operations with lines of text, which unpicklers read more freely than `pickletools` does."""


def why_unsafe(file: BinaryIO) -> str | None:
    """Why unpickling a file, whatever it is called, could run code; None where an unpickler stops before it could."""
    file.seek(0)
    if PROTO.match(file.read(2)):
        return "is a pickle"
    file.seek(0)
    named, stack = False, _Stack()
    for count, operation in enumerate(_operations(file)):
        if not stack.takes(operation):
            return None
        named = named or operation.name in NAMES
        if named and operation.name in CALLS:
            return "is a pickle, though it has no header"
        if count == MOST_OPERATIONS:
            return f"could be a pickle of over {MOST_OPERATIONS} operations"
    return None


def _operations(file: BinaryIO) -> Iterator[pickletools.OpcodeInfo]:
    """What an unpickler would be told to do, until it could not go on."""
    while code := file.read(1):
        operation = OPERATIONS.get(code.decode("latin-1"))
        # who follows an id of something outside of the pickle has put it there
        if operation is None or operation.name in {"STOP", "PERSID"}:
            return
        if operation.name in LINES:
            lines = [file.readline() for _ in range(LINES[operation.name])]
            if operation.name in NAMES and not all(NAME.fullmatch(line[:-1]) for line in lines):
                return
        elif operation.arg is not None:
            try:
                operation.arg.reader(file)
            except (ValueError, OverflowError, MemoryError):
                return
        yield operation


class _Stack:
    """How many things are on an unpickler's stack above each mark."""

    def __init__(self) -> None:
        self._above = [0]

    def takes(self, operation: pickletools.OpcodeInfo) -> bool:
        """Do to the stack what an operation does; False where there is too little on it."""
        before, after = operation.stack_before, list(operation.stack_after)
        if operation.name == "POP" and self._above[-1] == 0 and len(self._above) > 1:
            self._above.pop()
            return True
        if pickletools.markobject in before:
            if len(self._above) == 1:
                return False
            self._above.pop()
            before = before[: before.index(pickletools.markobject)]
        if self._above[-1] < len(before):
            return False
        self._above[-1] -= len(before)
        for one in after:
            if one is pickletools.markobject:
                self._above.append(0)
            else:
                self._above[-1] += 1
        return True
