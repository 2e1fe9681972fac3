"""The route for features of rows at their own times."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
import pyarrow as pa
from fastapi import APIRouter, Query, Request, Response

from pelton.contracts.definitions.training import Known
from pelton.eventkit.failures import TransientError
from pelton.eventkit.problems import ProblemError
from pelton.feature import arrow
from pelton.feature.api.doors import Doors, Viewer
from pelton.feature.datasets import tables
from pelton.feature.datasets.history import ImpossibleDatasetError
from pelton.feature.datasets.queries import Rows, rows_of
from pelton.feature.selection import Selection, SelectionError

PATH: Final = "/v1/historical-features"
JSON: Final = "application/json"


class HistoricalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Features of rows: `rows` has a column for each key, for what transformations read, and `event_time`."""

    rows: dict[str, list[Any]]
    features: list[str] = []
    feature_service: str | None = None
    known: Known = "event_time"


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["datasets"])

    @router.post(PATH)
    async def historical_features(
        request: Request,
        actor: Viewer,
        features: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
        feature_service: str | None = None,
        known: Known = "event_time",
    ) -> Response:
        """Features of many rows, each at its own `event_time`, with `known=arrival` as serving knew them then.

        The body is Arrow's stream, Parquet, or JSON, which says in itself what the query says otherwise; the answer
        has the rows with a column for each feature, in the form of the body unless `accept` names another.
        """
        body, form = await request.body(), tables.form_of(request.headers.get("content-type", ""))
        if form == JSON:
            asked = _read(body)
            features, feature_service, known = asked.features, asked.feature_service, asked.known
            table = _table(asked.rows)
        else:
            table = await asyncio.to_thread(tables.read, body, form)
        selection = _selection(doors, features, feature_service)
        doors.access.reading_whole(actor, selection)
        answer = await _answer(doors, selection, table, known)
        form = tables.form_of(request.headers.get("accept", ""), form)
        return Response(await asyncio.to_thread(tables.write, answer, form), media_type=form)

    return router


async def _answer(doors: Doors, selection: Selection, table: pa.Table, known: Known) -> pa.Table:
    try:
        rows: Rows = rows_of(table)
        return await doors.history.answer(selection, rows, known)
    except ImpossibleDatasetError as error:
        raise ProblemError(422, "invalid-request", "The request is not valid", str(error)) from error
    except TransientError as error:
        raise ProblemError(503, "not-ready", "The offline store is not ready", str(error)) from error


def _selection(doors: Doors, features: list[str], service: str | None) -> Selection:
    try:
        return doors.history.selections.of_service(service) if service else doors.history.selections.of(features)
    except SelectionError as error:
        raise ProblemError(422, "unknown-features", "The request names what is not there", str(error)) from error


def _read(body: bytes) -> HistoricalRequest:
    try:
        return msgspec.json.decode(body, type=HistoricalRequest)
    except msgspec.ValidationError as error:
        raise ProblemError(422, "invalid-request", "The request is not valid", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(400, "malformed-json", "The body is not JSON", str(error)) from error


def _table(rows: dict[str, list[Any]]) -> pa.Table:
    columns = dict(rows)
    if arrow.EVENT_TIME in columns:
        columns[arrow.EVENT_TIME] = [_moment(text) for text in columns[arrow.EVENT_TIME]]
    try:
        return pa.table(columns)
    except (pa.ArrowException, OverflowError) as error:
        detail = f"`rows` needs columns of one length, each of one type: {error}"
        raise ProblemError(422, "invalid-request", "The request is not valid", detail) from error


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        detail = f"`event_time` has {text!r}; send times with a zone, such as 2013-03-01T12:00:00Z"
        raise ProblemError(422, "invalid-request", "The request is not valid", detail)
    return moment
