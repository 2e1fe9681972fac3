"""What exists: models, versions, runs, lineage, and what waits for a decision. All read from the projections."""

from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import TypeAdapter
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.values import ModelVersion, Name
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.registry import projections, store
from pelton.registry.access.control import AccessControl, OnModel
from pelton.registry.access.reading import readable
from pelton.registry.api.answers import (
    Approval,
    ApprovalsPage,
    Lineage,
    ModelAnswer,
    ModelsPage,
    RunAnswer,
    RunsPage,
    StageChange,
    VersionAnswer,
    VersionsPage,
    VersionSummary,
)
from pelton.registry.api.paging import cut, decode_page, encode_page
from pelton.registry.domain.catalogue import LONGEST_NAME

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
Admin = Annotated[Actor, Depends(require(Role.ADMIN))]
Limit = Annotated[int, Query(ge=1, le=200)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
ModelName = Annotated[str, Path(min_length=1, max_length=LONGEST_NAME, pattern=r"^[^\x00/:]+$")]

BY_NAME: Final = TypeAdapter(str)
BY_NUMBER: Final = TypeAdapter(int)
BY_TIME: Final = TypeAdapter(tuple[datetime, str])
BY_TIME_AND_EVENT: Final = TypeAdapter(tuple[datetime, UUID])
FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def router(units: Units, access: AccessControl) -> APIRouter:
    """The routes that read."""
    routes = APIRouter()
    connect = units.engine.connect

    @routes.get("/models")
    async def list_models(actor: Viewer, limit: Limit = 50, page: str | None = None) -> ModelsPage:
        """Models by name."""
        after = decode_page(BY_NAME, page, "")
        async with connect() as connection:
            found = await store.rows(connection, store.MODELS, after=after, limit=limit + 1)
            shown, more = cut(found, limit)
            seen = await readable(access, connection, actor, shown, lambda row: OnModel(row["model"]))
        models = [ModelAnswer.model_validate(dict(row)) for row in seen]
        return ModelsPage(models=models, next_page=encode_page(BY_NAME, shown[-1]["model"]) if more else None)

    @routes.get("/models/{model}")
    async def show_model(model: ModelName, actor: Viewer) -> ModelAnswer:  # noqa: ARG001
        """One model."""
        async with connect() as connection:
            return await model_answer(connection, model)

    @routes.get("/models/{model}/versions")
    async def list_versions(
        model: ModelName,
        actor: Viewer,
        limit: Limit = 50,
        page: str | None = None,
    ) -> VersionsPage:
        """A model's versions, newest first."""
        before = decode_page(BY_NUMBER, page, 2**31 - 1)
        async with connect() as connection:
            await model_answer(connection, model)
            found = await store.rows(connection, store.VERSIONS, model=model, before=before, limit=limit + 1)
            shown, more = cut(found, limit)
            seen = await readable(access, connection, actor, shown, lambda row: OnModel(model, row["version"]))
        versions = [VersionSummary.model_validate(dict(row)) for row in seen]
        return VersionsPage(versions=versions, next_page=encode_page(BY_NUMBER, shown[-1]["version"]) if more else None)

    @routes.get("/models/{model}/versions/{version}")
    async def show_version(model: ModelName, version: Number, actor: Viewer) -> VersionAnswer:  # noqa: ARG001
        """One version: gates, history, approvals and lineage."""
        async with connect() as connection:
            return await version_answer(connection, model, version)

    @routes.get("/models/{model}/lineage/{version}")
    async def show_lineage(model: ModelName, version: Number, actor: Viewer) -> Lineage:  # noqa: ARG001
        """What a version was made of and by."""
        async with connect() as connection:
            found = await _version_row(connection, model, version)
        if found["details"] is None:
            raise ProblemError(
                404, "unknown-lineage", "Others made this version", f"{model} v{version} was not trained by Pelton"
            )
        return _lineage(model, found)

    @routes.post("/projections/rebuild")
    async def rebuild(actor: Admin) -> dict[str, int]:  # noqa: ARG001
        """Make what these routes read anew from the facts, as after a restore or a new version of the tables."""
        async with units.begin() as unit:
            return {"facts": await projections.rebuild(unit.connection)}

    routes.include_router(_across_models(units, access))
    return routes


def _across_models(units: Units, access: AccessControl) -> APIRouter:
    """The lists that are about no one model."""
    routes = APIRouter()
    connect = units.engine.connect

    @routes.get("/runs")
    async def list_runs(
        actor: Viewer,
        model: Name | None = None,
        limit: Limit = 50,
        page: str | None = None,
    ) -> RunsPage:
        """Runs, newest first."""
        time, run_id = decode_page(BY_TIME, page, (LAST, ""))
        async with connect() as connection:
            found = await store.rows(
                connection, store.RUNS, model=model, before_time=time, before_id=run_id, limit=limit + 1
            )
            shown, more = cut(found, limit)
            seen = await readable(access, connection, actor, shown, lambda row: OnModel(row["model"], row["version"]))
        last = (shown[-1]["finished_at"], shown[-1]["run_id"]) if more else None
        runs = [RunAnswer.model_validate(dict(row)) for row in seen]
        return RunsPage(runs=runs, next_page=last and encode_page(BY_TIME, last))

    @routes.get("/approvals")
    async def list_approvals(actor: Viewer, limit: Limit = 50, page: str | None = None) -> ApprovalsPage:
        """Approvals that wait for a person, oldest first."""
        time, event_id = decode_page(BY_TIME_AND_EVENT, page, (FIRST, UUID(int=0)))
        async with connect() as connection:
            found = await store.rows(connection, store.PENDING, after_time=time, after_id=event_id, limit=limit + 1)
            shown, more = cut(found, limit)
            seen = await readable(access, connection, actor, shown, lambda row: OnModel(row["model"], row["version"]))
        last = (shown[-1]["requested_at"], shown[-1]["event_id"]) if more else None
        waiting = [Approval.model_validate(dict(row)) for row in seen]
        return ApprovalsPage(approvals=waiting, next_page=last and encode_page(BY_TIME_AND_EVENT, last))

    return routes


async def model_answer(connection: AsyncConnection, model: str) -> ModelAnswer:
    """One model.

    Raises:
        ProblemError: 404.
    """
    row = await store.row(connection, store.MODEL, model=model)
    if row is None:
        raise ProblemError(
            404,
            "unknown-model",
            "No such model",
            f"no model {model!r} is registered; declare it (`pelton apply`) or create it first",
        )
    return ModelAnswer.model_validate(dict(row))


async def version_answer(connection: AsyncConnection, model: str, version: int) -> VersionAnswer:
    """One version with all that is known of it.

    Raises:
        ProblemError: 404.
    """
    row = await _version_row(connection, model, version)
    summary = VersionSummary.model_validate(dict(row))
    history = await store.rows(connection, store.STAGE_CHANGES, model=model, version=version)
    approvals = await store.rows(connection, store.APPROVALS_OF_VERSION, model=model, version=version)
    return VersionAnswer(
        model=model,
        **dict(summary),
        history=[StageChange.model_validate(dict(one)) for one in history],
        approvals=[Approval.model_validate(dict(one)) for one in approvals],
        lineage=_lineage(model, row) if summary.details is not None else None,
    )


async def _version_row(connection: AsyncConnection, model: str, version: int) -> RowMapping:
    row = await store.row(connection, store.VERSION, model=model, version=version)
    if row is None:
        known = await model_answer(connection, model)
        raise ProblemError(
            404,
            "unknown-version",
            "No such version",
            f"{model} has no version {version}; it has {known.versions} (see /v1/models/{model}/versions)",
        )
    return row


def _lineage(model: str, row: RowMapping) -> Lineage:
    details = ModelVersion.model_validate_json(row["details"])
    return Lineage(
        model=model,
        version=details.version,
        artifact=details.artifact,
        dataset=details.dataset,
        code=row["code"],
        definition=row["definition_digest"],
        views=details.views,
        training_id=details.training_id,
        run=RunAnswer.model_validate({**row, "model": model}),
    )
