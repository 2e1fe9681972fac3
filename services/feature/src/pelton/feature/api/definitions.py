"""Routes of definitions: entities, sources, feature views, transformations and feature services."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from pelton.contracts.definitions import (
    EntityDefinition,
    FeatureServiceDefinition,
    FeatureViewDefinition,
    SourceDefinition,
    TransformationDefinition,
)
from pelton.contracts.topics import data_topic
from pelton.contracts.values import Digest, Name
from pelton.eventkit.problems import FieldError, ProblemError
from pelton.eventkit.topics import ensure_topics
from pelton.feature.access import Action
from pelton.feature.api.doors import Contributor, Doors, Viewer, time_of
from pelton.feature.catalogue import store as tables
from pelton.feature.catalogue.commands import Removable
from pelton.feature.catalogue.planning import Step
from pelton.feature.domain import IncompatibleError, UnknownDefinitionError
from pelton.feature.domain.registered import Declared
from pelton.feature.quality import quarantine
from pelton.feature.validation import InvalidSchemaError, check_definition
from pelton.tiles.expressions import Expression, ExpressionError

Reason = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]


class Deprecation(BaseModel):
    """That a feature view is to be left: why, by when, and for which view."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    sunset: AwareDatetime | None = None
    successor: Name | None = None


class Declarations(BaseModel):
    """A project's definitions."""

    model_config = ConfigDict(extra="forbid")

    entities: tuple[EntityDefinition, ...] = ()
    sources: tuple[SourceDefinition, ...] = ()
    feature_views: tuple[FeatureViewDefinition, ...] = ()
    transformations: tuple[TransformationDefinition, ...] = ()
    feature_services: tuple[FeatureServiceDefinition, ...] = ()

    def in_order(self) -> list[Declared]:
        """All of them, each after what it is built on."""
        return [*self.entities, *self.sources, *self.feature_views, *self.transformations, *self.feature_services]


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1", tags=["definitions"])
    for part in (_registering, _sources, _views, _others, _leaving):
        part(router, doors)
    return router


def _registering(router: APIRouter, doors: Doors) -> None:
    @router.post("/plan")
    async def plan(body: Declarations, actor: Viewer) -> list[dict[str, Any]]:  # noqa: ARG001
        """What registering these definitions would do, in order, and what of new views is to be made of the past."""
        declared = body.in_order()
        with _refusals(*declared):
            for source in body.sources:
                check_definition(source)
            steps = await doors.definitions.plan(declared)
        return [await _step(doors, step) for step in steps]

    async def apply(definition: Declared, actor: str) -> dict[str, Any]:
        with _refusals(definition):
            changed = await doors.definitions.apply(definition, actor)
        return {"name": definition.name, "digest": definition.digest, "changed": changed}

    @router.post("/entities")
    async def apply_entity(definition: EntityDefinition, actor: Contributor) -> dict[str, Any]:
        """Declare an entity, or change it."""
        return await apply(definition, actor.name)

    @router.post("/sources")
    async def register_source(definition: SourceDefinition, actor: Contributor) -> dict[str, Any]:
        """Register a source, or change it; the same definition again changes nothing."""
        doors.access.permit(actor, Action.WRITE, sources=[definition.name])
        with _refusals(definition):
            check_definition(definition)
        await ensure_topics(doors.kafka, {data_topic(definition.name): 1}, stamped=True)
        return await apply(definition, actor.name)

    @router.post("/feature-views")
    async def apply_view(definition: FeatureViewDefinition, actor: Contributor) -> dict[str, Any]:
        """Apply a feature view; another definition under the same name is a new version beside the old."""
        with _refusals(definition):
            doors.access.permit_view(actor, definition)
        return await apply(definition, actor.name)

    @router.post("/transformations")
    async def apply_transformation(definition: TransformationDefinition, actor: Contributor) -> dict[str, Any]:
        """Apply a transformation; another definition under the same name is a new version beside the old."""
        return await apply(definition, actor.name)

    @router.post("/feature-services")
    async def apply_service(definition: FeatureServiceDefinition, actor: Contributor) -> dict[str, Any]:
        """Declare a feature service, or change it."""
        return await apply(definition, actor.name)


def _sources(router: APIRouter, doors: Doors) -> None:
    @router.get("/sources")
    async def list_sources(actor: Viewer) -> list[dict[str, Any]]:  # noqa: ARG001
        """Every source, how far it has come, and how many of its records are set aside."""
        async with doors.units.begin() as unit:
            counts = await quarantine.counts(unit.connection)
        known = sorted(doors.catalogue.validators)
        return [_source(doors, name) | {"quarantined": counts.get(name, 0)} for name in known]

    @router.get("/sources/{name}")
    async def get_source(name: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """One source with its definition, how far it has come, and how many of its records are set aside."""
        doors.known_source(name)
        async with doors.units.begin() as unit:
            counts = await quarantine.counts(unit.connection)
        return _source(doors, name) | {"quarantined": counts.get(name, 0)}


def _views(router: APIRouter, doors: Doors) -> None:
    @router.get("/feature-views")
    async def list_views(actor: Viewer) -> list[dict[str, Any]]:  # noqa: ARG001
        """Every version of every feature view."""
        return [_view(doors, view) for view in doors.catalogue.views]

    @router.get("/feature-views/{name}")
    async def get_view(name: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """The newest version of a feature view."""
        view = doors.catalogue.newest_view(name)
        if view is None:
            known = ", ".join(sorted({one.name for one in doors.catalogue.views})) or "none yet"
            raise ProblemError(404, "unknown-view", "No such feature view", f"{name!r} is not among: {known}")
        return _view(doors, view)

    @router.put("/feature-views/{name}/deprecation", status_code=204)
    async def deprecate_view(name: str, body: Deprecation, actor: Contributor) -> None:
        """Say that a feature view is to be left: its readers are told with each answer."""
        doors.access.permit(actor, Action.WRITE, views=[name])
        with _refusals():
            await doors.definitions.deprecate(
                name, reason=body.reason, sunset=body.sunset, successor=body.successor, actor=actor.name
            )

    @router.delete("/feature-views/{name}/deprecation", status_code=204)
    async def keep_view(name: str, reason: Annotated[Reason, Query()], actor: Contributor) -> None:
        """Say that a feature view stays after all."""
        doors.access.permit(actor, Action.WRITE, views=[name])
        with _refusals():
            await doors.definitions.withdraw_deprecation(name, reason, actor.name)


def _others(router: APIRouter, doors: Doors) -> None:
    catalogue = doors.catalogue

    @router.get("/entities")
    async def list_entities(actor: Viewer) -> list[dict[str, Any]]:  # noqa: ARG001
        """Every entity."""
        return [_named(one) for one in catalogue.entities.values()]

    @router.get("/entities/{name}")
    async def get_entity(name: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """One entity."""
        return _named(_found(catalogue.entities, name, "entity"))

    @router.get("/transformations")
    async def list_transformations(actor: Viewer) -> list[dict[str, Any]]:  # noqa: ARG001
        """The newest version of every transformation."""
        return [_named(one) for one in catalogue.transformations.values()]

    @router.get("/transformations/{name}")
    async def get_transformation(name: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """The newest version of a transformation."""
        return _named(_found(catalogue.transformations, name, "transformation"))

    @router.get("/feature-services")
    async def list_services(actor: Viewer) -> list[dict[str, Any]]:  # noqa: ARG001
        """Every feature service."""
        return [_named(one) for one in catalogue.services.values()]

    @router.get("/feature-services/{name}")
    async def get_service(name: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """One feature service."""
        return _named(_found(catalogue.services, name, "feature service"))


def _leaving(router: APIRouter, doors: Doors) -> None:
    @router.delete("/{kind}/{name}", status_code=204)
    async def remove(
        kind: Removable,
        name: str,
        reason: Annotated[Reason, Query()],
        actor: Contributor,
        version: Annotated[Digest | None, Query()] = None,
    ) -> None:
        """Remove a definition that nothing uses, or one version of a feature view or transformation."""
        doors.access.permit(actor, Action.WRITE, views=[name] if kind == "feature-views" else ())
        with _refusals():
            await doors.definitions.remove(kind, name, version, reason, actor.name)


@contextmanager
def _refusals(*declared: Declared) -> Iterator[None]:
    """Answer a refusal as a problem; an expression's with the field of the definitions that it is in."""
    try:
        yield
    except InvalidSchemaError as error:
        raise ProblemError(422, "invalid-schema", "The source's schema is not usable", str(error)) from error
    except ExpressionError as error:
        field = next((place for one in declared for place in _unreadable(one)), "")
        raise ProblemError(
            422, "invalid-expression", "An expression is not valid", str(error), [FieldError(field, str(error))]
        ) from error
    except IncompatibleError as error:
        raise ProblemError(409, "incompatible", "This would break what is there", str(error)) from error
    except UnknownDefinitionError as error:
        raise ProblemError(404, "unknown-definition", "No such definition", str(error)) from error


def _unreadable(definition: Declared) -> Iterator[str]:
    """The fields of a definition whose expression is none."""
    texts: dict[str, str | None] = {}
    match definition:
        case FeatureViewDefinition(aggregates=aggregates, latest=latest):
            for place, aggregate in enumerate(aggregates):
                texts[f"aggregates[{place}].value"] = aggregate.value
                texts[f"aggregates[{place}].where"] = aggregate.where
            texts |= {f"latest[{place}].value": one.value for place, one in enumerate(latest)}
        case TransformationDefinition(features=features):
            texts |= {f"features.{name}": text for name, text in features.items()}
    for field, text in texts.items():
        try:
            Expression.parse(text or "1")
        except ExpressionError:
            yield field


async def _step(doors: Doors, step: Step) -> dict[str, Any]:
    answer: dict[str, Any] = {"action": step.action, "kind": step.kind, "name": step.name, "digest": step.digest}
    answer["kept_by"] = [{"model": one.model, "version": one.version, "stage": one.stage} for one in step.kept_by]
    answer["backfill"] = None
    watermark = doors.watermarks.get(step.backfill.source) if step.backfill is not None else None
    if step.backfill is not None and watermark is not None:
        history = step.backfill.history_seconds
        since = 0 if history is None else watermark - history * 1000
        async with doors.units.begin() as unit:
            events = await tables.events_since(unit.connection, step.backfill.source, since)
        start = None if history is None else time_of(since)
        answer["backfill"] = {"source": step.backfill.source, "from": start, "events": events}
    return answer


def _found(known: dict[str, Any], name: str, kind: str) -> Any:  # noqa: ANN401 - a definition of the kind
    if name not in known:
        names = ", ".join(sorted(known)) or "none yet"
        raise ProblemError(404, "unknown-definition", f"No such {kind}", f"{name!r} is not among: {names}")
    return known[name]


def _named(definition: EntityDefinition | TransformationDefinition | FeatureServiceDefinition) -> dict[str, Any]:
    return {"name": definition.name, "digest": definition.digest, "definition": definition.model_dump(mode="json")}


def _source(doors: Doors, name: str) -> dict[str, Any]:
    definition = doors.catalogue.validators[name].definition
    mark = doors.watermarks.get(name)
    return {
        "name": name,
        "digest": definition.digest,
        "definition": definition.model_dump(mode="json"),
        "watermark": time_of(mark) if mark is not None else None,
        **doors.events.counts(name),
    }


def _view(doors: Doors, view: FeatureViewDefinition) -> dict[str, Any]:
    notice = doors.catalogue.notices.get(view.name)
    return {
        "name": view.name,
        "digest": view.digest,
        "definition": view.model_dump(mode="json"),
        "features": list(view.feature_names),
        "online": doors.events.kept(view),
        "deprecation": None
        if notice is None
        else notice.fact.model_dump(mode="json") | {"since": notice.since.isoformat()},
    }
