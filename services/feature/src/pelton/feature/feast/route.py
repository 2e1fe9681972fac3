"""A route that answers every error in Feast's format."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from pelton.eventkit.problems import ProblemError
from pelton.feature.feast.errors import FeastError, dialect

MEDIA_TYPE = "application/json"


class FeastRoute(APIRoute):
    """A route of Feast's interface."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, whose errors are answers."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except FeastError as error:
                return Response(error.body, error.status, media_type=MEDIA_TYPE)
            except ProblemError as problem:
                return Response(dialect(problem), problem.status, media_type=MEDIA_TYPE)

        return answered
