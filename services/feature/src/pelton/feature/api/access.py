"""Routes of access: what is granted on feature views and sources, and to whom."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from pelton.contracts.feature import FeatureAccessGranted
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.feature.access import Action, store
from pelton.feature.access.domain import SOURCE, VIEW, GranteeKind, ImpossibleGrantError, Kind, UnknownGrantError
from pelton.feature.api.doors import Doors, Viewer

Admin = Annotated[Actor, Depends(require(Role.ADMIN))]
Place = Literal["feature-views", "sources"]
Group = Literal["teams", "people"]
# PostgreSQL has no text with a zero character in it.
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]+$")]
Grantee = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"^[^\x00]+$")]

KINDS: Mapping[Place, Kind] = {"feature-views": VIEW, "sources": SOURCE}
GRANTEES: Mapping[Group, GranteeKind] = {"teams": "team", "people": "person"}


class GrantBody(BaseModel):
    """What is granted: to read, to write, and with `sensitive` to see the values that are marked so."""

    model_config = ConfigDict(extra="forbid")

    actions: tuple[Action, ...] = (Action.READ,)
    sensitive: bool = False


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1/access", tags=["access"])
    access = doors.access

    @router.get("")
    async def list_grants(actor: Viewer) -> list[dict[str, Any]]:  # noqa: ARG001
        """Every feature view and source that is not open to all, with its grants."""
        async with doors.units.begin() as unit:
            return await store.grants(unit.connection)

    @router.put("/{place}/{name}/{group}/{grantee:path}", status_code=204)
    async def grant(place: Place, name: str, group: Group, grantee: Grantee, body: GrantBody, actor: Admin) -> None:
        """Grant a team or a person something, in the place of what was granted them before."""
        _known(doors, place, name)
        wanted = FeatureAccessGranted(
            kind=KINDS[place],
            name=name,
            to=GRANTEES[group],
            grantee=grantee,
            actions=tuple(one.value for one in Action if one in body.actions),
            sensitive=body.sensitive,
        )
        try:
            await access.grant(wanted, actor)
        except ImpossibleGrantError as error:
            raise ProblemError(422, "invalid-request", "The request is not valid", str(error)) from error

    @router.delete("/{place}/{name}/{group}/{grantee:path}", status_code=204)
    async def revoke(
        place: Place, name: str, group: Group, grantee: Grantee, reason: Annotated[Reason, Query()], actor: Admin
    ) -> None:
        """Take a grant away. What it was of stays closed, also when it was the last."""
        try:
            await access.revoke(KINDS[place], name, (GRANTEES[group], grantee), reason, actor)
        except UnknownGrantError as error:
            raise _unknown(error) from error

    @router.delete("/{place}/{name}", status_code=204)
    async def open_to_all(place: Place, name: str, reason: Annotated[Reason, Query()], actor: Admin) -> None:
        """Open a feature view or a source to all again, and forget its grants."""
        try:
            await access.open(KINDS[place], name, reason, actor)
        except UnknownGrantError as error:
            raise _unknown(error) from error

    return router


def _known(doors: Doors, place: Place, name: str) -> None:
    if place == "sources":
        doors.known_source(name)
    elif doors.catalogue.newest_view(name) is None:
        known = ", ".join(sorted({one.name for one in doors.catalogue.views})) or "none yet"
        raise ProblemError(404, "unknown-view", "No such feature view", f"{name!r} is not among: {known}")


def _unknown(error: UnknownGrantError) -> ProblemError:
    return ProblemError(404, "unknown-grant", "No such grant", str(error))
