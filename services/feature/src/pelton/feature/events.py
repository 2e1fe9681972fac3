"""The door for events over HTTP: each event is answered for itself, and what is good is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from pelton.contracts.canonical import canonical_json
from pelton.contracts.definitions import FeatureViewDefinition
from pelton.contracts.topics import data_topic
from pelton.eventkit.publisher import Outgoing, Publisher
from pelton.eventkit.telemetry.tracing import current_traceparent
from pelton.eventkit.unit import Units
from pelton.feature.catalogue import Catalogue
from pelton.feature.ingest import quarantined
from pelton.feature.quality import quarantine
from pelton.feature.quality.faults import refusals
from pelton.feature.quality.quarantine import Rejected
from pelton.feature.quality.rules import columns_of
from pelton.feature.submissions import Submission
from pelton.feature.validation import Event, EventValidator, Fault, printable
from pelton.tiles.writer import TileWriter

Status = Literal["accepted", "duplicate", "rejected"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one event."""

    id: str
    status: Status
    errors: tuple[Fault, ...] = ()


class EventDoor:
    """Validates, publishes and sets aside."""

    def __init__(self, catalogue: Catalogue, tiles: TileWriter, publisher: Publisher, units: Units) -> None:
        self._catalogue = catalogue
        self._tiles = tiles
        self._publisher = publisher
        self._units = units

    async def take(self, source: str, events: Sequence[Submission], actor: str) -> list[Verdict]:
        """Take events of a registered source; returns when the good ones are on Kafka and the bad ones set aside."""
        now = self._units.clock()
        verdicts, good = self._judge(source, events, actor, now)
        await self._publisher.publish(good)
        bad = [self._rejected(source, *pair) for pair in zip(events, verdicts, strict=True) if pair[1].errors]
        if bad:
            async with self._units.begin(actor=actor) as unit:
                await quarantined(unit, source, await quarantine.add(unit.connection, bad, now), ())
        return verdicts

    def counts(self, source: str) -> Mapping[str, int]:
        """What became of a source's events: those in the online store, and of what was or was not taken in, by why."""
        counted = self._tiles.statistics(source)
        names = ("events", "late", "too_late", "duplicates")
        return {name: getattr(counted, name) if counted is not None else 0 for name in names}

    def kept(self, view: FeatureViewDefinition) -> Mapping[str, int]:
        """What a version of a view keeps online: records, live tiles and finer entries in them, and their bytes."""
        return asdict(self._tiles.kept(view))

    async def take_again(
        self, source: str, events: Sequence[Submission], actor: str, *, dry_run: bool = False
    ) -> list[Verdict]:
        """Take events that are set aside already; they are not set aside once more. `dry_run` only judges."""
        verdicts, good = self._judge(source, events, actor, self._units.clock())
        if not dry_run:
            await self._publisher.publish(good)
        return verdicts

    def _judge(
        self, source: str, events: Sequence[Submission], actor: str, now: datetime
    ) -> tuple[list[Verdict], list[Outgoing]]:
        validator = self._catalogue.validators[source]
        seen = self._tiles.seen(source, [event.id for event in events])
        verdicts: list[Verdict] = []
        good: list[Outgoing] = []
        taken: set[str] = set()
        for event, known, read in zip(events, seen, _read(validator, events, now), strict=True):
            if not event.faults and (known or event.id in taken):
                verdicts.append(Verdict(event.id, "duplicate"))
            elif isinstance(read, Event):
                taken.add(event.id)
                good.append(_outgoing(source, event.id, read, actor))
                verdicts.append(Verdict(event.id, "accepted"))
            else:
                verdicts.append(Verdict(event.id, "rejected", tuple(read)))
        return verdicts, good

    def _rejected(self, source: str, event: Submission, verdict: Verdict) -> Rejected:
        origin = f"http/{self._units.new_id()}"
        version = self._catalogue.validators[source].definition.digest
        raw = event.for_quarantine()
        return Rejected(self._units.new_id(), source, printable(event.id), origin, raw, verdict.errors, version)


def _read(validator: EventValidator, events: Sequence[Submission], now: datetime) -> list[Event | list[Fault]]:
    """Each event as its form, its source's schema and its source's rules of single events let it in, or the faults."""
    read = [list(event.faults) or validator.check(event.data, now) for event in events]
    if validator.definition.rules:
        good = {place: one for place, one in enumerate(read) if isinstance(one, Event)}
        places, columns = list(good), columns_of(validator.definition, [one.data for one in good.values()])
        for place, faults in refusals(validator.rules, columns).items():
            read[places[place]] = faults
    return read


def _outgoing(source: str, event_id: str, event: Event, actor: str) -> Outgoing:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", f"/pelton/feature/{actor}".encode()),
        ("ce_type", f"pelton.data.{source}".encode()),
        ("content-type", b"application/json"),
    ]
    traceparent = current_traceparent()
    if traceparent is not None:
        headers.append(("traceparent", traceparent.encode()))
    return Outgoing(data_topic(source), event.key.encode(), headers, canonical_json(dict(event.data)))
