"""Sources of events, and the features that are made of them."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from pelton.contracts.canonical import digest
from pelton.contracts.definitions.base import (
    Definition,
    Duration,
    ExpressionText,
    FieldName,
    JsonObject,
    repeated,
    seconds,
)
from pelton.contracts.values import Digest, Name


class SourceDefinition(Definition):
    """Events of one kind from one upstream system.

    `json_schema` (draft 2020-12) describes the payload; `event_time` and `key` name fields of it:
    an RFC 3339 time and the value that identifies the thing the event is about.
    """

    name: Name
    description: str = ""
    json_schema: JsonObject
    event_time: FieldName
    key: FieldName
    lateness: Duration = "1h"
    max_age: Duration | None = None
    owner: str = ""

    @property
    def digest(self) -> Digest:
        """The version of this definition."""
        return digest(self)


class Aggregate(Definition):
    """One aggregate over several windows; each window makes a feature named `<name>_<window>`.

    `value` is an expression over the fields of the event, such as `arr_delay` or `arr_delay > 15`;
    `where` keeps the events for which it is true. `count` needs no value.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    function: Literal["count", "sum", "mean", "min", "max"]
    value: ExpressionText | None = None
    where: ExpressionText | None = None
    windows: Annotated[tuple[Duration, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _value_where_needed(self) -> "Aggregate":
        if self.function != "count" and self.value is None:
            raise ValueError(f"aggregate {self.name!r}: {self.function} needs a `value` expression")
        return self


class FeatureViewDefinition(Definition):
    """Windowed aggregates of one source by one entity.

    A value at time t covers whole tiles only: events with `floor(t) - window <= event time < floor(t)`,
    where floor rounds down to the tile, so that online and offline see the same events.
    """

    name: Name
    description: str = ""
    source: Name
    entity: FieldName
    tile: Duration = "1h"
    aggregates: Annotated[tuple[Aggregate, ...], Field(min_length=1)]
    owner: str = ""

    @property
    def digest(self) -> Digest:
        """The version of this definition."""
        return digest(self)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature of the view, in order."""
        return tuple(f"{a.name}_{w}" for a in self.aggregates for w in a.windows)

    @model_validator(mode="after")
    def _windows_are_tiles(self) -> "FeatureViewDefinition":
        tile = seconds(self.tile)
        for aggregate in self.aggregates:
            for window in aggregate.windows:
                if seconds(window) % tile:
                    raise ValueError(f"window {window} of {aggregate.name!r} is not a multiple of the tile {self.tile}")
        twice = repeated(self.feature_names)
        if twice:
            raise ValueError(f"two features of the view have the same name: {', '.join(twice)}")
        return self
