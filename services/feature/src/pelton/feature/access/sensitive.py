"""What of a source's events is sensitive: the fields that sensitive features are made of. Pure."""

from collections.abc import Iterable, Iterator

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles.expressions import Expression


def sensitive_fields(views: Iterable[FeatureViewDefinition]) -> frozenset[str]:
    """The fields of a source that the sensitive features of its views, in any version, are made of."""
    fields = (_fields(view, frozenset(view.sensitive)) for view in views if view.sensitive)
    return frozenset().union(*fields)


def shown_fields(view: FeatureViewDefinition) -> frozenset[str]:
    """The fields that the features of a view are made of that are not marked sensitive."""
    return _fields(view, frozenset(view.feature_names) - frozenset(view.sensitive))


def _fields(view: FeatureViewDefinition, features: frozenset[str]) -> frozenset[str]:
    return frozenset().union(*(Expression.parse(text).fields for text in _expressions(view, features)))


def _expressions(view: FeatureViewDefinition, features: frozenset[str]) -> Iterator[str]:
    for one in view.aggregates:
        if any(f"{one.name}_{window}" in features for window in one.windows):
            yield from (text for text in (one.value, one.where) if text is not None)
    yield from (one.value for one in view.latest if one.name in features)
