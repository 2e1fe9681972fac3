"""Routes of the offline store: how much of each source is kept, and what it looks like."""

from typing import Any

from fastapi import APIRouter

from pelton.feature.access import Action
from pelton.feature.api.doors import Doors, Viewer
from pelton.feature.offline import store


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1", tags=["datasets"])

    @router.get("/offline-store")
    async def offline_store(actor: Viewer) -> list[dict[str, Any]]:  # noqa: ARG001
        """What the offline store has of each source, what its retention is and what was dropped for it."""
        async with doors.units.begin() as unit:
            found = await store.summary(unit.connection)
        sources = {name: one.definition for name, one in doors.catalogue.validators.items()}
        return [
            one | {"retention": sources[one["source"]].retention if one["source"] in sources else None} for one in found
        ]

    @router.get("/offline-store/{source}")
    async def stored_source(source: str, actor: Viewer) -> dict[str, Any]:
        """How many events of a source are stored, when, how many were late, and each field's nulls, least and most."""
        doors.known_source(source)
        doors.access.permit(actor, Action.READ, sources=[source])
        found = await doors.offline.statistics(source)
        masked = doors.access.masked_fields(actor, source)
        return {name: told for name, told in found.items() if name.rpartition("__")[0] not in masked}

    return router
