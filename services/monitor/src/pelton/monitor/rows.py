"""Predictions as columns: rows of one champion under one route, from records of one partition. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import groupby
from typing import Any, Final, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from pelton.contracts.records import PredictionBatch
from pelton.monitor.windows import Times

Inputs = Mapping[str, NDArray[np.float32]]

# What a record raises that is not JSON of the expected shape: msgspec's errors and those of bytes that are no text are
# ValueErrors, and one that is nested too deeply is the other.
UNREADABLE: Final = (ValueError, RecursionError)

_INTEGERS: Final = np.iinfo(np.int64)
_DIGITS_OF_A_VERSION: Final = 9


class Located(NamedTuple):
    """A record of predictions and its offset."""

    offset: int
    batch: PredictionBatch


class Route(NamedTuple):
    """Who answered, and how requests were shared out."""

    revision: int
    mode: str
    champion: int
    challenger: int | None
    weight: float


@dataclass(frozen=True)
class Rows:
    """Rows of one partition: `offsets`, `times` (milliseconds) and `served` have shape (n,), as has each column.

    `outputs` holds the probability of the positive class by version, NaN where the version did not score the row.
    Inputs are what the model saw, in single precision, NaN where missing; they go when drift has been judged.
    """

    partition: int
    route: Route
    keys: Sequence[str]
    times: Times
    offsets: Times
    served: NDArray[np.int64]
    outputs: Mapping[int, NDArray[np.float64]]
    inputs: Inputs

    def where(self, mask: NDArray[np.bool_]) -> Self:
        """The rows for which the mask is true."""
        if mask.all():
            return self
        return replace(
            self,
            keys=[self.keys[row] for row in np.flatnonzero(mask).tolist()],
            times=self.times[mask],
            offsets=self.offsets[mask],
            served=self.served[mask],
            outputs={version: column[mask] for version, column in self.outputs.items()},
            inputs={name: column[mask] for name, column in self.inputs.items()},
        )

    def without_inputs(self) -> Self:
        """The rows as outcomes need them."""
        return replace(self, inputs={})


def fingerprint(batch: PredictionBatch) -> bytes:
    """The same for a record that was written twice."""
    return blake2b(msgspec.json.encode((batch.id, batch.keys, batch.event_times)), digest_size=16).digest()


def latest(records: Sequence[Located]) -> Times:
    """The greatest event time of each record."""
    return np.array([max(record.batch.event_times) for record in records], dtype=np.int64)


def flaw(batch: PredictionBatch, features: Iterable[str]) -> str | None:
    """Why a record cannot be counted; None when it can."""
    rows = len(batch.keys)
    columns: list[tuple[str, Sequence[object]]] = [
        ("event_times", batch.event_times),
        ("served", batch.served),
        *batch.inputs.items(),
        *batch.outputs.items(),
    ]
    if rows == 0:
        return "it has no rows"
    for name, column in columns:
        if len(column) != rows:
            return f"column {name!r} has {len(column)} values for {rows} rows"
    for name, integers in (("event_times", batch.event_times), ("served", batch.served)):
        if min(integers) < _INTEGERS.min or max(integers) > _INTEGERS.max:
            return f"column {name!r} has a value beyond 64 bits"
    versions = [name for name in batch.outputs if not name.isdecimal() or len(name) > _DIGITS_OF_A_VERSION]
    if versions:
        return f"{versions[0]!r} among its outputs is no version"
    missing = sorted(set(features) - batch.inputs.keys())
    if missing:
        return f"it lacks the inputs {', '.join(missing)} of version {batch.champion}'s reference"
    return None


def tables(partition: int, records: Sequence[Located]) -> Iterator[tuple[Rows, NDArray[np.intp]]]:
    """Columns of the records, cut where the route or the names change; beside each row, which record it is of."""
    start = 0
    for _, group in groupby(records, key=_shape):
        run = list(group)
        rows = _table(partition, run)
        lengths = [len(record.batch.keys) for record in run]
        yield rows, np.repeat(np.arange(start, start + len(run)), lengths)
        start += len(run)


def _shape(record: Located) -> tuple[Any, ...]:
    batch = record.batch
    return (route_of(batch), tuple(batch.inputs), tuple(batch.outputs))


def route_of(batch: PredictionBatch) -> Route:
    """The route that a record was answered under."""
    return Route(batch.revision, batch.mode, batch.champion, batch.challenger, batch.weight)


def _table(partition: int, run: Sequence[Located]) -> Rows:
    first = run[0].batch
    return Rows(
        partition=partition,
        route=route_of(first),
        keys=[key for record in run for key in record.batch.keys],
        times=np.array([time for record in run for time in record.batch.event_times], dtype=np.int64),
        offsets=np.repeat(
            np.array([record.offset for record in run], dtype=np.int64), [len(record.batch.keys) for record in run]
        ),
        served=np.array([version for record in run for version in record.batch.served], dtype=np.int64),
        outputs={
            int(name): np.array([value for record in run for value in record.batch.outputs[name]], dtype=np.float64)
            for name in first.outputs
        },
        inputs={
            # by way of double precision: numpy makes None a NaN only there
            name: np.array([value for record in run for value in record.batch.inputs[name]], dtype=np.float64).astype(
                np.float32
            )
            for name in first.inputs
        },
    )
