"""The feature service's routes."""

from fastapi import APIRouter

from pelton.feature.api import datasets, definitions, events, online, quarantine, retrieval, watermarks
from pelton.feature.api.doors import Doors

PARTS = (definitions, events, online, retrieval, watermarks, datasets, quarantine)


def router(doors: Doors) -> APIRouter:
    """All routes of the feature service."""
    whole = APIRouter()
    for part in PARTS:
        whole.include_router(part.routes(doors))
    return whole
