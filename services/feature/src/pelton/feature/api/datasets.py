"""Routes of datasets: made on request, listed, shown, compared and downloaded."""

import asyncio
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from pelton.contracts.feature import DatasetProfile
from pelton.eventkit.identity import Actor
from pelton.eventkit.problems import ProblemError
from pelton.feature.access.datasets import permit_content, permit_query, withheld
from pelton.feature.api.doors import Contributor, Doors, Viewer
from pelton.feature.datasets import store, tables
from pelton.feature.datasets.differences import differences
from pelton.feature.datasets.history import ImpossibleDatasetError
from pelton.feature.datasets.queries import DatasetQuery, rows_of
from pelton.feature.handlers import DATASET
from pelton.feature.selection import SelectionError
from pelton.objects import ObjectNotFoundError

ROWS_PATH: Final = "/v1/dataset-rows"


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["datasets"])

    @router.post("/v1/datasets", status_code=202)
    async def make_dataset(
        query: DatasetQuery, actor: Contributor, idempotency_key: Annotated[str | None, Header()] = None
    ) -> dict[str, Any]:
        """Ask for a dataset; it is made in the background. `GET /v1/dataset-requests/{id}` says what became of it."""
        return await _ask(doors, query, actor, idempotency_key)

    @router.post(ROWS_PATH, status_code=201)
    async def keep_rows(request: Request, actor: Contributor) -> dict[str, Any]:  # noqa: ARG001
        """Keep rows, as Arrow's stream or Parquet with their moments in `event_time`, to make datasets of.

        Their digest is what a query names as its `rows`.
        """
        form = tables.form_of(request.headers.get("content-type", ""))
        table = await asyncio.to_thread(tables.read, await request.body(), form)
        try:
            rows = rows_of(table)
        except ImpossibleDatasetError as error:
            raise ProblemError(422, "invalid-request", "The request is not valid", str(error)) from error
        kept = await asyncio.to_thread(tables.write, rows.table, tables.PARQUET)
        return {"digest": await doors.objects.put(kept), "rows": rows.table.num_rows}

    @router.get("/v1/dataset-requests/{request_id}")
    async def dataset_request(request_id: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """What became of a request for a dataset: `waiting`, `made` with its digest, or `failed` with the reason."""
        async with doors.units.begin() as unit:
            found = await store.request(unit.connection, request_id)
        if found is None:
            raise ProblemError(404, "unknown-request", "No such request", f"{request_id!r} asked for no dataset here")
        status = "made" if found["dataset"] else "failed" if found["failure"] else "waiting"
        return found | {"status": status, "asked_at": found["asked_at"].isoformat()}

    @router.get("/v1/datasets")
    async def datasets(actor: Viewer, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[dict[str, Any]]:  # noqa: ARG001
        """The newest datasets."""
        async with doors.units.begin() as unit:
            return await store.newest(unit.connection, limit)

    @router.get("/v1/datasets/{digest}")
    async def dataset(digest: str, actor: Viewer) -> dict[str, Any]:
        """One dataset: where it came from and what is in it, with the statistics of what its reader may see."""
        found = await _known(doors, digest)
        told = await _profile(doors, actor, found)
        return found | {"statistics": told.model_dump(mode="json") if told else None}

    @router.get("/v1/datasets/{digest}/diff/{other}")
    async def diff(digest: str, other: str, actor: Viewer) -> dict[str, Any]:
        """What another dataset differs in from this one: rows, columns, what it was made of, statistics."""
        before, after = await _known(doors, digest), await _known(doors, other)
        return differences(before, after, (await _profile(doors, actor, before), await _profile(doors, actor, after)))

    @router.get("/v1/datasets/{digest}/content")
    async def content(digest: str, actor: Viewer) -> Response:
        """A dataset's rows, as the Parquet file whose SHA-256 is its digest."""
        found = await _known(doors, digest)
        async with doors.units.begin() as unit:
            await permit_content(doors.access, unit.connection, actor, found)
        try:
            size = await doors.objects.size(digest)
        except ObjectNotFoundError as error:
            raise ProblemError(410, "dataset-gone", "The dataset's rows are gone", str(error)) from error
        name = f"{found.get('name') or found['model']}-{digest[7:19]}.parquet"
        return StreamingResponse(
            doors.objects.stream(digest),
            media_type=tables.PARQUET,
            headers={"content-length": str(size), "content-disposition": f'attachment; filename="{name}"'},
        )

    return router


async def _ask(doors: Doors, query: DatasetQuery, actor: Actor, key: str | None) -> dict[str, Any]:
    """Leave a dataset to a job; the same key of the same person asks for one only.

    Raises:
        ProblemError: 422, the query names features that are not registered; 403, it was not granted.
    """
    try:
        selection = doors.history.select(query)
    except SelectionError as error:
        raise ProblemError(422, "unknown-features", "The query names what is not there", str(error)) from error
    id_ = str(doors.units.new_id()) if key is None else sha256(f"{actor.name}\0{key}".encode()).hexdigest()[:32]
    async with doors.units.begin(actor=actor.name) as unit:
        await permit_query(doors.access, unit.connection, actor, query, selection)
        await store.ask(unit.connection, id_, query.model_dump(mode="json"), actor.name, doors.clock())
        await unit.enqueue(DATASET, id_, {"id": id_})
    return {"id": id_, "status": "waiting"}


async def _known(doors: Doors, digest: str) -> dict[str, Any]:
    async with doors.units.begin() as unit:
        found = await store.by_digest(unit.connection, digest)
    if found is None:
        raise ProblemError(404, "unknown-dataset", "No such dataset", f"{digest!r} was not made here")
    return found


async def _profile(doors: Doors, actor: Actor, found: dict[str, Any]) -> DatasetProfile | None:
    async with doors.units.begin() as unit:
        hidden = await withheld(doors.access, unit.connection, actor, found)
    if not found.get("profile"):
        return None
    try:
        whole = DatasetProfile.model_validate_json(await doors.objects.get(found["profile"]))
    except ObjectNotFoundError:
        return None
    return whole.model_copy(
        update={"columns": {name: one for name, one in whole.columns.items() if name not in hidden}}
    )
