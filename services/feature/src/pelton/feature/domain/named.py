"""What the aggregates of the feature service have in common: each is known by its name."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Named:
    """Something that is declared under a name; before its first fact it is the name alone."""

    name: str

    @classmethod
    def initial(cls, key: str) -> Self:
        """What nobody declared yet."""
        return cls(key)

    @property
    def key(self) -> str:
        """Its name."""
        return self.name
