"""Label events as columns, from the records of a source. Pure but for the clock that Kafka wrote beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import LabelDefinition, SourceDefinition
from pelton.contracts.monitor import LabelJoin
from pelton.monitor.rows import UNREADABLE
from pelton.monitor.windows import Times
from pelton.tiles.expressions import Expression

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = 1000  # in microseconds
_ASKS_FOR_NULL: Final = "is_null("
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Event(NamedTuple):
    """A record of a source: its offset and the JSON of its payload."""

    offset: int
    value: bytes


@dataclass(frozen=True)
class Labels:
    """What the events of one partition say, for each event that can be read: all arrays of shape (n,).

    `labels` is 1 where the label's expression is true and 0 where it is false; events in which a field of the
    expression is null say nothing, and are `silent`, unless the expression asks for nulls itself.
    """

    partition: int
    keys: Sequence[str]
    times: Times
    offsets: Times
    labels: NDArray[np.int8]
    silent: NDArray[np.bool_]

    def where(self, mask: NDArray[np.bool_]) -> Self:
        """The events for which the mask is true."""
        if mask.all():
            return self
        return replace(
            self,
            keys=[self.keys[row] for row in np.flatnonzero(mask).tolist()],
            times=self.times[mask],
            offsets=self.offsets[mask],
            labels=self.labels[mask],
            silent=self.silent[mask],
        )

    def not_after(self, limits: Mapping[int, int]) -> Self:
        """The events whose time is at most the limit of their offset."""
        return self.where(self.times <= np.array([limits[int(offset)] for offset in self.offsets], dtype=np.int64))


def read(partition: int, events: Iterable[Event], join: LabelJoin) -> Labels:
    """The events that can be read: JSON objects with a key and an RFC 3339 time with its offset from UTC.

    The others are passed over: the feature service sets them aside, and answers for them.
    """
    keys: list[str] = []
    times: list[int] = []
    offsets: list[int] = []
    payloads: list[Mapping[str, Any]] = []
    for event in events:
        try:
            payload = _decode(event.value)
            key, time = payload.get(join.key), payload.get(join.event_time)
            milliseconds = _milliseconds(time)
        except UNREADABLE:
            continue
        if milliseconds is None or isinstance(key, bool) or not isinstance(key, str | int):
            continue
        keys.append(str(key))
        times.append(milliseconds)
        offsets.append(event.offset)
        payloads.append(payload)
    labels, silent = _evaluate(join, payloads)
    return Labels(partition, keys, np.array(times, dtype=np.int64), np.array(offsets, dtype=np.int64), labels, silent)


def _milliseconds(text: object) -> int | None:
    """Milliseconds since 1970 of an RFC 3339 time, rounded down; None of what is none or has no offset from UTC."""
    if not isinstance(text, str):
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return None
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * _MILLISECOND + since.microseconds // _MILLISECOND


def _evaluate(join: LabelJoin, payloads: Sequence[Mapping[str, Any]]) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    expression = Expression.parse(join.definition.value)
    columns = {
        name: _texts(name, payloads) if name in join.texts else _numbers(name, payloads)
        for name in sorted(expression.fields)
    }
    if not columns:
        raise ValueError(f"the label {join.definition.value!r} reads no field of its events")
    values = np.asarray(expression.evaluate(columns), dtype=np.float64)
    silent = np.isnan(values)
    if _ASKS_FOR_NULL not in join.definition.value:
        # The language calls a comparison with null false; a label whose field is null is unknown, not a no.
        for column in columns.values():
            nulls = [value is None for value in column] if column.dtype == object else np.isnan(column)
            silent |= np.asarray(nulls, dtype=np.bool_)
    return np.where(silent, 0, values != 0).astype(np.int8), silent


def _texts(name: str, payloads: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
    column = np.empty(len(payloads), dtype=object)
    for row, payload in enumerate(payloads):
        value = payload.get(name)
        column[row] = value if isinstance(value, str) else None
    return column


def _numbers(name: str, payloads: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    return np.array([_number(payload.get(name)) for payload in payloads], dtype=np.float64)


def _number(value: object) -> float:
    """A number or a truth value as a float; anything else is null."""
    try:
        return float(value) if isinstance(value, int | float) else float("nan")
    except OverflowError:
        return float("nan")


def join_of(definition: LabelDefinition, source: SourceDefinition) -> LabelJoin:
    """How a model's label is read from the events of its source; what is a text, the source's schema says."""
    declared = {name: schema.get("type", ()) for name, schema in source.json_schema.get("properties", {}).items()}
    texts = tuple(
        name
        for name in sorted(Expression.parse(definition.value).fields)
        if "string" in ([declared.get(name)] if isinstance(declared.get(name), str) else declared.get(name, ()))
    )
    return LabelJoin(definition=definition, key=source.key, event_time=source.event_time, texts=texts)
