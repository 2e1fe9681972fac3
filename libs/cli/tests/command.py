"""What a command of the command line answered."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    code: object
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that a failure is told in."""
        assert self.code == 1
        assert self.err.startswith("error: ")
        assert self.err.count("\n") == 1, self.err
        return self.err


class Command(Protocol):
    def __call__(self, *arguments: str) -> Answer: ...
