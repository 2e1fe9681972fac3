"""What is registered, in memory: compiled validators and views by source, the same in every replica."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pelton.contracts.definitions import (
    EntityDefinition,
    FeatureServiceDefinition,
    FeatureViewDefinition,
    SourceDefinition,
    TransformationDefinition,
)
from pelton.contracts.topics import data_topic
from pelton.eventkit.reader import PartitionReader
from pelton.eventkit.unit import Units
from pelton.feature.catalogue import store
from pelton.feature.catalogue.notices import Notice
from pelton.feature.domain.registered import Registered
from pelton.feature.validation import EventValidator

D = TypeVar("D", bound=EntityDefinition | FeatureViewDefinition | TransformationDefinition | FeatureServiceDefinition)


@dataclass
class Catalogue:
    """What this replica takes in and answers with.

    `views` holds every version, of one name the newest last; `transformations` and `services` the newest. A definition
    that stays as it is stays the same object: what was made of it holds as long.
    """

    validators: dict[str, EventValidator] = field(default_factory=dict)
    views: list[FeatureViewDefinition] = field(default_factory=list)
    entities: dict[str, EntityDefinition] = field(default_factory=dict)
    transformations: dict[str, TransformationDefinition] = field(default_factory=dict)
    services: dict[str, FeatureServiceDefinition] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=dict)
    registered: Registered = field(default_factory=Registered)
    reader: PartitionReader[Any] | None = None
    units: Units | None = None

    def __post_init__(self) -> None:
        self._newest: dict[str, FeatureViewDefinition] = {view.name: view for view in self.views}
        self._refreshing = asyncio.Lock()

    def add_source(self, definition: SourceDefinition) -> None:
        """Take in a source's events from now on, by its newest definition."""
        self.validators[definition.name] = EventValidator(definition)
        if self.reader is not None:
            self.reader.read([data_topic(definition.name)])

    def views_of(self, source: str) -> list[FeatureViewDefinition]:
        """Every version of every view of a source."""
        return [view for view in self.views if view.source == source]

    def newest_view(self, name: str) -> FeatureViewDefinition | None:
        """A view by its name."""
        return self._newest.get(name)

    def transformation(self, name: str) -> TransformationDefinition | None:
        """A transformation by its name."""
        return self.transformations.get(name)

    def feature_service(self, name: str) -> FeatureServiceDefinition | None:
        """A feature service by its name."""
        return self.services.get(name)

    async def load(self, units: Units, reader: PartitionReader[Any]) -> None:
        """Take up where the last run left: what is registered is read before any event is."""
        self.units = units
        await self.refresh()
        reader.read([data_topic(name) for name in self.validators])
        self.reader = reader

    async def refresh(self) -> None:
        """Take over what is registered now, by whichever replica."""
        if self.units is None:
            return
        async with self._refreshing, self.units.begin() as unit:
            registered = await store.registered(unit.connection)
            self.notices = await store.notices(unit.connection)
        self._take(registered)

    def _take(self, registered: Registered) -> None:
        self.registered = registered
        for name, source in registered.sources.items():
            known = self.validators.get(name)
            if source.definition is not None and (known is None or known.definition != source.definition):
                self.add_source(source.definition)
        same = {view.digest: view for view in self.views}
        self.views = [same.get(one.digest, one) for view in registered.views.values() for one in view.versions]
        self._newest = {view.name: view for view in self.views}
        self.entities = _newest(self.entities, registered.entities.values())
        self.transformations = _newest(self.transformations, registered.transformations.values())
        self.services = _newest(self.services, registered.services.values())


def _newest(before: Mapping[str, D], states: Iterable[Any]) -> dict[str, D]:
    """The newest definitions by name, each the object before where it says the same."""
    found = {state.name: state.definition for state in states if state.definition is not None}
    return {name: one if before.get(name) != one else before[name] for name, one in found.items()}
