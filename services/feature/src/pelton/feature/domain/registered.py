"""All that is registered at one moment, and what registering one more definition does to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pelton.contracts.definitions import (
    EntityDefinition,
    FeatureServiceDefinition,
    FeatureViewDefinition,
    SourceDefinition,
    TransformationDefinition,
)
from pelton.contracts.fact import Fact
from pelton.feature.domain.entities import Entity, apply_entity
from pelton.feature.domain.errors import IncompatibleError
from pelton.feature.domain.services import FeatureService, apply_service
from pelton.feature.domain.sources import Source, register
from pelton.feature.domain.transformations import Transformation, apply_transformation
from pelton.feature.domain.views import View, apply
from pelton.feature.fields import fields_read

Declared = (
    EntityDefinition | SourceDefinition | FeatureViewDefinition | TransformationDefinition | FeatureServiceDefinition
)
State = Entity | Source | View | Transformation | FeatureService


@dataclass(frozen=True, slots=True)
class Registered:
    """What is registered, each by its name."""

    entities: Mapping[str, Entity] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    views: Mapping[str, View] = field(default_factory=dict)
    transformations: Mapping[str, Transformation] = field(default_factory=dict)
    services: Mapping[str, FeatureService] = field(default_factory=dict)

    def state(self, definition: Declared) -> State:
        """What a definition is the next version of."""
        name = definition.name
        match definition:
            case EntityDefinition():
                return self.entities.get(name) or Entity(name)
            case SourceDefinition():
                return self.sources.get(name) or Source(name)
            case FeatureViewDefinition():
                return self.views.get(name) or View(name)
            case TransformationDefinition():
                return self.transformations.get(name) or Transformation(name)
            case FeatureServiceDefinition():
                return self.services.get(name) or FeatureService(name)

    def applied(self, definition: Declared) -> Sequence[Fact]:
        """The facts of registering a definition; none where its newest version is the same.

        Raises:
            IncompatibleError: it does not fit what is registered.
            ExpressionError: an expression of it is not of the language.
        """
        match definition, self.state(definition):
            case EntityDefinition(), Entity() as entity:
                return apply_entity(entity, definition, self.newest_views().values())
            case SourceDefinition(), Source() as source:
                return register(source, definition, self._fields_used(source.name))
            case FeatureViewDefinition(), View() as view:
                return self._applied_view(view, definition)
            case TransformationDefinition(), Transformation() as transformation:
                read = self.readers(definition.name)
                return apply_transformation(transformation, definition, self.newest_views(), read)
            case FeatureServiceDefinition(), FeatureService() as service:
                return apply_service(service, definition, self.features())
            case _:
                raise TypeError(f"{type(definition).__name__} is not registered here")

    def evolve(self, definition: Declared, facts: Iterable[Fact]) -> Self:
        """All that is registered after the facts of one definition."""
        state: Any = self.state(definition)
        for fact in facts:
            state = state.evolve(fact)
        match state:
            case Entity():
                return replace(self, entities={**self.entities, state.name: state})
            case Source():
                return replace(self, sources={**self.sources, state.name: state})
            case View():
                return replace(self, views={**self.views, state.name: state})
            case Transformation():
                return replace(self, transformations={**self.transformations, state.name: state})
            case _:
                return replace(self, services={**self.services, state.name: state})

    def newest_views(self) -> dict[str, FeatureViewDefinition]:
        """The newest version of every view."""
        return {name: view.definition for name, view in self.views.items() if view.definition is not None}

    def features(self) -> dict[str, tuple[str, ...]]:
        """The features of every view and every transformation, by its name."""
        made = {name: one.definition for name, one in (self.transformations | self.views).items()}  # type: ignore[operator]
        return {name: one.feature_names for name, one in made.items() if one is not None}

    def readers(self, name: str) -> dict[str, list[str]]:
        """What reads a view or a transformation: transformations and feature services, by feature."""
        found: dict[str, list[str]] = {}
        reading = [
            (f"transformation {one.name}", tuple(one.definition.inputs.values()))
            for one in self.transformations.values()
            if one.definition is not None
        ]
        reading += [
            (f"feature service {one.name}", one.definition.features)
            for one in self.services.values()
            if one.definition is not None
        ]
        for reader, refs in reading:
            for of, _, feature in (ref.partition(":") for ref in refs):
                if of == name:
                    found.setdefault(feature, []).append(reader)
        return found

    def _applied_view(self, view: View, definition: FeatureViewDefinition) -> Sequence[Fact]:
        source = self.sources.get(definition.source) or Source(definition.source)
        entity = self.entities.get(definition.entity)
        taken = self.transformations.get(view.name)
        if taken is not None and taken.definition is not None:
            raise IncompatibleError(
                f"a transformation has the name {view.name!r}, and features go by both: choose another name"
            )
        return apply(view, definition, source, None if entity is None else entity.definition, self.readers(view.name))

    def _fields_used(self, source: str) -> frozenset[str]:
        versions = [one for view in self.views.values() for one in view.versions if one.source == source]
        return frozenset().union(*map(fields_read, versions))
