"""The route that says how far the sources have come."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from pelton.feature.api.doors import Doors, Viewer, time_of

LONGEST_WAIT = 30.0


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["features"])

    @router.get("/v1/watermarks")
    async def watermarks(
        actor: Viewer,  # noqa: ARG001
        source: str | None = None,
        until: AwareDatetime | None = None,
        timeout: Annotated[float, Query(ge=0, le=LONGEST_WAIT)] = 20.0,  # noqa: ASYNC109
    ) -> dict[str, str]:
        """How far each source has come; with `source` and `until`, waits until it is there or the time is up."""
        if source is not None and until is not None:
            doors.known_source(source)
            await doors.watermarks.reached(source, round(until.timestamp() * 1000), timeout)
        return {name: time_of(mark) for name, mark in sorted(doors.watermarks.all().items())}

    return router
