"""The feature service's routes."""

from fastapi import APIRouter

from pelton.feature.api import catalogue, datasets, definitions, events, history, online, quarantine, retrieval, watermarks
from pelton.feature.api.doors import Doors

PARTS = (definitions, catalogue, events, online, retrieval, watermarks, datasets, history, quarantine)


def router(doors: Doors) -> APIRouter:
    """All routes of the feature service."""
    whole = APIRouter()
    for part in PARTS:
        whole.include_router(part.routes(doors))
    return whole
