"""Which features a request means: references and feature services, resolved against what is registered."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeVar

from numpy.typing import NDArray

from pelton.contracts.definitions import (
    FeatureServiceDefinition,
    FeatureViewDefinition,
    SourceDefinition,
    TransformationDefinition,
)
from pelton.feature.validation import EventValidator

Kind = Literal["number", "integer", "boolean", "text"]
Group = TypeVar("Group", FeatureViewDefinition, TransformationDefinition)

_MOST_SELECTIONS: Final = 512
_COUNTS: Final = frozenset({"count", "distinct"})
# These answer with a value of the events themselves, and so in its type.
_PICKS: Final = frozenset({"first", "last", "min", "max"})


class SelectionError(ValueError):
    """What was asked for cannot be answered; the message says why and what to do."""


class NothingAskedError(SelectionError):
    """Neither features nor a feature service."""


class InvalidReferenceError(SelectionError):
    """Not of the form `view:feature`."""


class UnknownServiceError(SelectionError):
    """No feature service has this name."""


class UnknownViewError(SelectionError):
    """No feature view and no transformation has this name."""


class UnknownFeatureError(SelectionError):
    """The view or the transformation makes no such feature."""


class MissingKeyError(SelectionError):
    """The request lacks the key of a view that it asks for."""


class MissingFieldError(SelectionError):
    """The request lacks what a transformation reads of it."""


class InvalidValueError(SelectionError):
    """The request has a value that a transformation cannot be computed of."""


class Definitions(Protocol):
    """What is registered; each is the newest of its name, and another object once it changes."""

    @property
    def validators(self) -> Mapping[str, EventValidator]:
        """The sources, by name."""

    def newest_view(self, name: str) -> FeatureViewDefinition | None:
        """A view by its name."""

    def transformation(self, name: str) -> TransformationDefinition | None:
        """A transformation by its name."""

    def feature_service(self, name: str) -> FeatureServiceDefinition | None:
        """A feature service by its name."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature that was asked for. `group` is its view or transformation, `kind` what its values are in JSON."""

    group: str
    name: str
    kind: Kind

    @property
    def full_name(self) -> str:
        """Its name among the features of all views."""
        return f"{self.group}__{self.name}"

    def listed(self, column: NDArray[Any]) -> tuple[list[Any], list[bool]]:
        """A column's values as JSON has them, and where there is none."""
        values: list[Any] = column.tolist()
        gaps = [value is None or value != value for value in values]  # noqa: PLR0124 - NaN is not itself
        match self.kind:
            case "integer":
                values = [None if gap else int(value) for value, gap in zip(values, gaps, strict=True)]
            case "boolean":
                values = [None if gap else value != 0 for value, gap in zip(values, gaps, strict=True)]
        return values, gaps


@dataclass(frozen=True, slots=True)
class Selection:
    """Features in the order that they were asked for, the views that they are read from, and the keys of those.

    `ambiguous` are the names that more than one of the features has, without the name of its view.
    """

    features: tuple[Feature, ...]
    views: Mapping[str, FeatureViewDefinition]
    transformations: Mapping[str, TransformationDefinition]
    join_keys: frozenset[str]
    request: frozenset[str]
    ambiguous: tuple[str, ...] = ()

    def check(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Check that a request has every key and every field that is needed.

        Raises:
            MissingKeyError: a key is missing.
            MissingFieldError: a field is missing.
        """
        if missing := sorted(self.join_keys - columns.keys()):
            given = ", ".join(sorted(columns)) or "none"
            raise MissingKeyError(f"Missing join key values for keys: {missing}; given are: {given}")
        if missing := sorted(self.request - columns.keys()):
            raise MissingFieldError(
                f"Required request data source features {missing} not found in the entity rows, but required by "
                "feature views"
            )


class Selections:
    """Resolves what requests ask for; what was asked before, and has not changed, is resolved already."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._known: dict[tuple[str, ...], Selection] = {}

    def of_service(self, name: str) -> Selection:
        """The features of a feature service.

        Raises:
            SelectionError: there is no such service, or what it names is not registered.
        """
        service = self._definitions.feature_service(name)
        if service is None:
            raise UnknownServiceError(f"Feature service {name} does not exist; apply it first")
        return self.of(service.features)

    def of(self, refs: Sequence[str]) -> Selection:
        """The features that these references (`view:feature`, or `transformation:feature`) mean.

        Raises:
            SelectionError: there are none, one is no reference, or it names what is not registered.
        """
        key = tuple(refs)
        known = self._known.get(key)
        if known is not None and self._is_current(known):
            return known
        if not refs:
            raise NothingAskedError("No features specified for retrieval")
        if len(self._known) >= _MOST_SELECTIONS:
            self._known.clear()
        selection = self._known[key] = self._resolve(key)
        return selection

    def _is_current(self, selection: Selection) -> bool:
        found = self._definitions
        return all(found.newest_view(name) is view for name, view in selection.views.items()) and all(
            found.transformation(name) is one for name, one in selection.transformations.items()
        )

    def _resolve(self, refs: tuple[str, ...]) -> Selection:
        views: dict[str, FeatureViewDefinition] = {}
        transformations: dict[str, TransformationDefinition] = {}
        features = []
        for ref in refs:
            group, name = _parted(ref)
            view = self._definitions.newest_view(group)
            transformation = self._definitions.transformation(group) if view is None else None
            if view is not None:
                views[group] = _having(view, name)
                features.append(Feature(group, name, self._kind(view, name)))
            elif transformation is not None:
                transformations[group] = _having(transformation, name)
                features.append(Feature(group, name, "number"))
            else:
                raise UnknownViewError(f"Feature view {group} does not exist; apply it first")
        for one in transformations.values():
            for group, name in map(_parted, one.inputs.values()):
                if (view := self._definitions.newest_view(group)) is None:
                    raise UnknownViewError(f"Feature view {group} does not exist, and {one.name} reads it")
                views[group] = _having(view, name)
        join_keys = frozenset(key for view in views.values() for key in view.join_keys)
        request = frozenset(field for one in transformations.values() for field in one.request)
        counts = Counter(one.name for one in features)
        ambiguous = tuple(sorted(name for name, count in counts.items() if count > 1))
        return Selection(tuple(features), views, transformations, join_keys, request, ambiguous)

    def _kind(self, view: FeatureViewDefinition, feature: str) -> Kind:
        """What a feature's values are: a picked value of a field is what the source's schema says of that field."""
        picked = next((one.value for one in view.latest if one.name == feature), None)
        for aggregate in view.aggregates:
            if any(feature == f"{aggregate.name}_{window}" for window in aggregate.windows):
                if aggregate.function in _COUNTS:
                    return "integer"
                picked = aggregate.value if aggregate.function in _PICKS else None
        validator = self._definitions.validators.get(view.source)
        return "number" if picked is None or validator is None else field_kind(validator.definition, picked)


def field_kind(source: SourceDefinition, field: str) -> Kind:
    """What a source's schema says of a field; of an expression that is no field, a number."""
    schema = source.json_schema.get("properties", {}).get(field)
    declared = schema.get("type", ()) if isinstance(schema, dict) else ()
    types = ({declared} if isinstance(declared, str) else set(declared)) - {"null"}
    if types == {"integer"}:
        return "integer"
    if types == {"boolean"}:
        return "boolean"
    return "text" if types == {"string"} else "number"


def _parted(ref: str) -> tuple[str, str]:
    group, colon, name = ref.partition(":")
    if not (group and colon and name):
        raise InvalidReferenceError(f"Invalid feature reference {ref!r}. Expected format: '<feature_view>:<feature>'")
    return group, name


def _having(group: Group, feature: str) -> Group:
    if feature not in group.feature_names:
        known = ", ".join(group.feature_names)
        raise UnknownFeatureError(f"Feature {feature} not found in {group.name}; it has: {known}")
    return group
