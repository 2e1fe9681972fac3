"""Sources of events, and the features that are made of them."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from pelton.contracts.canonical import digest
from pelton.contracts.definitions.base import (
    Definition,
    Duration,
    ExpressionText,
    FeatureRef,
    FieldName,
    Fraction,
    JsonObject,
    repeated,
    seconds,
)
from pelton.contracts.definitions.rules import Rule, differ
from pelton.contracts.values import Digest, Name

FeatureName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Tags = dict[Annotated[str, StringConstraints(min_length=1, max_length=250)], str]
Function = Literal[
    "count", "sum", "mean", "min", "max", "variance", "rate", "first", "last", "distinct", "quantile", "top_k"
]
# A rate without a value is one of events, and so needs none.
_WITHOUT_VALUE: Final = frozenset({"count", "rate"})


def _unset(value: Any) -> bool:  # noqa: ANN401 - whatever a field holds
    """Whether a field says nothing: it is left out, so that digests made before it existed stay what they are."""
    return value is None or value in ((), {}, "")


class EntityDefinition(Definition):
    """What features are about: `keys` are the fields whose values together tell one from another."""

    name: Name
    keys: Annotated[tuple[FieldName, ...], Field(min_length=1)]
    description: str = ""
    owner: str = ""
    tags: Tags = Field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        """The version of this definition."""
        return digest(self)


class SourceDefinition(Definition):
    """Events of one kind from one upstream system.

    `json_schema` (draft 2020-12) describes the payload; `event_time` and `key` name fields of it: an RFC 3339 time and
    the value that identifies the thing the event is about. An event more than the `lateness` behind the newest of its
    partition is kept offline and changes no online value. Events older than the `retention` leave the offline store.
    Records are keyed by the field `partition_by`, by default by `key`: those of one entity, where it is the entity's,
    are then in one partition. The `rules` are what its events must keep beside the schema.
    """

    name: Name
    description: str = ""
    json_schema: JsonObject
    event_time: FieldName
    key: FieldName
    lateness: Duration = "1h"
    max_age: Duration | None = None
    retention: Duration | None = Field(default=None, exclude_if=_unset)
    partition_by: FieldName | None = Field(default=None, exclude_if=_unset)
    rules: Annotated[tuple[Rule, ...], AfterValidator(differ)] = Field(default=(), exclude_if=_unset)
    owner: str = ""
    tags: Tags = Field(default_factory=dict, exclude_if=_unset)

    @property
    def digest(self) -> Digest:
        """The version of this definition."""
        return digest(self)


class Aggregate(Definition):
    """One aggregate over several windows; each window makes a feature named `<name>_<window>`.

    `value` is an expression over the fields of the event, such as `arr_delay` or `arr_delay > 15`;
    `where` keeps the events for which it is true. `count` needs no value, and `rate`, which is by the second, counts
    events without one. `quantile` says which, `k` how many of the most frequent values.
    """

    name: FeatureName
    function: Function
    value: ExpressionText | None = None
    where: ExpressionText | None = None
    windows: Annotated[tuple[Duration, ...], Field(min_length=1)]
    quantile: Fraction | None = Field(default=None, exclude_if=_unset)
    k: Annotated[int, Field(ge=1, le=100)] | None = Field(default=None, exclude_if=_unset)

    @model_validator(mode="after")
    def _has_what_its_function_needs(self) -> "Aggregate":
        if self.function not in _WITHOUT_VALUE and self.value is None:
            raise ValueError(f"aggregate {self.name!r}: {self.function} needs a `value` expression")
        for function, field in (("quantile", "quantile"), ("top_k", "k")):
            if (self.function == function) != (getattr(self, field) is not None):
                raise ValueError(
                    f"aggregate {self.name!r}: `{field}` belongs to the function {function}, which needs it"
                )
        return self


class Latest(Definition):
    """The newest value of an expression over the fields of an entity's events; the feature is named `name`."""

    name: FeatureName
    value: ExpressionText


class FeatureViewDefinition(Definition):
    """Windowed aggregates and latest values of one source by one entity.

    A value at time t covers the events with `t - window <= event time < t`; with a `resolution`, t is rounded down to
    it first. `tile` is the grain in which whole parts of a window are kept, and changes no value. The entity is the
    field of its name, or the values of the fields `keys` together. A latest value older than the `max_age` is none.
    The features and fields named `sensitive` are for those alone who were granted them.
    """

    name: Name
    description: str = ""
    source: Name
    entity: FieldName
    keys: tuple[FieldName, ...] = Field(default=(), exclude_if=_unset)
    tile: Duration = "1h"
    resolution: Duration | None = Field(default=None, exclude_if=_unset)
    aggregates: tuple[Aggregate, ...] = ()
    latest: tuple[Latest, ...] = Field(default=(), exclude_if=_unset)
    max_age: Duration | None = Field(default=None, exclude_if=_unset)
    sensitive: tuple[FeatureName, ...] = Field(default=(), exclude_if=_unset)
    owner: str = ""
    tags: Tags = Field(default_factory=dict, exclude_if=_unset)

    @property
    def digest(self) -> Digest:
        """The version of this definition."""
        return digest(self)

    @property
    def join_keys(self) -> tuple[FieldName, ...]:
        """The fields whose values together are the entity, in order."""
        return self.keys or (self.entity,)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature of the view, in order."""
        windowed = (f"{a.name}_{w}" for a in self.aggregates for w in a.windows)
        return (*windowed, *(one.name for one in self.latest))

    @model_validator(mode="after")
    def _makes_features(self) -> "FeatureViewDefinition":
        if not self.feature_names:
            raise ValueError(f"view {self.name!r} has no feature: give it `aggregates`, or `latest` values")
        twice = repeated(self.feature_names)
        if twice:
            raise ValueError(f"two features of the view have the same name: {', '.join(twice)}")
        if repeated(self.keys):
            raise ValueError(f"view {self.name!r} names a field twice in `keys`")
        unknown = sorted(set(self.sensitive) - set(self.feature_names))
        if unknown:
            raise ValueError(f"`sensitive` names {', '.join(unknown)}, which the view does not make")
        return self

    @model_validator(mode="after")
    def _grains_fit(self) -> "FeatureViewDefinition":
        if self.resolution is None:
            return self
        grain = seconds(self.resolution)
        if seconds(self.tile) % grain:
            raise ValueError(f"the tile {self.tile} is not a multiple of the resolution {self.resolution}")
        for aggregate in self.aggregates:
            for window in aggregate.windows:
                if seconds(window) % grain:
                    raise ValueError(
                        f"window {window} of {aggregate.name!r} is not a multiple of the resolution {self.resolution}"
                    )
        return self


class TransformationDefinition(Definition):
    """Features made at the time of the request, of fields of the request and features of views.

    Each of `features` is an expression over the names in `request` and over the inputs: an input `view:feature` goes
    by the name that it has in `inputs`. The same evaluation runs in training and serving.
    """

    name: Name
    description: str = ""
    inputs: dict[FieldName, FeatureRef] = Field(default_factory=dict)
    request: tuple[FieldName, ...] = ()
    features: Annotated[dict[FeatureName, ExpressionText], Field(min_length=1)]
    owner: str = ""
    tags: Tags = Field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        """The version of this definition."""
        return digest(self)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature, in order: by name, as facts and tables keep no other order of theirs."""
        return tuple(sorted(self.features))

    @model_validator(mode="after")
    def _names_differ(self) -> "TransformationDefinition":
        twice = repeated((*self.inputs, *self.request))
        if twice:
            raise ValueError(f"transformation {self.name!r} has two inputs of the name {', '.join(twice)}")
        return self


class FeatureServiceDefinition(Definition):
    """Features that are asked for together, by one name."""

    name: Name
    description: str = ""
    features: Annotated[tuple[FeatureRef, ...], Field(min_length=1)]
    owner: str = ""
    tags: Tags = Field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        """The version of this definition."""
        return digest(self)

    @model_validator(mode="after")
    def _features_differ(self) -> "FeatureServiceDefinition":
        twice = repeated(self.features)
        if twice:
            raise ValueError(f"feature service {self.name!r} names {', '.join(twice)} twice")
        return self
