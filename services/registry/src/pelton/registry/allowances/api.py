"""Allowances over HTTP."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, TypeAdapter

from pelton.contracts.values import Digest
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.unit import Units
from pelton.registry.allowances import store
from pelton.registry.api.bodies import Why
from pelton.registry.api.paging import cut, decode_page, encode_page
from pelton.registry.api.refusals import problems
from pelton.registry.domain.allowances import Allowance, allow, revoke
from pelton.registry.projections import record
from pelton.registry.store import rows

Admin = Annotated[Actor, Depends(require(Role.ADMIN))]
Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
BY_DIGEST: Final = TypeAdapter(str)


class AllowanceAnswer(BaseModel):
    """An artifact, or a file, that an administrator answers for."""

    digest: Digest
    reason: str
    actor: str
    time: datetime


class AllowancesPage(BaseModel):
    """Allowances by digest; `next_page` is for the `page` of the next request."""

    allowances: list[AllowanceAnswer]
    next_page: str | None


def router(units: Units) -> APIRouter:
    """The routes of the allowances."""
    routes = APIRouter(prefix="/v1", tags=["registry"])

    @routes.post("/artifacts/{digest}/allow", status_code=204)
    async def allow_artifact(digest: Digest, body: Why, actor: Admin) -> None:
        """Answer for an artifact, or for one file of some, that could run code: it passes as if it could not."""
        async with units.begin(actor=actor.name) as unit:
            allowance = await unit.load(Allowance, digest)
            await record(unit, allowance, allow(allowance, actor.name, body.reason))

    @routes.post("/artifacts/{digest}/revoke", status_code=204)
    async def revoke_artifact(digest: Digest, body: Why, actor: Admin) -> None:
        """Answer for it no longer: it passes no gate from here on; what it has passed stays as it is."""
        async with units.begin(actor=actor.name) as unit:
            allowance = await unit.load(Allowance, digest)
            with problems():
                facts = revoke(allowance, actor.name, body.reason)
            await record(unit, allowance, facts)

    @routes.get("/allowances")
    async def list_allowances(
        actor: Viewer,  # noqa: ARG001
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        page: str | None = None,
    ) -> AllowancesPage:
        """What administrators answer for now."""
        after = decode_page(BY_DIGEST, page, "")
        async with units.engine.connect() as connection:
            found = await rows(connection, store.PAGE, after=after, limit=limit + 1)
        shown, more = cut(found, limit)
        allowances = [AllowanceAnswer.model_validate(dict(row)) for row in shown]
        return AllowancesPage(
            allowances=allowances, next_page=encode_page(BY_DIGEST, allowances[-1].digest) if more else None
        )

    return routes
