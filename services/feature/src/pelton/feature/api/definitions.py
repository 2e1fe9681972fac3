"""Routes of definitions: sources and feature views."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter

from pelton.contracts.definitions import FeatureViewDefinition, SourceDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.topics import data_topic
from pelton.eventkit.problems import FieldError, ProblemError
from pelton.eventkit.topics import ensure_topics
from pelton.feature import store
from pelton.feature.api.doors import Contributor, Doors, Viewer, time_of
from pelton.feature.domain import IncompatibleError, Source, View, apply, register
from pelton.feature.fields import fields_read
from pelton.feature.validation import InvalidSchemaError, check_definition
from pelton.tiles.expressions import Expression, ExpressionError


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1", tags=["definitions"])

    @router.post("/sources")
    async def register_source(definition: SourceDefinition, actor: Contributor) -> dict[str, Any]:
        """Register a source, or change it; the same definition again changes nothing."""
        try:
            check_definition(definition)
        except InvalidSchemaError as error:
            raise ProblemError(422, "invalid-schema", "The source's schema is not usable", str(error)) from error
        await ensure_topics(doors.kafka, {data_topic(definition.name): 1})
        async with doors.units.begin(actor=actor.name) as unit:
            source = await unit.load(Source, definition.name)
            facts = _compatible(lambda: register(source, definition, _used_fields(doors, definition.name)))
            await unit.append(source, facts)
            await store.save_source(unit.connection, definition)
        doors.catalogue.add_source(definition)
        return {"name": definition.name, "digest": definition.digest, "changed": bool(facts)}

    @router.get("/sources")
    async def list_sources(actor: Viewer) -> list[dict[str, Any]]:  # noqa: ARG001
        """Every source, how far it has come, and how many of its records are set aside."""
        async with doors.units.begin() as unit:
            counts = await store.quarantine_counts(unit.connection)
        known = sorted(doors.catalogue.validators)
        return [_source(doors, name) | {"quarantined": counts.get(name, 0)} for name in known]

    @router.get("/sources/{name}")
    async def get_source(name: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """One source with its definition, how far it has come, and how many of its records are set aside."""
        doors.known_source(name)
        async with doors.units.begin() as unit:
            counts = await store.quarantine_counts(unit.connection)
        return _source(doors, name) | {"quarantined": counts.get(name, 0)}

    @router.post("/feature-views")
    async def apply_view(definition: FeatureViewDefinition, actor: Contributor) -> dict[str, Any]:
        """Apply a feature view; another definition under the same name is a new version beside the old."""
        for place, aggregate in enumerate(definition.aggregates):
            for field in ("value", "where"):
                _check_expression(getattr(aggregate, field), f"aggregates[{place}].{field}")
        async with doors.units.begin(actor=actor.name) as unit:
            source = await unit.load(Source, definition.source)
            view = await unit.load(View, definition.name)
            facts = _compatible(lambda: apply(view, definition, source))
            await unit.append(view, facts)
            await store.save_view(unit.connection, definition, doors.clock())
        doors.catalogue.add_view(definition)
        return {"name": definition.name, "digest": definition.digest, "changed": bool(facts)}

    @router.get("/feature-views")
    async def list_views(actor: Viewer) -> list[dict[str, Any]]:  # noqa: ARG001
        """Every version of every feature view."""
        return [_view(view) for view in doors.catalogue.views]

    @router.get("/feature-views/{name}")
    async def get_view(name: str, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """The newest version of a feature view."""
        view = doors.catalogue.newest_view(name)
        if view is None:
            known = ", ".join(sorted({one.name for one in doors.catalogue.views})) or "none yet"
            raise ProblemError(404, "unknown-view", "No such feature view", f"{name!r} is not among: {known}")
        return _view(view)

    return router


def _compatible(decide: Callable[[], Sequence[Fact]]) -> Sequence[Fact]:
    try:
        return decide()
    except IncompatibleError as error:
        raise ProblemError(409, "incompatible", "This would break what is there", str(error)) from error


def _check_expression(text: str | None, field: str) -> None:
    if text is None:
        return
    try:
        Expression.parse(text)
    except ExpressionError as error:
        raise ProblemError(
            422, "invalid-expression", "An expression is not valid", str(error), [FieldError(field, str(error))]
        ) from error


def _used_fields(doors: Doors, source: str) -> frozenset[str]:
    return frozenset().union(*(fields_read(view) for view in doors.catalogue.views_of(source)))


def _source(doors: Doors, name: str) -> dict[str, Any]:
    definition = doors.catalogue.validators[name].definition
    mark = doors.watermarks.get(name)
    return {
        "name": name,
        "digest": definition.digest,
        "definition": definition.model_dump(mode="json"),
        "watermark": time_of(mark) if mark is not None else None,
        "events": doors.events.counted(name),
    }


def _view(view: FeatureViewDefinition) -> dict[str, Any]:
    return {
        "name": view.name,
        "digest": view.digest,
        "definition": view.model_dump(mode="json"),
        "features": list(view.feature_names),
    }
