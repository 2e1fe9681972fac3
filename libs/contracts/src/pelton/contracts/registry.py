"""Facts of the registry: what exists, what it is allowed to do, and who said so."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from pelton.contracts.definitions import ModelDefinition, StagePolicy
from pelton.contracts.evidence import Evidence
from pelton.contracts.fact import Fact, Value
from pelton.contracts.values import Artifact, Digest, Environment, ModelVersion, Name, Stage


def _still(payload: dict[str, Any]) -> dict[str, Any]:
    """What was said in the first version is said so in the second.

    The second can say more than readers of the first could read: a definition's parts take no unknown field, and
    details were never missing.
    """
    return payload


GitCommit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
FileName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^/\x00]+$")]


class CodeOrigin(Value):
    """Where declared code came from: the git commit that was checked out, and what differed from it.

    The project is `dirty` when a file of it is changed or is not in git; `diff` is then the difference from the
    commit as a patch of the project's folder, where it was not too long to keep. `notebooks` are the folder's, by
    name. Diff and notebooks are in the object store.
    """

    commit: GitCommit
    dirty: bool
    diff: Digest | None = None
    notebooks: dict[FileName, Digest] = Field(default_factory=dict)


class ModelRegistered(Fact, owner="registry", version=2, upcasters={1: _still}):
    """A model was declared, or declared anew with a different definition or different code.

    `origin` is where the code came from, where whoever declared it could say.
    """

    model: str
    definition: ModelDefinition
    definition_digest: Digest
    code: Artifact
    origin: CodeOrigin | None = None


class RunFinished(Fact, owner="registry"):
    """A training run ended well and is on record; records from before seeds were kept have none."""

    model: str
    run_id: str
    training_id: str
    parameters: dict[str, str | int | float | bool | None]
    metrics: dict[str, float]
    environment: Environment
    seed: int | None = None


class ModelVersionCreated(Fact, owner="registry"):
    """A run's artifact became the next version of its model, in development."""

    model: str
    version: ModelVersion
    run_id: str
    code: Digest
    definition_digest: Digest


class Gate(Value):
    """One condition that a version had to meet, and what it showed."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    reason: str


class ModelVersionValidated(Fact, owner="registry"):
    """A version passed every gate."""

    model: str
    version: int
    gates: tuple[Gate, ...]


class ModelVersionRejected(Fact, owner="registry"):
    """A version failed a gate and goes no further."""

    model: str
    version: int
    gates: tuple[Gate, ...]


class ModelStageChanged(Fact, owner="registry", version=2, upcasters={1: _still}):
    """A version moved to another stage; `details` are those of a version that Pelton trained and can serve."""

    model: str
    version: int
    from_stage: Stage
    to_stage: Stage
    reason: str
    details: ModelVersion | None


class ApprovalRequested(Fact, owner="registry"):
    """So many persons with the role, of the team where one is named, must decide before `expires_at`.

    The request binds the digest of the artifact.
    """

    model: str
    version: int
    artifact: Digest
    role: str
    requested_by: str
    to_stage: Stage = "production"
    reason: str = ""
    count: int = 1
    team: str | None = None
    expires_at: AwareDatetime | None = None


class ApprovalGranted(Fact, owner="registry"):
    """A person, or the policy, agreed that the version moves on; it does when nobody of those needed remains."""

    model: str
    version: int
    artifact: Digest
    by: str
    mode: Literal["automatic", "person"]
    reason: str
    remaining: int = 0


class ApprovalDenied(Fact, owner="registry"):
    """A person kept the version out of the stage that it was requested for."""

    model: str
    version: int
    artifact: Digest
    by: str
    reason: str


class ModelPromoted(Fact, owner="registry", version=2, upcasters={1: _still}):
    """A version is the champion from here on; `details` are those of a version that Pelton trained and can serve."""

    model: str
    version: int
    previous: int | None
    details: ModelVersion | None


class ModelRolledBack(Fact, owner="registry", version=2, upcasters={1: _still}):
    """The former champion is the champion again; `details` are those of a version that Pelton trained and can serve."""

    model: str
    from_version: int
    version: int
    reason: str
    details: ModelVersion | None


class ApprovalWithdrawn(Fact, owner="registry"):
    """Who requested takes the request back."""

    model: str
    version: int
    by: str
    reason: str


class ApprovalExpired(Fact, owner="registry"):
    """Nobody decided in time: the request is void."""

    model: str
    version: int
    expired_at: AwareDatetime


class ApprovalCommented(Fact, owner="registry"):
    """Somebody said something about a request that waits."""

    model: str
    version: int
    by: str
    text: str


class RegisteredModelCreated(Fact, owner="registry"):
    """A model has a name in the catalogue; its versions are logged by whoever trains it."""

    model: str
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class RegisteredModelRenamed(Fact, owner="registry"):
    """A model goes by the name `to` from here on; facts before this one call it `model`."""

    model: str
    to: str


class RegisteredModelDeleted(Fact, owner="registry"):
    """A model and its versions are in the catalogue no longer; the name is free."""

    model: str
    reason: str = ""


class ModelDescribed(Fact, owner="registry"):
    """A model, or one version of it, has another description."""

    model: str
    version: int | None = None
    description: str


class ModelTagged(Fact, owner="registry"):
    """A tag of a model, or of one version of it, has this value; without one it is gone."""

    model: str
    version: int | None = None
    name: str
    value: str | None


class LoggedRun(Value):
    """What the run that made a version had on record when the version was made: gates read it."""

    run_id: str
    parameters: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    commit: str | None = None


class ModelVersionLogged(Fact, owner="registry"):
    """Somebody's program made a version of a model.

    `source` is the place that the program named, and `location` the artifact location behind it, where that is
    another. `artifact` is what lies there, by content, where Pelton keeps it.
    """

    model: str
    version: int
    source: str
    run: LoggedRun | None = None
    run_link: str = ""
    logged_model_id: str | None = None
    location: str = ""
    artifact: Artifact | None = None
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class ModelVersionChanged(Fact, owner="registry"):
    """What lies at a version's location is no longer what was logged: whatever was approved or requested is void."""

    model: str
    version: int
    artifact: Artifact | None


class ModelVersionDeleted(Fact, owner="registry"):
    """A version is in the catalogue no longer; its number is not given again."""

    model: str
    version: int
    reason: str = ""


class ModelVersionSigned(Fact, owner="registry"):
    """What a version is was signed by the registry's key, and so was what is known of how it came about.

    `signature` is an OpenSSF model signature over the files of `artifact`, `provenance` an in-toto statement in a DSSE
    envelope; both are in the object store.
    """

    model: str
    version: int
    artifact: Digest
    signature: Artifact
    provenance: Artifact
    key_id: str


class ArtifactAllowed(Fact, owner="registry"):
    """An administrator answers for an artifact that could run code in whoever loads it."""

    artifact: Digest
    by: str
    reason: str


class ArtifactAllowanceRevoked(Fact, owner="registry"):
    """Nobody answers for an artifact any more."""

    artifact: Digest
    by: str
    reason: str


class ModelAliasSet(Fact, owner="registry"):
    """An alias of a model names this version; without one it is gone."""

    model: str
    alias: str
    version: int | None


class ModelRetired(Fact, owner="registry"):
    """The champion left production and none took its place; `successor` stood in production beside it."""

    model: str
    version: int
    successor: int | None


class ModelPolicySet(Fact, owner="registry"):
    """What a version needs to enter a stage, from here on; without a policy, what the model's definition says."""

    model: str
    stage: Stage
    policy: StagePolicy | None
    reason: str


class EvidenceRecorded(Fact, owner="registry"):
    """Somebody measured a version and answers for it: gates read it. It replaces what was recorded before."""

    model: str
    version: int
    evidence: Evidence
    by: str


class Variant(Value):
    """One arm of an A/B test, the version that answers in it, and its share of the keys."""

    name: Name
    version: int
    weight: Annotated[float, Field(gt=0, le=1)]


class VariantsConfigured(Fact, owner="registry"):
    """Requests are answered by several versions, each by a share of the keys: the values of the field `key`.

    Weights add up to one. The same key under the same `salt` gets the same variant. `details` are those of the
    versions that Pelton can serve, in the order of the variants; with any missing, none is served so.
    """

    model: str
    variants: tuple[Variant, ...]
    key: str
    salt: str
    reason: str
    details: tuple[ModelVersion, ...] = ()


class VariantsEnded(Fact, owner="registry"):
    """The champion answers every request again."""

    model: str
    reason: str


class ModelDeprecated(Fact, owner="registry"):
    """A model, or one version of it, is to be left by `sunset`, for the version `successor` where one is named."""

    model: str
    version: int | None
    sunset: AwareDatetime | None
    reason: str
    successor: int | None = None


class DeprecationWithdrawn(Fact, owner="registry"):
    """A model, or one version of it, is not deprecated any more."""

    model: str
    version: int | None
    reason: str


RoleName = Literal["viewer", "contributor", "approver", "admin"]
AccessAction = Literal["read", "write", "delete", "tag", "set_alias", "set_stage", "request", "approve"]


class Condition(Value):
    """Which models, versions and experiments a restriction is about, besides their names.

    All of `tags` must be there, with this value or, where it is None, with any; and one of `aliases`, if any are named.
    """

    tags: dict[str, str | None] = Field(default_factory=dict)
    aliases: tuple[str, ...] = ()


class TeamChanged(Fact, owner="registry"):
    """A team was formed, or has other members or other models; `models` are globs over names."""

    team: Name
    members: dict[str, RoleName]
    models: tuple[str, ...]


class TeamRemoved(Fact, owner="registry"):
    """A team gives nobody a role any more."""

    team: Name


class RestrictionSet(Fact, owner="registry"):
    """Some actions are for some people only, from here on; `models` and `experiments` are globs over names."""

    restriction: Name
    models: tuple[str, ...]
    experiments: tuple[str, ...]
    actions: tuple[AccessAction, ...]
    when: Condition
    users: tuple[str, ...]
    teams: tuple[Name, ...]
    reason: str


class RestrictionLifted(Fact, owner="registry"):
    """A restriction is no more."""

    restriction: Name
    reason: str


class WebhookRegistered(Fact, owner="registry"):
    """Somebody is told about facts over HTTP, or is told differently.

    `events` are globs over the names of facts, `models` one over models' names. Of the URL there is only the `origin`,
    and of the secrets nothing: who reads this could otherwise send what the receiver would believe.
    """

    webhook: str
    name: str
    origin: str
    events: tuple[str, ...]
    models: str
    active: bool


class WebhookRemoved(Fact, owner="registry"):
    """Nobody is told any more."""

    webhook: str


class ModelCardSectionWritten(Fact, owner="registry"):
    """Somebody wrote a section of a model's cards, as Markdown; with an empty text it is gone."""

    model: str
    section: Name
    text: str
    by: str


class ModelCardPublished(Fact, owner="registry"):
    """A version has this card from here on; the card is in the object store, by its digest."""

    model: str
    version: int
    card: Digest
