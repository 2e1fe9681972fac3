"""A model, its versions and its champion, folded from the model's own facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.registry import (
    ApprovalDenied,
    ApprovalGranted,
    ApprovalRequested,
    ModelPromoted,
    ModelRegistered,
    ModelRolledBack,
    ModelStageChanged,
    ModelVersionCreated,
    ModelVersionValidated,
)
from pelton.contracts.values import Artifact, Digest, ModelVersion, Stage
from pelton.registry.domain.refusals import UnknownVersion


@dataclass(frozen=True, slots=True)
class Version:
    """One version: what it is, where it stands, and on which grounds.

    `approved` is the digest that was let into production, and `pending` the request that waits for a person.
    """

    details: ModelVersion
    stage: Stage = "development"
    validated: bool = False
    approved: Digest | None = None
    pending: ApprovalRequested | None = None

    @property
    def number(self) -> int:
        """The version's number, from 1."""
        return self.details.version

    @property
    def artifact(self) -> Digest:
        """What the version is, by content."""
        return self.details.artifact.digest

    def __str__(self) -> str:
        return f"{self.details.model} v{self.details.version}"


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model. `former` are the champions before the present one, oldest first; a rollback takes the last.

    `definitions` keeps every definition the model ever had: a version belongs to the one it was trained by.
    """

    name: str
    definition: ModelDefinition | None = None
    code: Artifact | None = None
    definitions: Mapping[Digest, ModelDefinition] = field(default_factory=dict)
    versions: Mapping[int, Version] = field(default_factory=dict)
    champion: int | None = None
    former: tuple[int, ...] = ()

    category: ClassVar[str] = "models"

    @classmethod
    def initial(cls, key: str) -> Self:
        """A model that nobody registered."""
        return cls(key)

    @property
    def key(self) -> str:
        """The model's name."""
        return self.name

    def version(self, number: int) -> Version:
        """One version.

        Raises:
            UnknownVersion: the model does not have it.
        """
        try:
            return self.versions[number]
        except KeyError:
            known = f"its versions are 1 to {len(self.versions)}" if self.versions else "it has none yet"
            raise UnknownVersion(f"{self.name} has no version {number}; {known}") from None

    def evolve(self, fact: Fact) -> Self:
        """The model after one more of its facts."""
        match fact:
            case ModelRegistered():
                definitions = {**self.definitions, fact.definition_digest: fact.definition}
                return replace(self, definition=fact.definition, code=fact.code, definitions=definitions)
            case ModelVersionCreated():
                return replace(self, versions={**self.versions, fact.version.version: Version(fact.version)})
            case ModelVersionValidated():
                return self._with(replace(self.versions[fact.version], validated=True))
            case ModelStageChanged():
                # a request to promote is void once the version is anywhere else
                return self._with(replace(self.versions[fact.version], stage=fact.to_stage, pending=None))
            case ApprovalRequested():
                return self._with(replace(self.versions[fact.version], pending=fact))
            case ApprovalGranted():
                return self._with(replace(self.versions[fact.version], pending=None, approved=fact.artifact))
            case ApprovalDenied():
                return self._with(replace(self.versions[fact.version], pending=None))
            case ModelPromoted():
                former = self.former if fact.previous is None else (*self.former, fact.previous)
                return replace(self, champion=fact.version, former=former)
            case ModelRolledBack():
                return replace(self, champion=fact.version, former=self.former[:-1])
            case _:
                return self

    def _with(self, version: Version) -> Self:
        return replace(self, versions={**self.versions, version.number: version})
