"""Routes of the quarantine: records that were set aside, and taking them in after all."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request

from pelton.eventkit.problems import FieldError, ProblemError, read_json
from pelton.feature import store
from pelton.feature.api.doors import Contributor, Doors, Viewer, verdict_of
from pelton.feature.submissions import Submission


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1", tags=["quarantine"])

    @router.get("/quarantine")
    async def quarantine(
        actor: Viewer,  # noqa: ARG001
        source: str,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[dict[str, Any]]:
        """Records of a source that were set aside, with what was wrong."""
        doors.known_source(source)
        async with doors.units.begin() as unit:
            return await store.quarantined(unit.connection, source, limit)

    @router.post("/quarantine/{record_id}/replay")
    async def replay(record_id: UUID, actor: Contributor, request: Request) -> dict[str, Any]:
        """Take a record in after all: as it is, or with the body of this request in its place."""
        async with doors.units.begin() as unit:
            found = await store.one_quarantined(unit.connection, record_id)
        if found is None:
            raise ProblemError(
                404, "unknown-record", "No such record", f"{record_id} is not set aside, or was replayed already"
            )
        source, event_id, raw = found
        data = _object(await request.body() or raw)
        verdict = await doors.events.take_again(source, Submission(event_id or str(record_id), data), actor.name)
        if verdict.status == "rejected":
            fields = [FieldError(fault.field, fault.detail, fault.fix) for fault in verdict.errors]
            raise ProblemError(422, "still-invalid", "The record is still not valid", "see `errors`", fields)
        async with doors.units.begin(actor=actor.name) as unit:
            await store.mark_replayed(unit.connection, record_id, doors.clock())
        return verdict_of(verdict)

    return router


def _object(body: bytes) -> dict[str, Any]:
    data = read_json(body)
    if not isinstance(data, dict):
        fix = "send the event's fields as one object in the body of the replay"
        raise ProblemError(422, "still-invalid", "The record is still not valid", "it is no JSON object; " + fix)
    return data
