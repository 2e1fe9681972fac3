"""The route for features of many entities at once, as JSON or as Arrow."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from fastapi import APIRouter, Query, Request, Response

from pelton.eventkit.identity import Actor
from pelton.eventkit.problems import FieldError, ProblemError
from pelton.feature import arrow
from pelton.feature.api.doors import Doors, Viewer
from pelton.feature.online import PRESENT, OnlineFeatures
from pelton.feature.selection import Selection, SelectionError, UnknownServiceError, UnknownViewError
from pelton.tiles.errors import TilesError

PATH: Final = "/v1/online-features"
_MISSING: Final = (UnknownViewError, UnknownServiceError)


class OnlineRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Features of rows: `entities` has a column for each key, and for what transformations read of the request.

    `features` lists `view:feature`; or `feature_service` names them. `at` is the moment of each row, by default now.
    """

    entities: dict[str, list[Any]]
    features: list[str] = []
    feature_service: str | None = None
    at: list[Annotated[datetime, msgspec.Meta(tz=True)]] | None = None


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["features"])

    @router.post(PATH)
    async def online_features(
        request: Request,
        actor: Viewer,
        features: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
        feature_service: str | None = None,
    ) -> Response:
        """Features of many rows, each at its moment.

        As `application/vnd.apache.arrow.stream` the body has the rows, their moments in `event_time`, and the query
        says which features; the answer has the rows with a column for each feature. As JSON the body says it all.
        """
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await request.body()
        now = doors.clock()
        if media_type == arrow.MEDIA_TYPE:
            answer, selection = await asyncio.to_thread(_arrow, doors, actor, body, (features, feature_service), now)
        else:
            media_type = "application/json"
            answer, selection = await asyncio.to_thread(_json, doors, actor, body, now)
        response = Response(answer, media_type=media_type)
        response.raw_headers.extend(doors.online.notices(selection, now))
        return response

    return router


def _arrow(
    doors: Doors, actor: Actor, body: bytes, asked: tuple[Sequence[str], str | None], now: datetime
) -> tuple[bytes, Selection]:
    table = arrow.read(body)
    try:
        selection = _select(doors.online, *asked)
        masked = doors.access.reading(actor, selection)
        columns = doors.online.columns(selection, arrow.keys(table), arrow.moments(table, _ms(now)), masked)
    except (SelectionError, TilesError) as error:
        raise _problem(error) from error
    for name, column in arrow.features(selection.features, columns).items():
        table = table.append_column(name, column)
    return arrow.write(table), selection


def _json(doors: Doors, actor: Actor, body: bytes, now: datetime) -> tuple[bytes, Selection]:
    asked = _read(body)
    rows = _rows(asked)
    at_ms = np.full(rows, _ms(now), dtype=np.int64)
    if asked.at is not None:
        at_ms = np.array([_ms(moment) for moment in asked.at], dtype=np.int64)
    try:
        selection = _select(doors.online, asked.features, asked.feature_service)
        answers = doors.online.read(selection, asked.entities, at_ms, doors.access.reading(actor, selection))
    except (SelectionError, TilesError) as error:
        raise _problem(error) from error
    told = {
        one.feature.full_name: {
            "values": one.values,
            "statuses": one.statuses or [PRESENT] * rows,
            "times": [datetime.fromtimestamp(moment / 1000, UTC) for moment in one.times_ms],
        }
        for one in answers
    }
    return msgspec.json.encode({"features": told}), selection


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _select(online: OnlineFeatures, features: Sequence[str], service: str | None) -> Selection:
    return online.selections.of_service(service) if service else online.selections.of(features)


def _read(body: bytes) -> OnlineRequest:
    try:
        return msgspec.json.decode(body, type=OnlineRequest)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        field = place.strip("`").removeprefix("$.")
        raise ProblemError(
            422, "invalid-request", "The request is not valid", str(error), [FieldError(field, message)]
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(400, "malformed-json", "The body is not JSON", str(error)) from error


def _rows(asked: OnlineRequest) -> int:
    lengths = {len(values) for values in asked.entities.values()}
    lengths |= {len(asked.at)} if asked.at is not None else set()
    if len(lengths) != 1:
        detail = (
            "`entities`, and `at` if it is there, need one value a row; their lengths are different, or there are none"
        )
        raise ProblemError(422, "invalid-request", "The request is not valid", detail, [FieldError("entities", detail)])
    return lengths.pop()


def _problem(error: SelectionError | TilesError) -> ProblemError:
    if isinstance(error, TilesError):
        return ProblemError(503, "store-unreadable", "The online store cannot be read", str(error))
    if isinstance(error, _MISSING):
        return ProblemError(404, "unknown-features", "No such features", str(error))
    return ProblemError(422, "invalid-request", "The request is not valid", str(error))
