"""Segments: the files of the offline store, and which of them are merged or dropped. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LARGEST_ROWS: Final = 2_000_000
FEW: Final = 8

Lane = tuple[str, int]
"""A partition of a source."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A Parquet file: the events of one partition, `start <= offset < end`, that arrived on one day.

    Between two segments of a partition lies no offset. `first_ms` and `last_ms` are the least and greatest event time
    in it, both inclusive, and likewise of the arrival.
    """

    source: str
    partition: int
    start: int
    end: int
    path: str
    digest: str
    rows: int
    size: int
    first_ms: int
    last_ms: int
    first_arrival_ms: int
    last_arrival_ms: int

    @property
    def lane(self) -> Lane:
        """The partition that it is of."""
        return self.source, self.partition

    @property
    def day(self) -> str:
        """The day (UTC) of its last arrival, such as `2013-03-01`."""
        return day_of(self.last_arrival_ms)


def day_of(milliseconds: int) -> str:
    """The day (UTC) of a moment, such as `2013-03-01`."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()


def path_of(source: str, day: str, partition: int, start: int, end: int, digest: str) -> str:
    """Where a segment lies: in folders that every reader of Parquet takes for columns of their own.

    Days are those of arrival. So a day that is over never changes again, whatever comes late; and the segments of a
    partition are ranges of offsets, which is what makes each event in exactly one of them.
    """
    return f"offline/_source={source}/_day={day}/{partition:05}-{start:012}-{end:012}-{digest[7:23]}.parquet"


def mergeable(segments: Sequence[Segment], *, few: int = FEW, largest: int = LARGEST_ROWS) -> list[list[Segment]]:
    """The runs of segments, given in order, that are to become one each.

    Of a day that is over all neighbours are, up to so many rows; of the newest day of a partition, each time that a
    few of about one size are beside one another. So each event is rewritten about as often as sizes differ by the
    factor `few`, and not with each new segment.
    """
    runs: list[list[Segment]] = []
    for day in _days(segments):
        is_over = day[-1].end < max(one.end for one in segments if one.lane == day[-1].lane)
        parts = _filled(day, largest) if is_over else _alike(day, few, largest)
        runs += [run for run in parts if len(run) > 1]
    return runs


def _days(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    """The segments of each partition and day, in order."""
    day: list[Segment] = []
    for segment in segments:
        if day and (segment.lane, segment.day) != (day[-1].lane, day[-1].day):
            yield day
            day = []
        day.append(segment)
    if day:
        yield day


def _filled(day: Sequence[Segment], largest: int) -> Iterator[list[Segment]]:
    """Runs as long as they may be."""
    run: list[Segment] = []
    for segment in day:
        if run and sum(one.rows for one in run) + segment.rows > largest:
            yield run
            run = []
        run.append(segment)
    if run:
        yield run


def _alike(day: Sequence[Segment], few: int, largest: int) -> Iterator[list[Segment]]:
    """Runs of at least `few` neighbours of one magnitude, or less where smaller ones lie between."""
    magnitude = 1
    while magnitude < largest:
        magnitude *= few
        run: list[Segment] = []
        for segment in [*day, None]:
            if segment is not None and segment.rows < magnitude:
                run.append(segment)
                continue
            if len(run) >= few:
                yield from _filled(run, largest)
                return
            run = []


def outlived(segments: Sequence[Segment], retention_ms: int) -> list[Segment]:
    """The segments of one source in which every event is older, against the source's newest, than is kept."""
    newest = max((one.last_ms for one in segments), default=0)
    return [one for one in segments if one.last_ms < newest - retention_ms]
