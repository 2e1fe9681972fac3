"""A model, its versions and its champion, folded from the model's own facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from pelton.contracts.definitions import ModelDefinition, StagePolicy
from pelton.contracts.evidence import Evidence
from pelton.contracts.fact import Fact
from pelton.contracts.registry import (
    ApprovalDenied,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRequested,
    ApprovalWithdrawn,
    DeprecationWithdrawn,
    EvidenceRecorded,
    LoggedRun,
    ModelAliasSet,
    ModelDeprecated,
    ModelPolicySet,
    ModelPromoted,
    ModelRegistered,
    ModelRetired,
    ModelRolledBack,
    ModelStageChanged,
    ModelVersionChanged,
    ModelVersionCreated,
    ModelVersionDeleted,
    ModelVersionLogged,
    ModelVersionValidated,
    RegisteredModelCreated,
    RegisteredModelDeleted,
    RegisteredModelRenamed,
    VariantsConfigured,
    VariantsEnded,
)
from pelton.contracts.values import Artifact, Digest, ModelVersion, Stage
from pelton.registry.domain.refusals import UnknownModel, UnknownVersion


@dataclass(frozen=True, slots=True)
class Version:
    """One version: what it is, where it stands, and on which grounds.

    `details` has a version that Pelton trained. `content` is its artifact, where Pelton keeps it. `approved` is the
    digest that was let into production, `pending` the request that waits for persons, and `agreed` who agreed to it.
    """

    model: str
    number: int
    details: ModelVersion | None = None
    content: Artifact | None = None
    location: str = ""
    run: LoggedRun | None = None
    evidence: Evidence | None = None
    stage: Stage = "development"
    validated: bool = False
    approved: Digest | None = None
    pending: ApprovalRequested | None = None
    agreed: tuple[str, ...] = ()

    @property
    def artifact(self) -> Digest | None:
        """What the version is, by content."""
        return None if self.content is None else self.content.digest

    def __str__(self) -> str:
        return f"{self.model} v{self.number}"


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model; `key` names its facts for good, whatever its name becomes.

    `former` are the champions before the present one, oldest first; a rollback takes the last. `last` is the highest
    number that a version ever had. `definitions` keeps every definition the model ever had: a version belongs to the
    one it was trained by. A model without a definition is one that others train and log.
    """

    key: str
    name: str
    exists: bool = False
    definition: ModelDefinition | None = None
    code: Artifact | None = None
    definitions: Mapping[Digest, ModelDefinition] = field(default_factory=dict)
    versions: Mapping[int, Version] = field(default_factory=dict)
    last: int = 0
    champion: int | None = None
    former: tuple[int, ...] = ()
    aliases: Mapping[str, int] = field(default_factory=dict)
    policies: Mapping[Stage, StagePolicy] = field(default_factory=dict)
    variants: VariantsConfigured | None = None
    deprecations: Mapping[int | None, ModelDeprecated] = field(default_factory=dict)

    category: ClassVar[str] = "models"

    @classmethod
    def initial(cls, key: str) -> Self:
        """A model that nobody registered."""
        return cls(key, key)

    @property
    def governed(self) -> bool:
        """Whether its versions move only as the table of stages says: it is declared, or has a policy."""
        return self.definition is not None or bool(self.policies)

    def existing(self) -> Self:
        """The model, if there is one.

        Raises:
            UnknownModel: nobody registered it, or it was deleted.
        """
        if not self.exists:
            raise UnknownModel(self.name)
        return self

    def version(self, number: int) -> Version:
        """One version.

        Raises:
            UnknownVersion: the model does not have it.
        """
        try:
            return self.versions[number]
        except KeyError:
            if not self.versions:
                known = "it has none yet"
            elif len(self.versions) == self.last:
                known = f"its versions are 1 to {self.last}"
            else:
                known = f"it has {len(self.versions)} of the versions up to {self.last}"
            raise UnknownVersion(f"{self.name} has no version {number}; {known}") from None

    def standing(self, stage: Stage) -> tuple[Version, ...]:
        """The versions in a stage, by number."""
        return tuple(version for _, version in sorted(self.versions.items()) if version.stage == stage)

    def aliases_of(self, number: int) -> tuple[str, ...]:
        """The aliases that name a version, in order."""
        return tuple(sorted(alias for alias, named in self.aliases.items() if named == number))

    def evolve(self, fact: Fact) -> Self:  # noqa: C901, PLR0912 - one case a fact
        """The model after one more of its facts."""
        match fact:
            case ModelRegistered():
                definitions = {**self.definitions, fact.definition_digest: fact.definition}
                return replace(
                    self,
                    name=fact.model,
                    exists=True,
                    definition=fact.definition,
                    code=fact.code,
                    definitions=definitions,
                )
            case RegisteredModelCreated():
                return replace(self, name=fact.model, exists=True)
            case RegisteredModelRenamed():
                versions = {number: replace(one, model=fact.to) for number, one in self.versions.items()}
                return replace(self, name=fact.to, versions=versions)
            case RegisteredModelDeleted():
                return replace(self, exists=False)
            case ModelVersionCreated():
                return self._add(Version(self.name, fact.version.version, fact.version, fact.version.artifact))
            case ModelVersionLogged():
                return self._add(
                    Version(
                        self.name,
                        fact.version,
                        content=fact.artifact,
                        location=fact.location or fact.source,
                        run=fact.run,
                    )
                )
            case ModelVersionDeleted():
                return self._without(fact.version)
            case ModelPromoted():
                former = (
                    self.former if fact.previous is None else (*_without(self.former, fact.previous), fact.previous)
                )
                return replace(self, champion=fact.version, former=_without(former, fact.version))
            case ModelRolledBack():
                return replace(self, champion=fact.version, former=self.former[: self.former.index(fact.version)])
            case ModelRetired():
                former = (*_without(self.former, fact.version), fact.version)
                champion = fact.successor
                return replace(self, champion=champion, former=_without(former, champion))
            case ModelAliasSet(version=None):
                return replace(self, aliases={name: one for name, one in self.aliases.items() if name != fact.alias})
            case ModelAliasSet(version=int(version)):
                return replace(self, aliases={**self.aliases, fact.alias: version})
            case ModelPolicySet():
                return self._under(fact)
            case VariantsConfigured():
                return replace(self, variants=fact)
            case VariantsEnded():
                return replace(self, variants=None)
            case ModelDeprecated():
                return replace(self, deprecations={**self.deprecations, fact.version: fact})
            case DeprecationWithdrawn():
                kept = {number: one for number, one in self.deprecations.items() if number != fact.version}
                return replace(self, deprecations=kept)
            case _:
                return self._evolve_version(fact)

    def _evolve_version(self, fact: Fact) -> Self:
        match fact:
            case ModelVersionValidated():
                return self._with(fact.version, validated=True)
            case ModelVersionChanged():
                # neither a gate nor a person has seen what it is now
                return self._with(
                    fact.version,
                    content=fact.artifact,
                    evidence=None,
                    validated=False,
                    approved=None,
                    pending=None,
                    agreed=(),
                )
            case EvidenceRecorded():
                return self._with(fact.version, evidence=fact.evidence)
            case ModelStageChanged():
                # a request to promote is void once the version is anywhere else
                return self._with(fact.version, stage=fact.to_stage, pending=None, agreed=())
            case ApprovalRequested():
                return self._with(fact.version, pending=fact, agreed=())
            case ApprovalGranted(remaining=0):
                return self._with(fact.version, pending=None, agreed=(), approved=fact.artifact)
            case ApprovalGranted():
                return self._with(fact.version, agreed=(*self.versions[fact.version].agreed, fact.by))
            case ApprovalDenied() | ApprovalWithdrawn() | ApprovalExpired():
                return self._with(fact.version, pending=None, agreed=())
            case _:
                return self

    def _under(self, fact: ModelPolicySet) -> Self:
        """The model under another policy: what waits to enter the stage was asked under the former one, and is void."""
        policies = {stage: policy for stage, policy in self.policies.items() if stage != fact.stage}
        if fact.policy is not None:
            policies[fact.stage] = fact.policy
        versions = {
            number: replace(one, pending=None, agreed=()) if one.pending and one.pending.to_stage == fact.stage else one
            for number, one in self.versions.items()
        }
        return replace(self, policies=policies, versions=versions)

    def _add(self, version: Version) -> Self:
        return replace(self, versions={**self.versions, version.number: version}, last=max(self.last, version.number))

    def _with(self, number: int, **changes: Any) -> Self:  # noqa: ANN401 - the fields of a version
        return replace(self, versions={**self.versions, number: replace(self.versions[number], **changes)})

    def _without(self, number: int) -> Self:
        versions = {other: one for other, one in self.versions.items() if other != number}
        deprecations = {other: one for other, one in self.deprecations.items() if other != number}
        return replace(self, versions=versions, former=_without(self.former, number), deprecations=deprecations)


def _without(numbers: tuple[int, ...], number: int | None) -> tuple[int, ...]:
    return tuple(one for one in numbers if one != number)
