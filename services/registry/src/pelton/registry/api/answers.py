"""What the registry answers; text columns that hold JSON are read here."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, Json

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.registry import Gate
from pelton.contracts.values import Artifact, Digest, Environment, ModelVersion, Stage

Parameter = str | int | float | bool | None


class Registered(BaseModel):
    """What a declaration came to."""

    model: str
    status: Literal["created", "changed", "unchanged"]
    definition_digest: Digest
    code: Digest


class ModelAnswer(BaseModel):
    """A model. `previous` is what a rollback would take back; `pending` are the versions that wait for a person."""

    model: str
    definition: Json[ModelDefinition]
    definition_digest: Digest
    code: Digest
    champion: int | None
    previous: int | None
    versions: int
    pending: list[int]
    registered_at: datetime
    registered_by: str


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


class Approval(BaseModel):
    """A request to let a version into production, and what became of it.

    `role` and `requested_by` are empty where the policy granted without being asked.
    """

    event_id: UUID
    model: str
    version: int
    artifact: Digest
    role: str | None
    requested_by: str | None
    requested_at: datetime
    status: Literal["pending", "granted", "denied", "withdrawn"]
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
    """A version in a list."""

    version: int
    stage: Stage
    details: Json[ModelVersion]
    gates: Json[list[Gate]]
    created_at: datetime


class VersionsPage(BaseModel):
    """Versions of a model, newest first."""

    versions: list[VersionSummary]
    next_page: str | None


class VersionAnswer(BaseModel):
    """A version with its gates, its whole history and its lineage."""

    model: str
    version: int
    stage: Stage
    details: ModelVersion
    gates: list[Gate]
    created_at: datetime
    history: list[StageChange]
    approvals: list[Approval]
    lineage: Lineage


class Stored(BaseModel):
    """An artifact in the content-addressed store."""

    digest: Digest
    size: Annotated[int, Field(ge=1)]
