"""The newest values of entities: a short history of each in one record, newest first.

Kept are the newest few of the events before the partition's newest arrival, and all whose time lies after it, such as a
producer's clock that is ahead makes them. So the answer is exact at any moment from that arrival on, which is when it
is asked for; for moments before it, as long as the history reaches back.
"""

import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pelton.tiles.entities import Entities
from pelton.tiles.errors import ForeignRecordError
from pelton.tiles.judging import NEVER_MS
from pelton.tiles.measuring import NULL, Ints, Picked
from pelton.tiles.nodes import FORMAT, REBUILD
from pelton.tiles.plan import Plan

KEPT: Final = 4
LEAD: Final = 2
"""What is before the values of an event: its time and its tie."""
HEADER: Final = 8
WORD: Final = 8
_COUNT_BITS: Final = 16
_ORDER: Final = struct.Struct("<2q")

Texts = Mapping[tuple[int, int], str]


@dataclass(frozen=True, slots=True)
class History:
    """Events of several groups: `group` has shape (m,), `rows` (m, LEAD + features) times, ties and codes of values.

    `texts` has those that codes stand for, by feature and code.
    """

    group: Ints
    rows: Ints
    texts: Texts

    @classmethod
    def of(cls, entities: Entities, times: Ints, ties: Ints, picked: Picked) -> "History":
        """The events of a batch, by the place of their entity."""
        taken = np.flatnonzero(entities.place >= 0)
        return cls(entities.place[taken], np.stack([times, ties, *picked.codes], axis=1)[taken], picked.texts)


def newest(histories: Sequence[History], arrival_ms: int) -> History:
    """Histories together, sorted by group and newest first, of which is kept what is needed after an arrival."""
    group = np.concatenate([one.group for one in histories])
    rows = np.concatenate([one.rows for one in histories])
    order = np.lexsort((-rows[:, 1], -rows[:, 0], group))
    group, times = group[order], rows[order, 0]
    before = times < arrival_ms
    running = np.cumsum(before)
    firsts = np.searchsorted(group, group)
    rank = running - (running[firsts] - before[firsts])
    chosen = ~before | (rank <= KEPT)
    texts = {key: text for one in histories for key, text in one.texts.items()}
    return History(group[chosen], rows[order[chosen]], texts)


def decode(plan: Plan, records: Sequence[bytes | None]) -> History:
    """Read records; None is one without events. Groups are the places of the records.

    A record is words of 64 bits, little-endian: one with the format (8 bits) and the number of events, then the events,
    and, where there are texts, MessagePack of `[feature, code, text]` each.

    Raises:
        ForeignRecordError: a record is of another format or another view, or damaged.
    """
    width = LEAD + len(plan.latest)
    parts, counts = [], np.zeros(len(records), np.int64)
    texts: dict[tuple[int, int], str] = {}
    for place, record in enumerate(records):
        if record is not None:
            end = events_end(plan, record)
            counts[place] = (end - HEADER) // (width * WORD)
            parts.append(record[HEADER:end])
            if end < len(record):
                texts |= texts_of(record[end:])
    rows = np.frombuffer(b"".join(parts), "<i8").astype(np.int64, copy=False).reshape(-1, width)
    return History(np.repeat(np.arange(len(records)), counts), rows, texts)


def events_end(plan: Plan, record: bytes) -> int:
    """Where the events of a record end and its texts begin.

    Raises:
        ForeignRecordError: it is of another format or another view, or damaged.
    """
    if record[:1] != bytes((FORMAT,)):
        found = record[0] if record else "none"
        raise ForeignRecordError(
            f"a record of latest values has format {found}, and this version of Pelton reads format {FORMAT}; it was "
            f"written by another version, or is damaged: {REBUILD}"
        )
    count = int.from_bytes(record[:HEADER], "little") >> _COUNT_BITS
    end = HEADER + WORD * count * (LEAD + len(plan.latest))
    if end > len(record):
        raise ForeignRecordError(f"a record of {count} latest values has {len(record)} bytes, it is damaged: {REBUILD}")
    return end


def texts_of(raw: bytes) -> dict[tuple[int, int], str]:
    """The texts at the end of a record.

    Raises:
        ForeignRecordError: they are damaged.
    """
    try:
        found = msgspec.msgpack.decode(raw, type=list[tuple[int, int, str]])
    except msgspec.DecodeError as error:
        raise ForeignRecordError(f"the texts of a record of latest values are damaged ({error}): {REBUILD}") from error
    return {(feature, code): text for feature, code, text in found}


def encode(plan: Plan, history: History, groups: int) -> list[bytes]:
    """The records of groups 0, 1, ... of a history as `newest` gives it."""
    raw = history.rows.astype("<i8", copy=False).tobytes()
    size = WORD * (LEAD + len(plan.latest))
    counts = np.bincount(history.group, minlength=groups)
    ends = np.cumsum(counts * size).tolist()
    tails = _tails(history)
    return [
        (FORMAT | count << _COUNT_BITS).to_bytes(HEADER, "little")
        + raw[end - count * size : end]
        + tails.get(place, b"")
        for place, (count, end) in enumerate(zip(counts.tolist(), ends, strict=True))
    ]


def _tails(history: History) -> dict[int, bytes]:
    """The texts of each group that has some."""
    found: dict[int, dict[tuple[int, int], str]] = defaultdict(dict)
    for feature in {feature for feature, _ in history.texts}:
        pairs = zip(history.group.tolist(), history.rows[:, LEAD + feature].tolist(), strict=True)
        for group, code in pairs:
            text = history.texts.get((feature, code))
            if text is not None:
                found[group][feature, code] = text
    return {
        group: msgspec.msgpack.encode([(feature, code, text) for (feature, code), text in sorted(texts.items())])
        for group, texts in found.items()
    }


class Newest:
    """The newest values of n rows, each an entity's before a moment, as they are found in records."""

    def __init__(self, plan: Plan, at_ms: Sequence[int]) -> None:
        self._plan = plan
        self._at_ms = at_ms
        self._width = WORD * (LEAD + len(plan.latest))
        self._unknown = struct.pack("<2q", NEVER_MS, 0) + struct.pack("<q", NULL) * len(plan.latest)
        self._found = [self._unknown] * len(at_ms)
        self._order = [(NEVER_MS, 0)] * len(at_ms)
        self._texts: dict[int, dict[tuple[int, int], str]] = {}

    def see(self, row: int, record: bytes) -> None:
        """Take what a record of the row's entity has, if it is newer than what was seen.

        Raises:
            ForeignRecordError: it is of another format or another view, or damaged.
        """
        end = events_end(self._plan, record)
        for place in range(HEADER, end, self._width):
            order = _ORDER.unpack_from(record, place)
            if order[0] < self._at_ms[row]:
                if order > self._order[row]:
                    self._order[row] = order
                    self._found[row] = record[place : place + self._width]
                    self._texts.pop(row, None)
                    if end < len(record):
                        self._texts[row] = texts_of(record[end:])
                return

    def columns(self) -> tuple[dict[str, NDArray[Any]], Ints]:
        """The features, each of shape (n,), and the time of the event they come from, `NEVER_MS` without one."""
        times = np.array([order[0] for order in self._order], np.int64)
        if self._plan.max_age_ms is not None:
            for row, (time, at_ms) in enumerate(zip(times.tolist(), self._at_ms, strict=True)):
                if time < at_ms - self._plan.max_age_ms:
                    self._found[row] = self._unknown
                    self._texts.pop(row, None)
        table = np.frombuffer(b"".join(self._found), "<i8").reshape(len(self._found), -1)[:, LEAD:].T
        numbers = np.ascontiguousarray(table).view("<f8")
        columns: dict[str, NDArray[Any]] = {one.name: numbers[place] for place, one in enumerate(self._plan.latest)}
        for feature in {feature for texts in self._texts.values() for feature, _ in texts}:
            column = np.full(len(self._found), None, dtype=object)
            for row, texts in self._texts.items():
                column[row] = texts.get((feature, int(table[feature, row])))
            columns[self._plan.latest[feature].name] = column
        return columns, times
