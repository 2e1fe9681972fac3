"""Which events count: each id once, and those that are not too late. Decided once, in the order of a partition."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.tiles.hashing import hash_texts

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Verdicts = NDArray[np.int8]

ON_TIME: Final = 0
LATE: Final = 1
TOO_LATE: Final = 2
DUPLICATE: Final = 3
NEVER_MS: Final = -(2**62)
"""Earlier than any event."""
ALWAYS_MS: Final = 2**62
"""Later than any event."""
_SECOND_SEED: Final = 0x5EED


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids as hashes of 128 bits, each with the time of its event; sorted by the first half."""

    first: Hashes
    second: Hashes
    times: Ints

    @classmethod
    def of(cls, first: Hashes, second: Hashes, times: Ints) -> "Ids":
        """Ids in whatever order."""
        order = np.argsort(first)
        return cls(first[order], second[order], times[order])

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Ids":
        """Read the stored form."""
        words = np.frombuffer(raw, "<u8").reshape(3, -1)
        return cls(words[0], words[1], words[2].view("<i8"))

    def to_bytes(self) -> bytes:
        """The stored form: first halves, second halves, times."""
        return b"".join((self.first.astype("<u8").tobytes(), self.second.tobytes(), self.times.tobytes()))

    def since(self, time_ms: int) -> "Ids":
        """Those of events at or after a time."""
        kept = self.times >= time_ms
        return self if kept.all() else Ids(self.first[kept], self.second[kept], self.times[kept])


@dataclass(frozen=True, slots=True)
class Remembered:
    """The ids of a partition that are remembered, in runs of falling size: looking one up takes a search in each."""

    runs: tuple[Ids, ...] = field(default=())

    def __len__(self) -> int:
        """How many ids there are."""
        return sum(run.times.size for run in self.runs)

    def times(self, first: Hashes, second: Hashes) -> Ints:
        """The newest time that each id is remembered with, shape (n,); `NEVER_MS` where it is not."""
        found = np.full(first.size, NEVER_MS, np.int64)
        for run in self.runs:
            if run.times.size:
                places = np.minimum(np.searchsorted(run.first, first), run.times.size - 1)
                same = (run.first[places] == first) & (run.second[places] == second)
                np.maximum(found, run.times[places], out=found, where=same)
        return found

    def with_added(self, ids: Ids, oldest_ms: int) -> "Remembered":
        """With more ids, and without some of those whose events are older than `oldest_ms`."""
        runs = [*self.runs, ids]
        while len(runs) > 1 and runs[-2].times.size < 2 * runs[-1].times.size:
            late, early = runs.pop().since(oldest_ms), runs.pop().since(oldest_ms)
            parts = [(run.first, run.second, run.times) for run in (early, late)]
            runs.append(Ids.of(*(np.concatenate(pair) for pair in zip(*parts, strict=True))))
        return Remembered(tuple(runs))


def hashed(ids: pl.Series) -> tuple[Hashes, Hashes]:
    """The two halves of each id's hash, each of shape (n,)."""
    return hash_texts(ids), hash_texts(ids, _SECOND_SEED)


def judge(
    remembered: Remembered, hashes: tuple[Hashes, Hashes], times: Ints, watermark_ms: int, lateness_ms: int
) -> tuple[Verdicts, Ids]:
    """A verdict on each event of a partition, in its order, and the ids to remember from now on.

    An event is late if it is older than the newest before it, and too late if by more than the lateness. Its id is a
    duplicate if it is remembered, with a time that would not be too late now. `watermark_ms` is that of the newest
    event before the first of these, `NEVER_MS` without one.
    """
    newest = np.maximum.accumulate(np.concatenate([[watermark_ms], times[:-1]]))
    oldest = newest - lateness_ms
    verdicts = np.where(times < oldest, TOO_LATE, np.where(times < newest, LATE, ON_TIME)).astype(np.int8)
    known = remembered.times(*hashes)
    verdicts[(known > NEVER_MS) & (known >= oldest)] = DUPLICATE
    for rows in _repeated(*hashes):
        _judge_in_turn(verdicts, rows, times, oldest)
    new = verdicts <= LATE
    return verdicts, Ids.of(hashes[0][new], hashes[1][new], times[new])


def _judge_in_turn(verdicts: Verdicts, rows: Sequence[int], times: Ints, oldest: Ints) -> None:
    """Judge the events of one id, of which an earlier one makes a later one a duplicate."""
    known: int | None = None
    for row in rows:
        if known is not None and known >= oldest[row]:
            verdicts[row] = DUPLICATE
        elif verdicts[row] <= LATE:
            known = int(times[row])


def _repeated(first: Hashes, second: Hashes) -> list[list[int]]:
    """The rows of each id that is there more than once, in their order."""
    order = np.argsort(first, kind="stable")
    alike = first[order[1:]] == first[order[:-1]]
    if not alike.any():
        return []
    groups: dict[tuple[int, int], list[int]] = {}
    doubtful = np.unique(np.concatenate([order[1:][alike], order[:-1][alike]]))
    for row in doubtful.tolist():
        groups.setdefault((int(first[row]), int(second[row])), []).append(row)
    return [rows for rows in groups.values() if len(rows) > 1]
