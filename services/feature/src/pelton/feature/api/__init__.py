"""The feature service's routes."""

from fastapi import APIRouter

from pelton.feature.api import (
    access,
    catalogue,
    datasets,
    definitions,
    events,
    history,
    offline,
    online,
    quality,
    quarantine,
    retrieval,
    watermarks,
)
from pelton.feature.api.doors import Doors

PARTS = (
    access,
    definitions,
    catalogue,
    events,
    online,
    retrieval,
    watermarks,
    datasets,
    history,
    offline,
    quarantine,
    quality,
)


def router(doors: Doors) -> APIRouter:
    """All routes of the feature service."""
    whole = APIRouter()
    for part in PARTS:
        whole.include_router(part.routes(doors))
    return whole
