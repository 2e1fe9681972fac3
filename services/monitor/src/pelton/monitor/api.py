"""The monitor's routes: windows, what stands against a model, and how far it has come."""

import re
from datetime import datetime
from time import monotonic
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from pelton.contracts.values import Name
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.monitor import findings, store
from pelton.monitor.domain import Episode, Monitor
from pelton.monitor.processor import WindowProcessor

# An id of 63 bits in hexadecimal: what PostgreSQL takes for one.
PAGE: Final = re.compile(r"[0-7]?[0-9a-f]{1,15}")
# A process that stands by hears of no batch: it looks how far the leader has come.
LOOK_EVERY_SECONDS: Final = 1.0

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]


def router(units: Units, processor: WindowProcessor) -> APIRouter:
    """The monitor's own routes."""
    routes = APIRouter(prefix="/v1", tags=["monitor"])

    @routes.get("/windows")
    async def windows(
        actor: Viewer,  # noqa: ARG001
        model: Name | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        page: str | None = None,
    ) -> dict[str, Any]:
        """Closed windows, newest first; `next` is the `page` of the older ones."""
        async with units.begin() as unit:
            found = await store.windows(unit.connection, model, _before(page), limit + 1)
        shown = found[:limit]
        return {
            "windows": [_window(one) for one in shown],
            "next": format(shown[-1]["id"], "x") if len(found) > limit else None,
        }

    @routes.get("/monitors/{model}")
    async def monitor(model: Name, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """What a model is compared with, what stands against it, and how far its windows have come."""
        async with units.begin() as unit:
            marks = await _marks(unit, processor, model)
            drift, degradation = await _standing(unit, model)
            pins = await store.model_pins(unit.connection, model)
        return {
            "model": model,
            "drift": _episode(drift),
            "degradation": _episode(degradation),
            "references": pins,
            "watermarks": marks,
        }

    @routes.get("/alerts")
    async def alerts(actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """Every drift and every degradation that stands now."""
        found = []
        async with units.begin() as unit:
            for name in await store.models(unit.connection):
                for kind, episode in zip(("drift", "degradation"), await _standing(unit, name), strict=True):
                    if episode is not None:
                        found.append({"model": name, "kind": kind, **(_episode(episode) or {})})
        return {"alerts": found}

    @routes.get("/watermarks")
    async def watermarks(
        actor: Viewer,  # noqa: ARG001
        model: Name,
        until: AwareDatetime | None = None,
        timeout: Annotated[float, Query(ge=0, le=60)] = 20.0,  # noqa: ASYNC109 - how long the caller can wait
    ) -> dict[str, Any]:
        """How far a model has come; waits until its predictions have passed `until`, or for `timeout` seconds."""
        deadline = monotonic() + timeout
        while True:
            async with units.begin() as unit:
                marks = await _marks(unit, processor, model)
            left = deadline - monotonic()
            if until is None or _reached(marks["predictions"], until) or left <= 0:
                return marks | {"reached": until is not None and _reached(marks["predictions"], until)}
            await processor.wait(min(left, LOOK_EVERY_SECONDS))

    return routes


async def _standing(unit: UnitOfWork, model: str) -> list[Episode | None]:
    """The drift and the degradation of a model that stand; one of a champion that another took over from is over."""
    state = await unit.load(Monitor, model)
    return [
        None
        if episode is None
        or await store.interrupted(unit.connection, model, episode.version, findings.milliseconds(episode.told))
        else episode
        for episode in (state.drift, state.degradation)
    ]


async def _marks(unit: UnitOfWork, processor: WindowProcessor, model: str) -> dict[str, Any]:
    state = await store.model_state(unit.connection, model)
    if state is None:
        raise ProblemError(404, "unknown-model", "No such model", f"{model!r} is not registered; apply it first")
    watched = processor.watched(model)
    closed = state["drift_until"]
    return {
        "model": model,
        "watched": closed is not None,
        "predictions": _time(watched.watermark if watched else None) or _time(closed),
        "labels": _time(watched.label_watermark if watched else None),
        "closed_until": _time(closed),
        "settled_until": _time(state["settled_until"]),
    }


def _reached(mark: str | None, until: datetime) -> bool:
    return mark is not None and datetime.fromisoformat(mark) >= until


def _before(page: str | None) -> int | None:
    if page is None:
        return None
    if PAGE.fullmatch(page) is None:
        raise ProblemError(
            400, "bad-page", "No such page", f"{page!r} is no page; pass what `next` said, or leave it out"
        )
    return int(page, 16)


def _window(row: dict[str, Any]) -> dict[str, Any]:
    drift, performance = row["drift"] or {}, row["performance"] or {}
    return {
        "model": row["model"],
        "version": row["version"],
        "start": _time(row["window_start"]),
        "end": _time(row["window_end"]),
        "rows": row["rows"],
        "labelled": row["labelled"],
        "unlabelled": row["unlabelled"],
        "drift": row["drift_verdict"],
        "share": drift.get("share"),
        "features": [
            {name: feature[name] for name in ("feature", "effect", "p_value", "rejected", "drifted")}
            for feature in drift.get("features", [])
        ],
        "performance": row["performance_verdict"],
        "evaluation": performance.get("evaluation"),
        "p_value": performance.get("p_value"),
        "offsets": performance.get("offsets") or drift.get("offsets") or [],
    }


def _episode(episode: Episode | None) -> dict[str, Any] | None:
    if episode is None:
        return None
    return {"version": episode.version, "since": episode.since.isoformat(), "told": episode.told.isoformat()}


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else findings.moment(milliseconds).isoformat()
