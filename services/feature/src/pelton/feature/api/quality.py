"""The route that shows how a source keeps its rules."""

from typing import Any

from fastapi import APIRouter

from pelton.feature.api.doors import Doors, Viewer
from pelton.feature.quality import quarantine, store


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1", tags=["quality"])

    @router.get("/sources/{name}/quality")
    async def quality(name: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """A source's rules: how many events broke each, and whether the source as a whole breaks one now.

        `waiting` has how many records are set aside, by each rule or field that they did not keep.
        """
        doors.known_source(name)
        definition = doors.catalogue.validators[name].definition
        async with doors.units.begin() as unit:
            broken = await store.breaks(unit.connection, name, definition.digest)
            states = await store.states(unit.connection, name)
            waiting = await quarantine.reasons(unit.connection, name)
        rules: list[dict[str, Any]] = []
        for rule in definition.rules:
            told: dict[str, Any] = {"rule": rule.model_dump(mode="json", exclude_defaults=True) | {"kind": rule.kind}}
            if rule.kind in ("freshness", "volume"):
                state = states.get(rule.name)
                told |= {"broken": False, "detail": "", "since": None}
                if state is not None:
                    told |= {"broken": state.broken, "detail": state.detail, "since": state.since}
            else:
                told |= broken.get(rule.name) or {"events": 0, "events_of_version": 0, "last_at": None}
            rules.append(told)
        return {"source": name, "digest": definition.digest, "rules": rules, "waiting": waiting}

    return router
