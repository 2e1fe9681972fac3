"""Models, as far as they use what is declared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pelton.contracts.values import Digest


@dataclass(frozen=True, slots=True)
class Pinned:
    """A version of a model that is not archived; `pins` are the digests of the definitions that it was trained with."""

    model: str
    version: int
    stage: str
    pins: frozenset[Digest]

    def __str__(self) -> str:
        return f"version {self.version} of model {self.model} ({self.stage})"


@dataclass(frozen=True, slots=True)
class DeclaredModel:
    """A model as it is declared now: its next training takes the newest versions of what its features name."""

    model: str
    owner: str
    features: tuple[str, ...]

    def reads(self, name: str) -> bool:
        """Whether one of its features is of this view or transformation."""
        return any(ref.partition(":")[0] == name for ref in self.features)


def users(digests: Iterable[Digest], pinned: Iterable[Pinned]) -> Mapping[Digest, tuple[Pinned, ...]]:
    """The versions of models that were trained with each of these definitions."""
    all_of_them = tuple(pinned)
    return {digest: tuple(one for one in all_of_them if digest in one.pins) for digest in digests}
