"""Sources: what is registered, and how far a source has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Self

from pelton.contracts.definitions import SourceDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.feature import EventsArrivedTooLate, SourceAdvanced, SourceRegistered
from pelton.contracts.topics import data_topic
from pelton.contracts.values import OffsetRange
from pelton.feature.domain.errors import IncompatibleError
from pelton.feature.domain.named import Named
from pelton.feature.fields import kinds


@dataclass(frozen=True, slots=True)
class Source(Named):
    """A registered source. `advanced_to` is the last midnight that its watermark passed.

    `too_late` events of it are known to have come too late, up to the offsets by partition in `too_late_to`.
    """

    definition: SourceDefinition | None = None
    advanced_to: datetime | None = None
    too_late: int = 0
    too_late_to: Mapping[int, int] = field(default_factory=dict)

    category: ClassVar[str] = "sources"

    def evolve(self, fact: Fact) -> Self:
        """The source after one more fact."""
        match fact:
            case SourceRegistered():
                return replace(self, definition=fact.definition)
            case SourceAdvanced():
                return replace(self, advanced_to=midnight(fact.watermark))
            case EventsArrivedTooLate():
                ends = {one.partition: one.end for one in fact.offsets}
                return replace(self, too_late=fact.total, too_late_to={**self.too_late_to, **ends})
            case _:
                return self


def register(source: Source, definition: SourceDefinition, used_fields: frozenset[str]) -> Sequence[Fact]:
    """Register a source, or change it; the same definition again changes nothing.

    Raises:
        IncompatibleError: a field that `used_fields` says feature views use would be gone, a field would be of
            another type than the events that are stored, the key or the event time would be another, or records are
            to be partitioned by what is no field.
    """
    before = source.definition
    if before is not None and before.digest == definition.digest:
        return []
    if definition.partition_by is not None and definition.partition_by not in kinds(definition):
        raise IncompatibleError(
            f"source {source.name!r} partitions its records by {definition.partition_by!r}, which its schema does not "
            "have as a number or a text; name another field, or none"
        )
    if before is not None:
        if (before.key, before.event_time) != (definition.key, definition.event_time):
            raise IncompatibleError(
                f"source {source.name!r} is keyed by {before.key!r} with its time in {before.event_time!r}; events "
                "that are in already depend on both. Register a source of another name instead"
            )
        old, new = kinds(before), kinds(definition)
        turned = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
        if turned:
            raise IncompatibleError(
                f"{', '.join(turned)} of source {source.name!r} would change between number and text, and events are "
                "stored with the type before; give the new field another name"
            )
        gone = sorted(used_fields - new.keys())
        if gone:
            raise IncompatibleError(
                f"feature views use {', '.join(gone)} of source {source.name!r}; keep these fields in the schema, or "
                "apply views that do without them first"
            )
    return [SourceRegistered(source=source.name, definition=definition, definition_digest=definition.digest)]


def advance(
    source: Source,
    watermark: datetime,
    *,
    events: int,
    first_event: datetime,
    offsets: Sequence[OffsetRange],
) -> Sequence[Fact]:
    """Say that the watermark passed a midnight; nothing until it has passed one more."""
    if source.advanced_to is not None and midnight(watermark) <= source.advanced_to:
        return []
    if source.advanced_to is None and midnight(watermark) <= first_event:
        return []
    return [
        SourceAdvanced(
            source=source.name, watermark=watermark, events=events, first_event=first_event, offsets=tuple(offsets)
        )
    ]


def note_too_late(source: Source, total: int, ends: Mapping[int, int]) -> Sequence[Fact]:
    """Say that events came too late, `total` in all up to the offsets by partition in `ends`; nothing of none new."""
    if total <= source.too_late:
        return []
    topic = data_topic(source.name)
    ranges = tuple(
        OffsetRange(topic=topic, partition=partition, start=source.too_late_to.get(partition, 0), end=end)
        for partition, end in sorted(ends.items())
        if end > source.too_late_to.get(partition, 0)
    )
    return [EventsArrivedTooLate(source=source.name, count=total - source.too_late, total=total, offsets=ranges)]


def midnight(moment: datetime) -> datetime:
    """The start of the day of a moment, in UTC."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def next_midnight(moment: datetime) -> datetime:
    """The start of the day after."""
    return midnight(moment) + timedelta(days=1)
