"""From the records of a partition to its events as columns, and to what is wrong with the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import compress
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import seconds
from pelton.eventkit.reader import RecordColumns
from pelton.feature.columns import ARRIVAL, ID, OFFSET, PARTITION, TIME
from pelton.feature.fields import kinds
from pelton.feature.ingest.schemas import decoder_of
from pelton.feature.ingest.times import Ints, Mask, microseconds, milliseconds
from pelton.feature.validation import AHEAD, EPOCH, LARGEST, Event, EventValidator, Fault, printable

Numbers = NDArray[np.float64]

EVENT_ID: Final = "ce_id"
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Events:
    """Good events of one partition in order, n of them: arrays of shape (n,).

    `columns` are numbers as float64 with NaN for null, and texts as String.
    """

    offsets: Ints
    ids: pl.Series
    times_ms: Ints
    arrivals_ms: Ints
    columns: Mapping[str, Numbers | pl.Series]

    def frame(self, partition: int) -> pl.DataFrame:
        """As the offline store keeps them, but for the verdicts."""
        kept = [
            column if isinstance(column, pl.Series) else pl.Series(name, column, nan_to_null=True)
            for name, column in self.columns.items()
        ]
        return pl.DataFrame(
            [
                *kept,
                self.ids.alias(ID),
                pl.Series(TIME, self.times_ms),
                pl.repeat(partition, len(self.ids), dtype=pl.Int32, eager=True).alias(PARTITION),
                pl.Series(OFFSET, self.offsets),
                pl.Series(ARRIVAL, self.arrivals_ms),
            ]
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that is no event of its source."""

    offset: int
    event_id: str
    raw: bytes
    faults: Sequence[Fault]


@dataclass(frozen=True, slots=True)
class Parsed:
    """The records of a partition: those that are events, with their bytes in `raw`, and those that are refused."""

    events: Events
    raw: Sequence[bytes]
    refused: Sequence[Refused]

    def without(self, faults: Mapping[int, Sequence[Fault]]) -> "Parsed":
        """The same with events refused, for what is wrong with them, by their places."""
        if not faults:
            return self
        events = self.events
        places = sorted(faults)
        ids = events.ids.gather(places).to_list()
        refused = [
            Refused(int(events.offsets[place]), event_id, self.raw[place], faults[place])
            for place, event_id in zip(places, ids, strict=True)
        ]
        kept = np.ones(len(events.ids), np.bool_)
        kept[places] = False
        columns = {
            name: column.filter(kept) if isinstance(column, pl.Series) else column[kept]
            for name, column in events.columns.items()
        }
        return Parsed(
            Events(
                events.offsets[kept],
                events.ids.filter(kept),
                events.times_ms[kept],
                events.arrivals_ms[kept],
                columns,
            ),
            list(compress(self.raw, kept.tolist())),
            sorted([*self.refused, *refused], key=attrgetter("offset")),
        )


class EventParser:
    """Parses the events of one source. It says of each what `EventValidator` says, of most of them all at once.

    Whatever the decoder does not take, or is not plainly right, is left to the validator, one by one.
    """

    def __init__(self, validator: EventValidator) -> None:
        self.validator = validator
        definition = validator.definition
        fields = {name: f"f{place}" for place, name in enumerate(definition.json_schema["properties"])}
        columns = kinds(definition)
        self._decoder = decoder_of(definition)
        self._time = attrgetter(fields[definition.event_time])
        self._numbers = {name: attrgetter(fields[name]) for name, kind in columns.items() if kind == "number"}
        self._texts = {name: attrgetter(fields[name]) for name, kind in columns.items() if kind == "text"}
        self._max_age = timedelta(seconds=seconds(definition.max_age)) if definition.max_age else None
        # What stands for a record that is not decoded: it has no time, and so the validator looks at the record.
        empty = dict.fromkeys(fields.values()) | {fields[definition.event_time]: ""}
        self._undecoded = msgspec.defstruct("Undecoded", list(empty))(**empty)

    def parse(self, place: str, records: RecordColumns, now: datetime) -> Parsed:
        """Parse the records of a partition, whose name stands in for the ids of those that have none."""
        values, ids = records.values(), event_ids(place, records)
        rows = self._rows(values)
        moments, plain = microseconds(list(map(self._time, rows)))
        plain &= self._timely(moments, now)
        numbers = {name: _floats(map(get, rows)) for name, get in self._numbers.items()}
        texts = {name: list(map(get, rows)) for name, get in self._texts.items()}
        for column in numbers.values():
            plain &= ~(np.abs(column) >= LARGEST)
        times = milliseconds(moments)
        faults: dict[int, Sequence[Fault]] = {}
        for row in np.flatnonzero(~plain).tolist():
            read = self.validator.read(values[row], now)
            if isinstance(read, Event):
                times[row] = read.time_ms
                for name, column in numbers.items():
                    column[row] = _float(read.data.get(name))
                for name, listed in texts.items():
                    listed[row] = read.data.get(name)
            else:
                faults[row] = read
        events = Events(
            records.offsets,
            pl.Series(ids, dtype=pl.String),
            times,
            records.timestamps_ms,
            # A zero below zero would be another number than the one that a validated event has.
            {name: column + 0.0 for name, column in numbers.items()}
            | {name: pl.Series(name, listed, dtype=pl.String) for name, listed in texts.items()},
        )
        return Parsed(events, values, ()).without(faults)

    def _rows(self, values: Sequence[bytes]) -> list[Any]:
        if self._decoder is None:
            return [self._undecoded] * len(values)
        rows: list[Any] = []
        decoded = map(self._decoder.decode, values)
        while len(rows) < len(values):
            try:
                rows.extend(decoded)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                rows.append(self._undecoded)
        return rows

    def _timely(self, moments: Ints, now: datetime) -> Mask:
        timely = (moments >= 0) & (moments <= _micros(now + AHEAD))
        return timely if self._max_age is None else timely & (moments >= _micros(now - self._max_age))


def event_ids(place: str, records: RecordColumns) -> list[str]:
    """The CloudEvents ids; a record without one counts by its place."""
    raw = records.header(EVENT_ID)
    try:
        ids = list(map(bytes.decode, raw))  # type: ignore[arg-type]
    except (TypeError, UnicodeDecodeError):
        return [
            f"{place}/{offset}" if one is None else printable(one.decode("utf-8", "replace"))
            for one, offset in zip(raw, records.offsets.tolist(), strict=True)
        ]
    return ids if "\0" not in "".join(ids) else list(map(printable, ids))


def _floats(values: Any) -> Numbers:  # noqa: ANN401 - numbers, truth values and None
    listed = list(values)
    try:
        return np.array(listed, dtype=np.float64)
    except OverflowError:
        return np.array([_float(value) for value in listed], dtype=np.float64)


def _float(value: float | None) -> float:
    try:
        return float("nan") if value is None else float(value)
    except OverflowError:
        return float("inf")


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // _MICROSECOND
