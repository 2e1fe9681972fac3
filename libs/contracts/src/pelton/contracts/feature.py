"""Facts of the feature service: what data there is, and the datasets made of it."""

from typing import Literal

from pydantic import AwareDatetime, Field

from pelton.contracts.definitions import (
    EntityDefinition,
    FeatureServiceDefinition,
    FeatureViewDefinition,
    SourceDefinition,
    TransformationDefinition,
)
from pelton.contracts.definitions.base import JsonObject
from pelton.contracts.definitions.training import Known
from pelton.contracts.fact import Fact, Value, unchanged
from pelton.contracts.values import Artifact, Digest, OffsetRange, Window


class SourceRegistered(Fact, owner="feature", version=2, upcasters={1: unchanged}):
    """Events of this source are taken in from here on, against this schema."""

    source: str
    definition: SourceDefinition
    definition_digest: Digest


class FeatureViewApplied(Fact, owner="feature", version=2, upcasters={1: unchanged}):
    """A version of a view exists, beside those before it."""

    view: str
    definition: FeatureViewDefinition
    definition_digest: Digest


class EntityApplied(Fact, owner="feature"):
    """Features may be about this entity; views of it are by its keys."""

    entity: str
    definition: EntityDefinition
    definition_digest: Digest


class TransformationApplied(Fact, owner="feature"):
    """A version of a transformation exists, beside those before it."""

    transformation: str
    definition: TransformationDefinition
    definition_digest: Digest


class FeatureServiceApplied(Fact, owner="feature"):
    """These features are asked for by the service's name from here on."""

    service: str
    definition: FeatureServiceDefinition
    definition_digest: Digest


class FeatureViewDeprecated(Fact, owner="feature"):
    """A view is to be left by `sunset`, for the view `successor` where one is named."""

    view: str
    reason: str
    sunset: AwareDatetime | None = None
    successor: str | None = None


class FeatureViewDeprecationWithdrawn(Fact, owner="feature"):
    """A view is not deprecated any more."""

    view: str
    reason: str


class FeatureDefinitionRemoved(Fact, owner="feature"):
    """These versions of a definition are registered no longer; without one left, its name is free."""

    kind: Literal["entity", "feature view", "transformation", "feature service"]
    name: str
    versions: tuple[Digest, ...]
    reason: str = ""


class FeatureAccessGranted(Fact, owner="feature"):
    """Somebody may do this with a feature view or a source; with the first grant it is closed to whoever has none.

    The `grantee` is a team of the registry or a person. `sensitive` is what the view marks so, or what the source has
    that such features are made of. A grant to the same grantee takes the place of the one before.
    """

    kind: Literal["feature view", "source"]
    name: str
    to: Literal["team", "person"]
    grantee: str
    actions: tuple[Literal["read", "write"], ...]
    sensitive: bool = False


class FeatureAccessRevoked(Fact, owner="feature"):
    """Somebody's grant is no more. What it was of stays closed, also when this was the last."""

    kind: Literal["feature view", "source"]
    name: str
    to: Literal["team", "person"]
    grantee: str
    reason: str


class FeatureAccessOpened(Fact, owner="feature"):
    """A feature view or a source is open again, as their roles allow, to all; its grants are no more."""

    kind: Literal["feature view", "source"]
    name: str
    reason: str


class SourceAdvanced(Fact, owner="feature"):
    """The watermark of a source passed midnight (UTC): events up to `watermark` have been taken in."""

    source: str
    watermark: AwareDatetime
    events: int
    first_event: AwareDatetime
    offsets: tuple[OffsetRange, ...]


class EventsArrivedTooLate(Fact, owner="feature"):
    """Events came further behind their partition's newest than their source's lateness: no online value has them.

    They are in the offline store, marked. `count` of them lie in `offsets`; with those told before they are `total`.
    """

    source: str
    count: int
    total: int
    offsets: tuple[OffsetRange, ...]


class RecordsQuarantined(Fact, owner="feature"):
    """Records were kept out of the stores; they wait, whole, to be looked at and replayed.

    `reasons` counts them by the rule that they broke first, or by the field that is not as the schema says.
    """

    source: str
    count: int
    reasons: dict[str, int]
    offsets: tuple[OffsetRange, ...]


class SourceRuleViolated(Fact, owner="feature"):
    """A source as a whole breaks a rule: nothing has come for long, or a span of event time has too few or too many.

    A span that was counted is the `window`, with so many `events` among the records in `offsets`; silence has none.
    `source_digest` is the version of the source that has the rule.
    """

    source: str
    rule: str
    source_digest: Digest
    detail: str
    window: Window | None = None
    events: int | None = None
    offsets: tuple[OffsetRange, ...] = ()


class SourceRuleRestored(Fact, owner="feature"):
    """A source keeps a rule again that it did not keep."""

    source: str
    rule: str
    source_digest: Digest
    detail: str
    window: Window | None = None
    events: int | None = None
    offsets: tuple[OffsetRange, ...] = ()


class ColumnProfile(Value):
    """One column: rows without a (finite) value, how many different values, and of numbers how they lie.

    `deviation` is the standard deviation by n, none where it is beyond a float; `quantiles` are values of the column,
    by share.
    """

    type: str
    missing: int
    distinct: int
    mean: float | None = None
    deviation: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    quantiles: dict[str, float] = Field(default_factory=dict)


class DatasetProfile(Value):
    """A dataset without its rows. It lies in the object store, as canonical JSON."""

    rows: int
    columns: dict[str, ColumnProfile]


class DatasetMaterialized(Fact, owner="feature"):
    """An immutable, point-in-time correct dataset is in the object store as Parquet.

    `span` is the event time of its rows; nothing later than `as_of` was looked at. `offsets` bound what was read.
    `profile` is the digest of its `DatasetProfile`; datasets from before there were any have none.

    That of a training has labels. One that was asked for by its `query` has none, no positives, and no training and
    model but empty texts. `known` says whether features are of all events before a row, or of those that serving knew.
    `dropped` has, by source, up to which event time the offline store had let go of events that would have counted.
    """

    dataset: Digest
    training_id: str
    model: str
    artifact: Artifact
    rows: int
    positives: int
    columns: tuple[str, ...]
    span: Window
    as_of: AwareDatetime
    offsets: tuple[OffsetRange, ...]
    views: dict[str, Digest]
    sources: dict[str, Digest]
    transformations: dict[str, Digest] = Field(default_factory=dict)
    profile: Digest | None = None
    name: str = ""
    query: JsonObject | None = None
    known: Known = "event_time"
    dropped: dict[str, AwareDatetime] = Field(default_factory=dict)


class DatasetFailed(Fact, owner="feature"):
    """A dataset that a training asked for cannot be made."""

    training_id: str
    model: str
    reason: str
