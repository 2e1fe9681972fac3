"""The records of the online store: nodes of a tree over time, for each entity of a view.

A node covers a span of time. Few entries are kept in it as fine as they are: it is a leaf. One that has more is split:
it keeps entries of the size of its children, and its children, which cover a part of it each, keep the finer ones. So a
window is made of coarse entries in its middle and finer ones at its ends; what is rare takes one record, and what is
frequent is never rewritten whole. Which nodes are split follows from the events alone, whatever their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pelton.tiles.entries import CELL_WIDTH, Entries, Ints
from pelton.tiles.errors import ForeignRecordError
from pelton.tiles.measuring import Flags
from pelton.tiles.plan import Plan
from pelton.tiles.records import Bytes

FORMAT: Final = 3
LEAF_ENTRIES: Final = 64
_WORD: Final = 8
SPLIT_BIT: Final = 8
COUNT_BITS: Final = 16
REBUILD: Final = "stop the service, delete the online store, and start it again: it is rebuilt from the log"


@dataclass(frozen=True, slots=True)
class Nodes:
    """What records hold: which of them are split, and the entries of all, by the place of their record."""

    split: Flags
    entries: Entries


def decode(plan: Plan, records: Sequence[Bytes | None]) -> Nodes:
    """Read records; None is an empty leaf.

    A record is words of 64 bits, little-endian: one with the format (8 bits), whether it is split (8) and how many
    entries it has, then the entries (start and columns), then cells.

    Raises:
        ForeignRecordError: a record is of another format or another view, or damaged.
    """
    held = [record or b"" for record in records]
    sizes = np.fromiter(map(len, held), np.int64, len(held))
    if (sizes % _WORD).any():
        raise _damaged("its length is no multiple of 8")
    words = np.frombuffer(b"".join(held), "<i8").astype(np.int64, copy=False)
    sizes //= _WORD
    present = np.flatnonzero(sizes)
    split = np.zeros(len(held), np.bool_)
    if not present.size:
        return Nodes(split, Entries.empty(plan))
    sizes = sizes[present]
    headers = words[np.cumsum(sizes) - sizes]
    foreign = (headers & 0xFF) != FORMAT
    if foreign.any():
        raise ForeignRecordError(
            f"a record of tiles has format {int(headers[foreign][0]) & 0xFF}, and this version of Pelton reads format "
            f"{FORMAT}; it was written by another version, or is damaged: {REBUILD}"
        )
    stride = 1 + plan.width
    counts = headers >> COUNT_BITS
    rest = sizes - 1 - counts * stride
    if (counts < 0).any() or (rest < 0).any() or (rest % CELL_WIDTH).any():
        raise _damaged(f"its length is not that of entries of {plan.width} columns")
    split[present] = (headers >> SPLIT_BIT) & 1
    # Which words are a header (0), entries (1) and cells (2).
    parts = np.repeat(
        np.tile(np.array([0, 1, 2], np.int8), present.size),
        np.stack([np.ones_like(counts), counts * stride, rest], 1).ravel(),
    )
    table = words[parts == 1].reshape(-1, stride).T
    cells = words[parts == 2].reshape(-1, CELL_WIDTH).T  # noqa: PLR2004 - as above
    return Nodes(
        split, Entries(np.repeat(present, counts), table[0], table[1:], np.repeat(present, rest // CELL_WIDTH), cells)
    )


def encode(plan: Plan, nodes: Nodes) -> list[memoryview]:
    """The records of nodes; their entries are sorted by group and start, and cells likewise."""
    split, entries = nodes.split, nodes.entries
    number = split.size
    stride = 1 + plan.width
    counts = np.bincount(entries.group, minlength=number)
    cells = np.bincount(entries.cell_group, minlength=number)
    sizes = 1 + counts * stride + cells * CELL_WIDTH
    ends = np.cumsum(sizes)
    words = np.empty(int(ends[-1]) if number else 0, "<i8")
    words[ends - sizes] = FORMAT | split.astype(np.int64) << SPLIT_BIT | counts << COUNT_BITS
    # Each row goes behind the headers of its own and of the former records, and the rows and cells before it.
    table = np.concatenate([entries.start[np.newaxis], entries.columns]).T
    _place(words, table, (ends - sizes + 1)[entries.group], counts, stride)
    _place(words, entries.cells.T, (ends - cells * CELL_WIDTH)[entries.cell_group], cells, CELL_WIDTH)
    raw = memoryview(words.tobytes())
    edges = (ends * _WORD).tolist()
    return [raw[start:end] for start, end in zip([0, *edges[:-1]], edges, strict=True)]


def _place(words: "Ints", table: Ints, bases: Ints, counts: Ints, stride: int) -> None:
    """Write the rows of a table to where those of their record begin."""
    if len(table):
        firsts = np.cumsum(counts) - counts
        within = np.arange(len(table)) - np.repeat(firsts, counts)
        places = bases + within * stride
        words[places[:, np.newaxis] + np.arange(stride)] = table


def _damaged(why: str) -> ForeignRecordError:
    return ForeignRecordError(f"a record of tiles is damaged, {why}: {REBUILD}")
