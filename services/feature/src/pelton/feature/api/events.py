"""The route that takes events in."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from pelton.eventkit.problems import FieldError, ProblemError
from pelton.feature.access import Action
from pelton.feature.api.doors import Contributor, Doors, verdict_of
from pelton.feature.submissions import Submission, read_document, read_lines

NDJSON = "application/x-ndjson"
_STATUSES = ("accepted", "duplicate", "rejected")


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1", tags=["events"])

    @router.post("/events")
    async def post_events(request: Request, actor: Contributor, source: str | None = None) -> JSONResponse:
        """Take one event, or many, of a source: a JSON document, or NDJSON with the source in the query.

        202: all were taken, or were known already; 207: some were rejected, and the others taken; 422: all were
        rejected. The body says what became of each, with the field that was wrong and what to do.
        """
        name, events = await _submitted(request, source, doors)
        doors.known_source(name)
        doors.access.permit(actor, Action.WRITE, sources=[name])
        verdicts = await doors.events.take(name, events, actor.name)
        counts = {status: sum(one.status == status for one in verdicts) for status in _STATUSES}
        return JSONResponse(
            {"source": name, **counts, "events": [verdict_of(one) for one in verdicts]}, _status(counts)
        )

    return router


def _status(counts: dict[str, int]) -> int:
    if not counts["rejected"]:
        return 202
    return 207 if counts["accepted"] or counts["duplicate"] else 422


async def _submitted(request: Request, source: str | None, doors: Doors) -> tuple[str, list[Submission]]:
    """The source and the events of a request, in either of the two forms."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != NDJSON:
        return read_document(await request.body(), lambda: str(doors.units.new_id()))
    if source is None:
        fix = "send NDJSON to /v1/events?source=..."
        raise ProblemError(
            422, "invalid-request", "The request is not valid", fix, [FieldError("source", "missing", fix)]
        )
    return source, read_lines(await request.body())
