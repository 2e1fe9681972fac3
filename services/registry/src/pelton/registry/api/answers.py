"""What the registry answers; text columns that hold JSON are read here."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, Json

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.evidence import Evidence
from pelton.contracts.registry import Gate, LoggedRun
from pelton.contracts.values import Artifact, Digest, Environment, ModelVersion, Stage

Parameter = str | int | float | bool | None


class Registered(BaseModel):
    """What a declaration came to."""

    model: str
    status: Literal["created", "changed", "unchanged"]
    definition_digest: Digest
    code: Digest


class Deprecation(BaseModel):
    """That a model or a version is to be left, by when, and for which version."""

    sunset: datetime | None
    reason: str
    successor: int | None
    deprecated_by: str
    deprecated_at: datetime


class ModelAnswer(BaseModel):
    """A model. `previous` is what a rollback would take back; `pending` are the versions that wait for a person.

    A model that others train and log has no definition and no code.
    """

    model: str
    description: str
    definition: Json[ModelDefinition] | None
    definition_digest: Digest | None
    code: Digest | None
    champion: int | None
    previous: int | None
    versions: int
    pending: list[int]
    aliases: Json[dict[str, int]]
    tags: Json[dict[str, str]]
    deprecation: Json[Deprecation] | None
    created_at: datetime
    created_by: str
    registered_at: datetime | None
    registered_by: str | None
    updated_at: datetime


class ModelsPage(BaseModel):
    """Models by name; `next_page` is for the `page` of the next request."""

    models: list[ModelAnswer]
    next_page: str | None


class RunAnswer(BaseModel):
    """A run and the version that its artifact became."""

    run_id: str
    training_id: str
    model: str
    version: int | None
    parameters: Json[dict[str, Parameter]]
    metrics: Json[dict[str, float]]
    environment: Json[Environment]
    finished_at: datetime


class RunsPage(BaseModel):
    """Runs, newest first."""

    runs: list[RunAnswer]
    next_page: str | None


class StageChange(BaseModel):
    """A version's move: who caused it, why, and by which fact (`cause` is what that fact followed from)."""

    event_id: UUID
    from_stage: Stage
    to_stage: Stage
    reason: str
    actor: str
    cause: str | None
    time: datetime


class Agreement(BaseModel):
    """One person's word for a version."""

    by: str
    reason: str
    time: datetime


class Comment(BaseModel):
    """What somebody said about a request while it waited."""

    by: str
    text: str
    time: datetime


class Approval(BaseModel):
    """A request to let a version into a stage, and what became of it.

    `needed` different persons must agree; `request` is why it was asked for, and `reason` why it ended as it did.
    `role` and `requested_by` are empty where the policy granted without being asked.
    """

    event_id: UUID
    model: str
    version: int
    artifact: Digest
    to_stage: Stage
    request: str
    role: str | None
    team: str | None
    needed: int
    agreed: Json[list[Agreement]]
    comments: Json[list[Comment]]
    expires_at: datetime | None
    requested_by: str | None
    requested_at: datetime
    status: Literal["pending", "granted", "denied", "withdrawn", "expired", "void"]
    decided_by: str | None
    reason: str | None
    decided_at: datetime | None


class ApprovalsPage(BaseModel):
    """Approvals that wait for a person, oldest first."""

    approvals: list[Approval]
    next_page: str | None


class Lineage(BaseModel):
    """What a version was made of and by: everything that is named by a digest can be fetched or made again."""

    model: str
    version: int
    artifact: Artifact
    dataset: Digest
    code: Digest
    definition: Digest
    views: dict[str, Digest]
    training_id: str
    run: RunAnswer


class VersionSummary(BaseModel):
    """A version in a list. `details` has one that Pelton trained; `source` and `logged_run` one that others logged."""

    version: int
    stage: Stage
    description: str
    aliases: list[str]
    tags: Json[dict[str, str]]
    artifact: Digest | None
    source: str
    run_id: str | None
    logged_run: Json[LoggedRun] | None
    details: Json[ModelVersion] | None
    gates: Json[list[Gate]]
    evidence: Json[Evidence] | None
    deprecation: Json[Deprecation] | None
    created_at: datetime
    created_by: str
    updated_at: datetime


class VersionsPage(BaseModel):
    """Versions of a model, newest first."""

    versions: list[VersionSummary]
    next_page: str | None


class VersionAnswer(BaseModel):
    """A version with its gates, its whole history and, where Pelton trained it, its lineage."""

    model: str
    version: int
    stage: Stage
    description: str
    aliases: list[str]
    tags: dict[str, str]
    artifact: Digest | None
    source: str
    run_id: str | None
    logged_run: LoggedRun | None
    details: ModelVersion | None
    gates: list[Gate]
    evidence: Evidence | None
    deprecation: Deprecation | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    history: list[StageChange]
    approvals: list[Approval]
    lineage: Lineage | None


class Stored(BaseModel):
    """An artifact in the content-addressed store."""

    digest: Digest
    size: Annotated[int, Field(ge=1)]
