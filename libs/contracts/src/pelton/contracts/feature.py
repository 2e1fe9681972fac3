"""Facts of the feature service: what data there is, and the datasets made of it."""

from pydantic import AwareDatetime

from pelton.contracts.definitions import FeatureViewDefinition, SourceDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.values import Artifact, Digest, OffsetRange, Window


class SourceRegistered(Fact, owner="feature"):
    """Events of this source are taken in from here on, against this schema."""

    source: str
    definition: SourceDefinition
    definition_digest: Digest


class FeatureViewApplied(Fact, owner="feature"):
    """A version of a view exists, beside those before it."""

    view: str
    definition: FeatureViewDefinition
    definition_digest: Digest


class SourceAdvanced(Fact, owner="feature"):
    """The watermark of a source passed midnight (UTC): events up to `watermark` have been taken in."""

    source: str
    watermark: AwareDatetime
    events: int
    first_event: AwareDatetime
    offsets: tuple[OffsetRange, ...]


class RecordsQuarantined(Fact, owner="feature"):
    """Records were kept out of the stores; they wait, whole, to be looked at and replayed."""

    source: str
    count: int
    reasons: dict[str, int]
    offsets: tuple[OffsetRange, ...]


class DatasetMaterialized(Fact, owner="feature"):
    """An immutable, point-in-time correct dataset of labelled rows is in the object store as Parquet.

    `span` is the event time of its rows; nothing later than `as_of` was looked at. `offsets` bound what was read.
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


class DatasetFailed(Fact, owner="feature"):
    """A dataset that a training asked for cannot be made."""

    training_id: str
    model: str
    reason: str
