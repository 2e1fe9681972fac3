"""The routes that every service has for its operators: health, readiness, metrics, its events, its dead letters."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse

from pelton.contracts.canonical import sha256
from pelton.eventkit import dead_letters, store
from pelton.eventkit.asgi import require
from pelton.eventkit.dispatch import Dispatcher
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError

if TYPE_CHECKING:
    from pelton.eventkit.host import Service


def router(service: "Service", dispatcher: Dispatcher) -> APIRouter:
    """The operator's routes of a service."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process lives; nothing else is asked."""
        return {"status": "alive", "service": service.name}

    @routes.get("/readyz")
    async def readyz() -> JSONResponse:
        """Whether requests and events can be taken now; 503 with the reasons when not."""
        missing = await service.missing()
        return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)

    @routes.get("/metrics")
    async def metrics() -> Response:
        """Prometheus metrics."""
        return Response(service.metrics.render(), media_type="text/plain; version=0.0.4")

    if not service.stateless:
        routes.include_router(_stored(service, dispatcher))
    return routes


def _stored(service: "Service", dispatcher: Dispatcher) -> APIRouter:
    """What only a service with a database can answer."""
    routes = APIRouter()

    @routes.get("/v1/events")
    async def events(
        actor: Annotated[Actor, Depends(require(Role.VIEWER))],  # noqa: ARG001
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 500,
    ) -> list[dict[str, Any]]:
        """The service's own facts by position, as its event store holds them.

        `data_digest` is that of the stored bytes, which an auditor compares: bytes that were tampered with may be no
        text at all, and `data` then shows what can be shown.
        """
        async with service.engine.connect() as connection:
            rows = await store.page(connection, after, limit)
        return [
            row
            | {
                "data": row["data"].decode("utf-8", "replace"),
                "data_digest": sha256(row["data"]),
                "time": row["time"].isoformat(),
            }
            for row in rows
        ]

    @routes.get("/v1/dead-letters")
    async def list_dead_letters(
        actor: Annotated[Actor, Depends(require(Role.VIEWER))],  # noqa: ARG001
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[dict[str, Any]]:
        """Messages that could not be handled, newest first."""
        async with service.engine.connect() as connection:
            return await dead_letters.recent(connection, limit)

    @routes.post("/v1/dead-letters/{letter_id}/replay", status_code=204)
    async def replay(
        letter_id: UUID,
        actor: Annotated[Actor, Depends(require(Role.ADMIN))],  # noqa: ARG001
    ) -> None:
        """Handle a dead letter again; it stays where it is when that fails."""
        try:
            await dispatcher.replay(letter_id)
        except LookupError as error:
            raise ProblemError(404, "unknown-dead-letter", "No such dead letter", str(error)) from error
        except dead_letters.AlreadyReplayedError as error:
            raise ProblemError(409, "already-replayed", "The message was handled before", str(error)) from error
        except Exception as error:
            raise ProblemError(
                422, "still-failing", "The message still cannot be handled", f"{type(error).__name__}: {error}"
            ) from error

    return routes
