"""The registry over HTTP."""

from fastapi import APIRouter, Depends

from pelton.eventkit.unit import Units
from pelton.objects import Objects
from pelton.registry.access import api as access_api
from pelton.registry.access.control import AccessControl
from pelton.registry.access.reading import may_read
from pelton.registry.api import (
    approvals,
    artifacts,
    catalogue,
    curation,
    decisions,
    declarations,
    deprecation,
    history,
    policies,
    variants,
)
from pelton.registry.cards import api as cards_api
from pelton.registry.lineage import api as lineage_api
from pelton.registry.webhooks import api as webhooks_api
from pelton.registry.webhooks.sender import Sender


def router(units: Units, objects: Objects, access: AccessControl, sender: Sender) -> APIRouter:
    """The registry's routes."""
    routes = APIRouter(prefix="/v1", tags=["registry"], dependencies=[Depends(may_read(access))])
    routes.include_router(catalogue.router(units, access))
    routes.include_router(declarations.router(units, objects))
    routes.include_router(decisions.router(units, objects, access))
    routes.include_router(approvals.router(units, objects, access))
    routes.include_router(policies.router(units, access))
    routes.include_router(variants.router(units, access))
    routes.include_router(deprecation.router(units, access))
    routes.include_router(curation.router(units, access))
    routes.include_router(history.router(units))
    routes.include_router(artifacts.router(units, objects, access))
    routes.include_router(access_api.router(units, access))
    routes.include_router(webhooks_api.router(units, access, sender))
    routes.include_router(lineage_api.router(units, objects, access))
    routes.include_router(cards_api.router(units, objects, access))
    return routes
