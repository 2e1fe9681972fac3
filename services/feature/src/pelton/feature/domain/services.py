"""Feature services: features that are asked for together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from pelton.contracts.definitions import FeatureServiceDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.feature import FeatureDefinitionRemoved, FeatureServiceApplied
from pelton.feature.domain.errors import IncompatibleError, UnknownDefinitionError
from pelton.feature.domain.named import Named


@dataclass(frozen=True, slots=True)
class FeatureService(Named):
    """A feature service, as it is declared now."""

    definition: FeatureServiceDefinition | None = None

    category: ClassVar[str] = "feature_services"

    def evolve(self, fact: Fact) -> Self:
        """The feature service after one more fact."""
        match fact:
            case FeatureServiceApplied():
                return replace(self, definition=fact.definition)
            case FeatureDefinitionRemoved():
                return replace(self, definition=None)
            case _:
                return self


def apply_service(
    service: FeatureService, definition: FeatureServiceDefinition, features: Mapping[str, Sequence[str]]
) -> Sequence[Fact]:
    """Declare a feature service, or change it; the same definition again changes nothing.

    `features` are those of every view and every transformation, by name.

    Raises:
        IncompatibleError: it names a feature that nothing makes.
    """
    if service.definition is not None and service.definition.digest == definition.digest:
        return []
    unknown = [
        ref for ref in definition.features if (ref.partition(":")[2] not in features.get(ref.partition(":")[0], ()))
    ]
    if unknown:
        raise IncompatibleError(
            f"feature service {service.name!r} names {', '.join(unknown)}, which no registered view or transformation "
            "makes; apply it first"
        )
    return [FeatureServiceApplied(service=service.name, definition=definition, definition_digest=definition.digest)]


def remove_service(service: FeatureService, reason: str) -> Sequence[Fact]:
    """Take a feature service out of the catalogue.

    Raises:
        UnknownDefinitionError: there is none of this name.
    """
    if service.definition is None:
        raise UnknownDefinitionError(f"there is no feature service {service.name!r}")
    versions = (service.definition.digest,)
    return [FeatureDefinitionRemoved(kind="feature service", name=service.name, versions=versions, reason=reason)]
