"""Routes of the quarantine: records that were set aside, taking them in after all, or letting them be."""

import base64
import binascii
import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from pelton.eventkit.identity import Actor
from pelton.eventkit.problems import FieldError, ProblemError, read_json
from pelton.feature.access import Action
from pelton.feature.api.doors import Contributor, Doors, Viewer, verdict_of
from pelton.feature.quality import quarantine
from pelton.feature.quality.quarantine import Place, Record, Selection
from pelton.feature.submissions import Submission

Rule = Annotated[str | None, Query(description="A rule of the source, or a field of its schema, that was not kept.")]


class Discard(BaseModel):
    """Why records are let be."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1", tags=["quarantine"])
    _looking(router, doors)
    _replaying(router, doors)
    _discarding(router, doors)
    return router


def _looking(router: APIRouter, doors: Doors) -> None:
    @router.get("/quarantine")
    async def list_records(
        actor: Viewer,
        source: str,
        rule: Rule = None,
        event_id: str | None = None,
        status: Literal["waiting", "replayed", "discarded", "all"] = "waiting",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        page: str | None = None,
    ) -> dict[str, Any]:
        """Records of a source that were set aside, the newest first, with what was wrong and what became of them."""
        doors.known_source(source)
        doors.access.permit(actor, Action.READ, sources=[source])
        async with doors.units.begin() as unit:
            found = await quarantine.page(
                unit.connection,
                Selection(source, rule, event_id),
                None if status == "all" else status,
                limit=limit + 1,
                after=None if page is None else _place(page),
                newest_first=True,
            )
        shown = found[:limit]
        return {
            "records": [_told(doors, actor, one) for one in shown],
            "next_page": _token(shown[-1]) if len(found) > limit else None,
        }

    @router.get("/quarantine/{record_id}")
    async def get_record(record_id: UUID, actor: Viewer) -> dict[str, Any]:
        """One record that was set aside, whole."""
        async with doors.units.begin() as unit:
            found = await quarantine.one(unit.connection, record_id)
        if found is None:
            raise _unknown(record_id)
        doors.access.permit(actor, Action.READ, sources=[found.source])
        return _told(doors, actor, found)


def _replaying(router: APIRouter, doors: Doors) -> None:
    @router.post("/quarantine/replay")
    async def replay_all(
        actor: Contributor, source: str, rule: Rule = None, event_id: str | None = None, *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Take in all waiting records of a source, or of a rule, that pass by now; the others go on waiting."""
        doors.known_source(source)
        doors.access.permit(actor, Action.WRITE, sources=[source])
        replayed = await doors.replays.replay(Selection(source, rule, event_id), actor.name, dry_run=dry_run)
        return {"source": source, "dry_run": dry_run} | replayed.told()

    @router.post("/quarantine/{record_id}/replay")
    async def replay(record_id: UUID, actor: Contributor, request: Request) -> dict[str, Any]:
        """Take a record in after all: as it is, or with the body of this request in its place."""
        found = await _waiting(doors, record_id, actor)
        data = _object(await request.body() or found.raw)
        event = Submission(found.event_id or str(record_id), data)
        (verdict,) = await doors.events.take_again(found.source, [event], actor.name)
        if verdict.status == "rejected":
            fields = [FieldError(fault.field, fault.detail, fault.fix) for fault in verdict.errors]
            raise ProblemError(422, "still-invalid", "The record is still not valid", "see `errors`", fields)
        async with doors.units.begin(actor=actor.name) as unit:
            await quarantine.mark_replayed(unit.connection, [record_id], actor.name, doors.clock())
        return verdict_of(verdict)


def _discarding(router: APIRouter, doors: Doors) -> None:
    @router.post("/quarantine/discard")
    async def discard_all(
        body: Discard, actor: Contributor, source: str, rule: Rule = None, event_id: str | None = None
    ) -> dict[str, Any]:
        """Let all waiting records of a source be, or of a rule. They are kept, with the reason and who gave it."""
        doors.known_source(source)
        doors.access.permit(actor, Action.WRITE, sources=[source])
        selection = Selection(source, rule, event_id)
        async with doors.units.begin(actor=actor.name) as unit:
            count = await quarantine.discard_all(unit.connection, selection, actor.name, body.reason, unit.now())
        return {"source": source, "discarded": count}

    @router.post("/quarantine/{record_id}/discard")
    async def discard(record_id: UUID, body: Discard, actor: Contributor) -> dict[str, Any]:
        """Let a record be. It is kept, with the reason and who gave it."""
        await _waiting(doors, record_id, actor)
        async with doors.units.begin(actor=actor.name) as unit:
            await quarantine.discard(unit.connection, [record_id], actor.name, body.reason, unit.now())
            found = await quarantine.one(unit.connection, record_id)
        if found is None:
            raise _unknown(record_id)
        return _told(doors, actor, found)


async def _waiting(doors: Doors, record_id: UUID, actor: Actor) -> Record:
    async with doors.units.begin() as unit:
        found = await quarantine.one(unit.connection, record_id)
    if found is None or found.status != "waiting":
        raise _unknown(record_id)
    doors.access.permit(actor, Action.WRITE, sources=[found.source])
    return found


def _told(doors: Doors, actor: Actor, record: Record) -> dict[str, Any]:
    answer = asdict(record) | {"raw": record.raw.decode("utf-8", "replace"), "status": record.status}
    if doors.access.masked_fields(actor, record.source):
        # What is wrong with a value may quote it, and a record that is no event may have anything anywhere.
        answer |= {"raw": None, "faults": [{"field": one["field"]} for one in record.faults]}
    return answer


def _unknown(record_id: UUID) -> ProblemError:
    detail = f"{record_id} is not set aside, or was replayed or discarded already"
    return ProblemError(404, "unknown-record", "No such record", detail)


def _object(body: bytes) -> dict[str, Any]:
    data = read_json(body)
    if not isinstance(data, dict):
        fix = "send the event's fields as one object in the body of the replay"
        raise ProblemError(422, "still-invalid", "The record is still not valid", "it is no JSON object; " + fix)
    return data


def _token(record: Record) -> str:
    return base64.urlsafe_b64encode(json.dumps([record.received_at.isoformat(), str(record.id)]).encode()).decode()


def _place(page: str) -> Place:
    try:
        moment, id_ = json.loads(base64.urlsafe_b64decode(page))
        return datetime.fromisoformat(moment), UUID(id_)
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        fault = FieldError("page", "not a token of this list", "pass `next_page` of the page before, or leave it out")
        raise ProblemError(422, "invalid-page", "This is no page", "see `errors`", [fault]) from error
