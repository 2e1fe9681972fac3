"""Predictions meet their labels. Pure: the same rows and the same events give the same join in any order."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.records import OutcomeBatch
from pelton.monitor.labels import Labels
from pelton.monitor.rows import Rows

CHUNK: Final = 1000
_NONE: Final = -1

Candidate = tuple[int, int, int, int]  # event time, partition, offset, label: the least one counts


class LabelIndex:
    """Label events by key, as one window's predictions look them up.

    The label of a prediction made at t is that of the earliest event of its key with t <= event time <= t + delay; of
    several at one time, that of the lowest partition and offset.
    """

    def __init__(self, events: Iterable[Labels], delay: int) -> None:
        self._delay = delay
        self._events: dict[str, list[Candidate]] = defaultdict(list)
        for part in events:
            for row in np.flatnonzero(~part.silent).tolist():
                candidate = (int(part.times[row]), part.partition, int(part.offsets[row]), int(part.labels[row]))
                self._events[part.keys[row]].append(candidate)
        for candidates in self._events.values():
            candidates.sort()

    def labels(self, rows: Rows) -> NDArray[np.int8]:
        """The label of each row, -1 where it has none."""
        found = np.full(len(rows.keys), _NONE, dtype=np.int8)
        events, delay = self._events, self._delay
        for row, (key, time) in enumerate(zip(rows.keys, rows.times.tolist(), strict=True)):
            for candidate in events.get(key, ()):
                if time <= candidate[0] <= time + delay:
                    found[row] = candidate[3]
                    break
        return found


@dataclass(frozen=True)
class Joined:
    """Rows of a window with their labels, -1 where there is none."""

    rows: Rows
    labels: NDArray[np.int8]

    @property
    def unlabelled(self) -> int:
        """How many rows have no label."""
        return int(np.count_nonzero(self.labels == _NONE))

    def scored(self, version: int) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        """Labels and probabilities of the labelled rows that a version scored, in (0 to 1)."""
        column = self.rows.outputs.get(version)
        if column is None:
            return np.empty(0, dtype=np.int8), np.empty(0)
        with np.errstate(invalid="ignore"):
            fit = (self.labels != _NONE) & (column >= 0) & (column <= 1)
        return self.labels[fit], column[fit]


def outcomes(model: str, start: int, end: int, joined: Sequence[Joined]) -> list[OutcomeBatch]:
    """The labelled rows of a window by revision of the route, in order of key, time and place, in chunks.

    The first chunk of a revision counts its unlabelled rows, also where it has no labelled one.
    """
    by_revision: dict[int, list[Joined]] = defaultdict(list)
    for part in joined:
        by_revision[part.rows.route.revision].append(part)
    batches: list[OutcomeBatch] = []
    for _, parts in sorted(by_revision.items()):
        batches += _of_revision(model, start, end, parts)
    return batches


def _of_revision(model: str, start: int, end: int, parts: Sequence[Joined]) -> list[OutcomeBatch]:
    route = min(part.rows.route for part in parts)
    ordered = sorted(
        (part.rows.keys[row], int(part.rows.times[row]), part.rows.partition, int(part.rows.offsets[row]), at, row)
        for at, part in enumerate(parts)
        for row in np.flatnonzero(part.labels != _NONE).tolist()
    )
    versions = sorted({version for part in parts for version in part.rows.outputs})
    batches = []
    for chunk in range(max(1, -(-len(ordered) // CHUNK))):
        places = [(parts[at], row) for *_, at, row in ordered[chunk * CHUNK : (chunk + 1) * CHUNK]]
        batches.append(
            OutcomeBatch(
                model=model,
                revision=route.revision,
                mode=route.mode,
                champion=route.champion,
                challenger=route.challenger,
                weight=route.weight,
                window_start=start,
                window_end=end,
                chunk=chunk,
                keys=[part.rows.keys[row] for part, row in places],
                event_times=[int(part.rows.times[row]) for part, row in places],
                labels=[int(part.labels[row]) for part, row in places],
                served=[int(part.rows.served[row]) for part, row in places],
                outputs={
                    str(version): [_output(part.rows, version, row) for part, row in places] for version in versions
                },
                unlabelled=sum(part.unlabelled for part in parts) if chunk == 0 else 0,
            )
        )
    return batches


def _output(rows: Rows, version: int, row: int) -> float | None:
    column = rows.outputs.get(version)
    if column is None or np.isnan(column[row]):
        return None
    return float(column[row])
