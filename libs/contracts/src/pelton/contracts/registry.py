"""Facts of the registry: what exists, what it is allowed to do, and who said so."""

from typing import Literal

from pydantic import Field

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.fact import Fact, Value
from pelton.contracts.values import Artifact, Digest, Environment, ModelVersion, Name, Stage


class ModelRegistered(Fact, owner="registry"):
    """A model was declared, or declared anew with a different definition or different code."""

    model: str
    definition: ModelDefinition
    definition_digest: Digest
    code: Artifact


class RunFinished(Fact, owner="registry"):
    """A training run ended well and is on record."""

    model: str
    run_id: str
    training_id: str
    parameters: dict[str, str | int | float | bool | None]
    metrics: dict[str, float]
    environment: Environment


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


class ModelStageChanged(Fact, owner="registry"):
    """A version moved to another stage."""

    model: str
    version: int
    from_stage: Stage
    to_stage: Stage
    reason: str
    details: ModelVersion


class ApprovalRequested(Fact, owner="registry"):
    """A person must decide; the request binds the digest of the artifact."""

    model: str
    version: int
    artifact: Digest
    role: str
    requested_by: str


class ApprovalGranted(Fact, owner="registry"):
    """A person, or the policy, let the version into production."""

    model: str
    version: int
    artifact: Digest
    by: str
    mode: Literal["automatic", "person"]
    reason: str


class ApprovalDenied(Fact, owner="registry"):
    """A person kept the version out of production."""

    model: str
    version: int
    artifact: Digest
    by: str
    reason: str


class ModelPromoted(Fact, owner="registry"):
    """A version is the champion from here on."""

    model: str
    version: int
    previous: int | None
    details: ModelVersion


class ModelRolledBack(Fact, owner="registry"):
    """The former champion is the champion again."""

    model: str
    from_version: int
    version: int
    reason: str
    details: ModelVersion


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
