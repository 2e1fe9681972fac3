"""Event-time windows and where in a partition each of them ends. Pure."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]

# An event time so far after the record's own timestamp on Kafka is a fault of whoever wrote it. One such record would
# end every window to come, so it is passed over.
FUTURE_MS: Final = 86_400_000


def floor(times: Any, length: int) -> Any:  # noqa: ANN401 - an int gives an int, an array an array
    """The start of the window of `length` milliseconds, aligned to 1970 in UTC, that a time lies in."""
    return times - times % length


@dataclass
class Cuts:
    """Where, in one partition, the greatest event time so far first reached each boundary.

    Boundaries are the multiples of `length` plus `shift`, all in milliseconds. A cut is the offset after the record
    that reached the boundary; it depends on the partition's content alone, never on when it was read. A window
    holds the records before its cut.
    """

    length: int
    shift: int = 0
    watermark: int | None = None
    _reached: list[tuple[int, int]] = field(default_factory=list)

    def take(self, offsets: Times, times: Times) -> Times:
        """Go on with records, offsets ascending; returns the watermark before each of them.

        A partition that had no record yet has a watermark before all times.
        """
        if not offsets.size:
            return times
        before_all = np.iinfo(np.int64).min if self.watermark is None else self.watermark
        after = np.maximum.accumulate(np.maximum(times, before_all))
        before = np.concatenate(([before_all], after[:-1]))
        boundary = floor(after - self.shift, self.length) + self.shift
        last = self._reached[-1][0] if self._reached else np.iinfo(np.int64).min
        grown = boundary > np.concatenate(([last], boundary[:-1]))
        self._reached += [(int(boundary[at]), int(offsets[at]) + 1) for at in np.flatnonzero(grown)]
        self.watermark = int(after[-1])
        return before

    def cut(self, boundary: int) -> int | None:
        """The offset after the record that reached the boundary; None before there is one."""
        return next((offset for reached, offset in self._reached if reached >= boundary), None)

    def forget(self, until: int) -> None:
        """Boundaries before this one are not asked for any more."""
        kept = [step for step in self._reached if step[0] >= until]
        self._reached = kept or self._reached[-1:]


def passed(partitions: list[Cuts]) -> int | None:
    """The watermark of a topic: the least over the partitions that ever had a record; None when none had."""
    marks = [cuts.watermark for cuts in partitions if cuts.watermark is not None]
    return min(marks) if marks else None
