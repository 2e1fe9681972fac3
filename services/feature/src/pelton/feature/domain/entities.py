"""Entities: what features are about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from pelton.contracts.definitions import EntityDefinition, FeatureViewDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.feature import EntityApplied, FeatureDefinitionRemoved
from pelton.feature.domain.errors import IncompatibleError, UnknownDefinitionError
from pelton.feature.domain.named import Named


@dataclass(frozen=True, slots=True)
class Entity(Named):
    """An entity, as it is declared now."""

    definition: EntityDefinition | None = None

    category: ClassVar[str] = "entities"

    def evolve(self, fact: Fact) -> Self:
        """The entity after one more fact."""
        match fact:
            case EntityApplied():
                return replace(self, definition=fact.definition)
            case FeatureDefinitionRemoved():
                return replace(self, definition=None)
            case _:
                return self


def apply_entity(
    entity: Entity, definition: EntityDefinition, views: Iterable[FeatureViewDefinition]
) -> Sequence[Fact]:
    """Declare an entity, or change it; the same definition again changes nothing.

    Raises:
        IncompatibleError: one of the `views` is by an entity of this name, with other keys.
    """
    if entity.definition is not None and entity.definition.digest == definition.digest:
        return []
    others = sorted(view.name for view in views if view.entity == entity.name and view.join_keys != definition.keys)
    if others:
        raise IncompatibleError(
            f"{', '.join(others)} is by the entity {entity.name!r} with other keys than {', '.join(definition.keys)}; "
            "give the entity another name, or apply the views with these keys under another entity first"
        )
    return [EntityApplied(entity=entity.name, definition=definition, definition_digest=definition.digest)]


def remove_entity(entity: Entity, reason: str, views: Iterable[FeatureViewDefinition]) -> Sequence[Fact]:
    """Take an entity out of the catalogue.

    Raises:
        UnknownDefinitionError: there is none of this name.
        IncompatibleError: some of the `views` are by it.
    """
    if entity.definition is None:
        raise UnknownDefinitionError(f"there is no entity {entity.name!r}")
    using = sorted({view.name for view in views if view.entity == entity.name})
    if using:
        raise IncompatibleError(f"the feature views {', '.join(using)} are by {entity.name!r}; remove them first")
    versions = (entity.definition.digest,)
    return [FeatureDefinitionRemoved(kind="entity", name=entity.name, versions=versions, reason=reason)]
