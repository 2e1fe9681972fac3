"""Routes of datasets."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from pelton.eventkit.problems import ProblemError
from pelton.feature.api.doors import Doors, Viewer
from pelton.feature.datasets import store


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["datasets"])

    @router.get("/v1/datasets")
    async def datasets(actor: Viewer, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[dict[str, Any]]:  # noqa: ARG001
        """The newest datasets."""
        async with doors.units.begin() as unit:
            return await store.newest(unit.connection, limit)

    @router.get("/v1/datasets/{digest}")
    async def dataset(digest: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """One dataset: where it came from and what is in it."""
        async with doors.units.begin() as unit:
            found = await store.by_digest(unit.connection, digest)
        if found is None:
            raise ProblemError(404, "unknown-dataset", "No such dataset", f"{digest!r} was not made here")
        return found

    return router
