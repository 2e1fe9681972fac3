"""The routes of Feast's feature server, but for the hot one, which stands in front of all."""

from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from pelton.contracts.definitions import FeatureViewDefinition, SourceDefinition
from pelton.eventkit.identity import Actor
from pelton.feature.access import Action
from pelton.feature.api.doors import Contributor, Doors
from pelton.feature.feast import rows
from pelton.feature.feast.errors import FeastError, InvalidRequestError, of_form
from pelton.feature.feast.materialization import NotReachedError
from pelton.feature.feast.requests import (
    IncrementalMaterialization,
    Materialization,
    Push,
    Write,
    moment,
    span,
)
from pelton.feature.feast.route import FeastRoute
from pelton.feature.submissions import Submission

Form = TypeVar("Form", Push, Write, Materialization, IncrementalMaterialization)
Background = Annotated[bool, Query(alias="async")]
_MOST_FAULTS = 5


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["feast"], route_class=FeastRoute)

    @router.post("/push")
    async def push(request: Request, actor: Contributor) -> Response:
        """Take the rows of a push source in, as events; answers when they are on Kafka."""
        form = await _read(request, Push)
        sources = [one.definition for one in doors.catalogue.validators.values()]
        source = rows.push_source(sources, form.push_source_name)
        if source is None:
            raise FeastError(
                422, "PushSourceNotFoundException", f"Unable to find push source '{form.push_source_name}'."
            )
        form.check_target()
        doors.access.permit(actor, Action.WRITE, sources=[source.name])
        await _take(doors, source, rows.events(source, form.df), actor)
        return Response()

    @router.post("/write-to-online-store")
    async def write_to_online_store(request: Request, actor: Contributor) -> Response:
        """Take rows of a view in, as events of its source; answers when they are on Kafka."""
        form = await _read(request, Write)
        view = doors.catalogue.newest_view(form.feature_view_name)
        if view is None:
            message = f"Can't recognize feast object with a name {form.feature_view_name}"
            raise FeastError(404, "FeastObjectNotFoundException", message)
        source = doors.catalogue.validators[view.source].definition
        doors.access.permit(actor, Action.WRITE, views=[view.name], sources=[source.name])
        await _take(doors, source, rows.events(source, form.df, view), actor)
        return JSONResponse(None)

    @router.post("/materialize")
    async def materialize(
        request: Request,
        actor: Contributor,  # noqa: ARG001
        *,
        in_background: Background = False,
        force: bool = False,
    ) -> Response:
        """Wait until what has arrived is served; with `async`, in the background."""
        form = await _read(request, Materialization)
        views = _views(doors, form.feature_views)
        span(form)
        return await _materialize(doors, views, in_background=in_background, force=force)

    @router.post("/materialize-incremental")
    async def materialize_incremental(
        request: Request,
        actor: Contributor,  # noqa: ARG001
        *,
        in_background: Background = False,
        force: bool = False,
    ) -> Response:
        """The same as `/materialize`: what was served before is never served anew."""
        form = await _read(request, IncrementalMaterialization)
        views = _views(doors, form.feature_views)
        moment(form.end_ts)
        return await _materialize(doors, views, in_background=in_background, force=force)

    @router.get("/health")
    async def health() -> Response:
        """Whether the service can do its work: 200 or 503, without a body."""
        return Response(status_code=503 if await doors.missing() else 200)

    return router


async def _read(request: Request, form: type[Form]) -> Form:
    try:
        return msgspec.json.decode(await request.body(), type=form)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise of_form(msgspec.DecodeError(str(error))) from error


async def _take(doors: Doors, source: SourceDefinition, events: Sequence[Submission], actor: Actor) -> None:
    """Publish rows; those that are not as the source promised are set aside, and told."""
    verdicts = await doors.events.take(source.name, events, actor.name)
    faults = [
        f"row {place}: {fault.field} {fault.detail}; {fault.fix}"
        for place, verdict in enumerate(verdicts)
        for fault in verdict.errors
    ]
    if faults:
        bad = sum(verdict.status == "rejected" for verdict in verdicts)
        message = f"{bad} of {len(verdicts)} rows were set aside, and the others taken in: "
        raise InvalidRequestError("invalid", ["df"], message + ". ".join(faults[:_MOST_FAULTS]))


def _views(doors: Doors, names: Sequence[str] | None) -> list[FeatureViewDefinition]:
    if names is None:
        names = sorted({view.name for view in doors.catalogue.views})
    found = {name: doors.catalogue.newest_view(name) for name in names}
    for name, view in found.items():
        if view is None:
            raise FeastError(404, "FeatureViewNotFoundException", f"Feature view {name} does not exist")
    return [view for view in found.values() if view is not None]


async def _materialize(
    doors: Doors, views: Sequence[FeatureViewDefinition], *, in_background: bool, force: bool
) -> Response:
    if not in_background:
        try:
            await doors.materializations.wait(views)
        except (NotReachedError, KafkaError) as error:
            raise FeastError(503, "FeastError", str(error)) from error
        return JSONResponse(None)
    running = doors.materializations.running(views)
    if running and not force:
        message = (
            "Cannot start async materialization — the following feature views are already in MATERIALIZING state: "
            f"{running}. Use ?force=true to override."
        )
        return JSONResponse({"error": message, "feature_views": running}, 409)
    doors.materializations.start(views)
    return JSONResponse({"status": "accepted", "feature_views": [view.name for view in views]}, 202)
