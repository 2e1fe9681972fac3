"""What is declared to the feature service: states folded from facts, and deciders. Pure."""

from pelton.feature.domain.entities import Entity, apply_entity, remove_entity
from pelton.feature.domain.errors import IncompatibleError, UnknownDefinitionError
from pelton.feature.domain.services import FeatureService, apply_service, remove_service
from pelton.feature.domain.sources import Source, advance, midnight, next_midnight, note_too_late, register
from pelton.feature.domain.transformations import Transformation, apply_transformation, remove_transformation
from pelton.feature.domain.views import View, apply, deprecate, remove_view, withdraw_deprecation

__all__ = [
    "Entity",
    "FeatureService",
    "IncompatibleError",
    "Source",
    "Transformation",
    "UnknownDefinitionError",
    "View",
    "advance",
    "apply",
    "apply_entity",
    "apply_service",
    "apply_transformation",
    "deprecate",
    "midnight",
    "next_midnight",
    "note_too_late",
    "register",
    "remove_entity",
    "remove_service",
    "remove_transformation",
    "remove_view",
    "withdraw_deprecation",
]
