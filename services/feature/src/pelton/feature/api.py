"""The feature service's routes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from pelton.contracts.definitions import FeatureViewDefinition, SourceDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.topics import data_topic
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import FieldError, ProblemError, read_json
from pelton.eventkit.topics import ensure_topics
from pelton.eventkit.unit import Units
from pelton.feature import store
from pelton.feature.catalogue import Catalogue
from pelton.feature.domain import IncompatibleError, Source, View, apply, register
from pelton.feature.events import EventDoor, Verdict
from pelton.feature.fields import fields_read
from pelton.feature.online import FeastError, online_features
from pelton.feature.submissions import Submission, read_document, read_lines
from pelton.feature.validation import InvalidSchemaError, check_definition
from pelton.feature.watermarks import Watermarks
from pelton.tiles.expressions import Expression, ExpressionError
from pelton.tiles.reader import TileReader

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
Contributor = Annotated[Actor, Depends(require(Role.CONTRIBUTOR))]
NDJSON = "application/x-ndjson"
LONGEST_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Doors:
    """What the routes work on."""

    units: Units
    catalogue: Catalogue
    events: EventDoor
    tiles: TileReader
    watermarks: Watermarks
    kafka: str
    clock: Callable[[], datetime]


def router(doors: Doors) -> APIRouter:
    """All routes of the feature service."""
    routes = APIRouter()
    for part in (_definitions(doors), _events(doors), _reading(doors), _quarantine(doors)):
        routes.include_router(part)
    return routes


def _definitions(doors: Doors) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["definitions"])

    @routes.post("/sources")
    async def register_source(definition: SourceDefinition, actor: Contributor) -> dict[str, Any]:
        """Register a source, or change it; the same definition again changes nothing."""
        try:
            check_definition(definition)
        except InvalidSchemaError as error:
            raise ProblemError(422, "invalid-schema", "The source's schema is not usable", str(error)) from error
        await ensure_topics(doors.kafka, {data_topic(definition.name): 1})
        async with doors.units.begin(actor=actor.name) as unit:
            source = await unit.load(Source, definition.name)
            facts = _compatible(lambda: register(source, definition, _used_fields(doors, definition.name)))
            await unit.append(source, facts)
            await store.save_source(unit.connection, definition)
        doors.catalogue.add_source(definition)
        return {"name": definition.name, "digest": definition.digest, "changed": bool(facts)}

    @routes.get("/sources")
    async def list_sources(actor: Viewer) -> list[dict[str, Any]]:  # noqa: ARG001
        """Every source, how far it has come, and how many of its records are set aside."""
        async with doors.units.begin() as unit:
            counts = await store.quarantine_counts(unit.connection)
        known = sorted(doors.catalogue.validators)
        return [_source(doors, name) | {"quarantined": counts.get(name, 0)} for name in known]

    @routes.get("/sources/{name}")
    async def get_source(name: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """One source with its definition, how far it has come, and how many of its records are set aside."""
        _known_source(doors, name)
        async with doors.units.begin() as unit:
            counts = await store.quarantine_counts(unit.connection)
        return _source(doors, name) | {"quarantined": counts.get(name, 0)}

    @routes.post("/feature-views")
    async def apply_view(definition: FeatureViewDefinition, actor: Contributor) -> dict[str, Any]:
        """Apply a feature view; another definition under the same name is a new version beside the old."""
        for place, aggregate in enumerate(definition.aggregates):
            for field in ("value", "where"):
                _check_expression(getattr(aggregate, field), f"aggregates[{place}].{field}")
        async with doors.units.begin(actor=actor.name) as unit:
            source = await unit.load(Source, definition.source)
            view = await unit.load(View, definition.name)
            facts = _compatible(lambda: apply(view, definition, source))
            await unit.append(view, facts)
            await store.save_view(unit.connection, definition, doors.clock())
        doors.catalogue.add_view(definition)
        return {"name": definition.name, "digest": definition.digest, "changed": bool(facts)}

    @routes.get("/feature-views")
    async def list_views(actor: Viewer) -> list[dict[str, Any]]:  # noqa: ARG001
        """Every version of every feature view."""
        return [_view(view) for view in doors.catalogue.views]

    @routes.get("/feature-views/{name}")
    async def get_view(name: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """The newest version of a feature view."""
        view = doors.catalogue.newest_view(name)
        if view is None:
            known = ", ".join(sorted({one.name for one in doors.catalogue.views})) or "none yet"
            raise ProblemError(404, "unknown-view", "No such feature view", f"{name!r} is not among: {known}")
        return _view(view)

    return routes


def _events(doors: Doors) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["events"])

    @routes.post("/events")
    async def post_events(request: Request, actor: Contributor, source: str | None = None) -> JSONResponse:
        """Take one event, or many, of a source: a JSON document, or NDJSON with the source in the query.

        202: all were taken, or were known already; 207: some were rejected, and the others taken; 422: all were
        rejected. The body says what became of each, with the field that was wrong and what to do.
        """
        name, events = await _submitted(request, source, doors)
        _known_source(doors, name)
        verdicts = await doors.events.take(name, events, actor.name)
        counts = {status: sum(one.status == status for one in verdicts) for status in _STATUSES}
        return JSONResponse({"source": name, **counts, "events": [_verdict(one) for one in verdicts]}, _status(counts))

    return routes


def _reading(doors: Doors) -> APIRouter:
    routes = APIRouter(tags=["features"])

    @routes.post("/get-online-features")
    async def get_online_features(request: Request, actor: Viewer) -> Response:  # noqa: ARG001
        """Features of entities, in Feast's format; `at` gives the event time of each row."""
        body = read_json(await request.body())
        for field in ("entities", "features"):
            if not isinstance(body, dict) or field not in body:
                missing = [{"type": "missing", "loc": ["body", field], "msg": "Field required"}]
                return JSONResponse({"detail": missing}, 422)
        try:
            now_ms = round(doors.clock().timestamp() * 1000)
            answer = online_features(doors.catalogue, doors.tiles, body, now_ms)
        except FeastError as error:
            return Response(error.body, error.status, media_type="application/json")
        return Response(msgspec.json.encode(answer), media_type="application/json")

    @routes.get("/v1/watermarks")
    async def watermarks(
        actor: Viewer,  # noqa: ARG001
        source: str | None = None,
        until: AwareDatetime | None = None,
        timeout: Annotated[float, Query(ge=0, le=LONGEST_WAIT)] = 20.0,  # noqa: ASYNC109
    ) -> dict[str, str]:
        """How far each source has come; with `source` and `until`, waits until it is there or the time is up."""
        if source is not None and until is not None:
            _known_source(doors, source)
            await doors.watermarks.reached(source, round(until.timestamp() * 1000), timeout)
        return {name: _text(mark) for name, mark in sorted(doors.watermarks.all().items())}

    @routes.get("/v1/datasets")
    async def datasets(actor: Viewer, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[dict[str, Any]]:  # noqa: ARG001
        """The newest datasets."""
        async with doors.units.begin() as unit:
            return await store.datasets(unit.connection, limit)

    @routes.get("/v1/datasets/{digest}")
    async def dataset(digest: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """One dataset: where it came from and what is in it."""
        async with doors.units.begin() as unit:
            found = await store.dataset(unit.connection, digest)
        if found is None:
            raise ProblemError(404, "unknown-dataset", "No such dataset", f"{digest!r} was not made here")
        return found

    return routes


def _quarantine(doors: Doors) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["quarantine"])

    @routes.get("/quarantine")
    async def quarantine(
        actor: Viewer,  # noqa: ARG001
        source: str,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[dict[str, Any]]:
        """Records of a source that were set aside, with what was wrong."""
        _known_source(doors, source)
        async with doors.units.begin() as unit:
            return await store.quarantined(unit.connection, source, limit)

    @routes.post("/quarantine/{record_id}/replay")
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
        return _verdict(verdict)

    return routes


def _object(body: bytes) -> dict[str, Any]:
    data = read_json(body)
    if not isinstance(data, dict):
        fix = "send the event's fields as one object in the body of the replay"
        raise ProblemError(422, "still-invalid", "The record is still not valid", "it is no JSON object; " + fix)
    return data


_STATUSES = ("accepted", "duplicate", "rejected")


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


def _known_source(doors: Doors, name: str) -> None:
    if name not in doors.catalogue.validators:
        known = ", ".join(sorted(doors.catalogue.validators)) or "none yet"
        raise ProblemError(
            404, "unknown-source", "No such source", f"{name!r} is not registered; registered are: {known}"
        )


def _compatible(decide: Callable[[], Sequence[Fact]]) -> Sequence[Fact]:
    try:
        return decide()
    except IncompatibleError as error:
        raise ProblemError(409, "incompatible", "This would break what is there", str(error)) from error


def _check_expression(text: str | None, field: str) -> None:
    if text is None:
        return
    try:
        Expression.parse(text)
    except ExpressionError as error:
        raise ProblemError(
            422, "invalid-expression", "An expression is not valid", str(error), [FieldError(field, str(error))]
        ) from error


def _used_fields(doors: Doors, source: str) -> frozenset[str]:
    return frozenset().union(*(fields_read(view) for view in doors.catalogue.views_of(source)))


def _source(doors: Doors, name: str) -> dict[str, Any]:
    definition = doors.catalogue.validators[name].definition
    mark = doors.watermarks.get(name)
    return {
        "name": name,
        "digest": definition.digest,
        "definition": definition.model_dump(mode="json"),
        "watermark": _text(mark) if mark is not None else None,
        "events": doors.events.counted(name),
    }


def _view(view: FeatureViewDefinition) -> dict[str, Any]:
    return {
        "name": view.name,
        "digest": view.digest,
        "definition": view.model_dump(mode="json"),
        "features": list(view.feature_names),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": verdict.id, "status": verdict.status}
    if verdict.errors:
        answer["errors"] = [asdict(fault) for fault in verdict.errors]
    return answer


def _text(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
