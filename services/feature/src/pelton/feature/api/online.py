"""The route that Feast's clients read features by."""

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from pelton.eventkit.problems import read_json
from pelton.feature.api.doors import Doors, Viewer
from pelton.feature.online import FeastError, online_features


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["features"])

    @router.post("/get-online-features")
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

    return router
