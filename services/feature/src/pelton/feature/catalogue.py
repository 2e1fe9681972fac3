"""What is registered, in memory: compiled validators and views by source, kept current by whoever registers."""

from dataclasses import dataclass, field

from pelton.contracts.definitions import (
    FeatureServiceDefinition,
    FeatureViewDefinition,
    SourceDefinition,
    TransformationDefinition,
)
from pelton.contracts.topics import data_topic
from pelton.eventkit.reader import PartitionReader
from pelton.eventkit.unit import Units
from pelton.feature import store
from pelton.feature.validation import EventValidator


@dataclass
class Catalogue:
    """The sources and views that this replica takes in. `views` holds every version, of one name the newest last."""

    validators: dict[str, EventValidator] = field(default_factory=dict)
    views: list[FeatureViewDefinition] = field(default_factory=list)
    transformations: dict[str, TransformationDefinition] = field(default_factory=dict)
    services: dict[str, FeatureServiceDefinition] = field(default_factory=dict)
    reader: PartitionReader | None = None

    def add_source(self, definition: SourceDefinition) -> None:
        """Take in a source's events from now on, by its newest definition."""
        self.validators[definition.name] = EventValidator(definition)
        if self.reader is not None:
            self.reader.read([data_topic(definition.name)])

    def add_view(self, definition: FeatureViewDefinition) -> None:
        """Fold a version of a view from now on."""
        self.views = [*(view for view in self.views if view.digest != definition.digest), definition]

    def views_of(self, source: str) -> list[FeatureViewDefinition]:
        """Every version of every view of a source."""
        return [view for view in self.views if view.source == source]

    def newest_view(self, name: str) -> FeatureViewDefinition | None:
        """A view by its name."""
        return next((view for view in reversed(self.views) if view.name == name), None)

    def transformation(self, name: str) -> TransformationDefinition | None:
        """A transformation by its name."""
        return self.transformations.get(name)

    def feature_service(self, name: str) -> FeatureServiceDefinition | None:
        """A feature service by its name."""
        return self.services.get(name)

    def view_by_digest(self, digest: str) -> FeatureViewDefinition | None:
        """A version of a view."""
        return next((view for view in self.views if view.digest == digest), None)

    async def load(self, units: Units, reader: PartitionReader) -> None:
        """Take up where the last run left: what is registered is read before any event is."""
        async with units.begin() as unit:
            for view in await store.views(unit.connection):
                self.add_view(view)
            for source in await store.sources(unit.connection):
                self.add_source(source)
        reader.read([data_topic(name) for name in self.validators])
        self.reader = reader
