"""What views and transformations make of tables, without a platform: by the same code that training and serving run."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition, SourceDefinition, TransformationDefinition, seconds
from pelton.sdk.frames import (
    Column,
    FrameError,
    FrameT,
    column,
    like,
    moment_ms,
    moments,
    of_moments,
    read,
    with_columns,
)
from pelton.tiles.entities import entity_keys
from pelton.tiles.expressions import Expression
from pelton.tiles.features import NEVER_MS, of_events

Ints = NDArray[np.int64]
EVENT_TIME: Final = "event_time"


def of_columns(transformation: TransformationDefinition, frame: FrameT) -> FrameT:
    """The frame with a column for each feature of a transformation."""
    table = read(frame)
    reader = f"transformation {transformation.name!r}"
    columns = {name: column(table, name, reader) for name in (*transformation.request, *transformation.inputs)}
    return like(frame, with_columns(table, _features(transformation, columns)))


def of_arrays(transformation: TransformationDefinition, given: Mapping[str, object]) -> dict[str, Column]:
    """The features of a transformation, of arrays, sequences, or single values that hold for every row."""
    arrays = [np.atleast_1d(_array(value)) for value in given.values()]
    return _features(transformation, dict(zip(given, np.broadcast_arrays(*arrays), strict=True)))


def of_view(
    view: FeatureViewDefinition,
    source: SourceDefinition | None,
    frame: FrameT,
    *,
    at: object,
    known_at: datetime | str | None,
    event_time: str | None,
    arrival: str,
    event_id: str | None,
) -> FrameT:
    """The features of a view from a table of events; `FeatureView.compute` says what each argument means."""
    reader = f"view {view.name!r}"
    time_field = event_time or (source.event_time if source is not None else None)
    if time_field is None:
        raise FrameError(f"{reader} does not know its source; say which column is the `event_time`")
    events = read(frame)
    if known_at is not None:
        events = events[np.argsort(moments(events, arrival, reader), kind="stable").tolist()]
    if event_id is not None:
        events = events.unique(subset=[event_id], keep="first", maintain_order=True)
    times = moments(events, time_field, reader)
    asked = _asked(view, events, at, reader)
    known = None if known_at is None else _known(asked, known_at, reader)
    found = of_events(
        view,
        {name: column(events, name, reader) for name in _fields(view)},
        times,
        entity_keys(view, {name: column(asked, name, reader) for name in view.join_keys}),
        moments(asked, EVENT_TIME, reader),
        ids=None if event_id is None else events[event_id].cast(pl.String),
        arrivals_ms=None if known is None else _arrivals(moments(events, arrival, reader), times, source),
        known_ms=known,
    )
    return like(frame, with_columns(asked, {name: found.columns[name] for name in view.feature_names}))


def _features(transformation: TransformationDefinition, columns: Mapping[str, Column]) -> dict[str, Column]:
    return {name: Expression.parse(text).column(columns) for name, text in sorted(transformation.features.items())}


def _known(asked: pl.DataFrame, known_at: datetime | str, reader: str) -> Ints:
    """Until when each row knows what had arrived: one moment for all, or a column's."""
    if isinstance(known_at, str) and known_at in asked.columns:
        return moments(asked, known_at, reader)
    return np.full(asked.height, moment_ms(known_at), dtype=np.int64)


def _arrivals(arrivals: Ints, times: Ints, source: SourceDefinition | None) -> Ints:
    """When events arrived, in order; never, where serving had no use for them, as they came later than the lateness."""
    if source is None or not times.size:
        return arrivals
    watermark = np.concatenate([times[:1], np.maximum.accumulate(times)[:-1]])
    return np.where(times < watermark - seconds(source.lateness) * 1000, NEVER_MS, arrivals)


def _asked(view: FeatureViewDefinition, events: pl.DataFrame, at: object, reader: str) -> pl.DataFrame:
    """The entities and moments that features are asked for: a table, or every entity of the events at one moment."""
    keys = list(view.join_keys)
    if not isinstance(at, datetime | str):
        return read(at)
    missing = sorted(set(keys) - set(events.columns))
    if missing:
        raise FrameError(f"{reader} is by {', '.join(missing)}, which the table lacks: {', '.join(events.columns)}")
    entities: pl.DataFrame = events.select(keys).drop_nulls().unique().sort(keys)
    return entities.with_columns(of_moments([moment_ms(at)] * entities.height).alias(EVENT_TIME))


def _fields(view: FeatureViewDefinition) -> list[str]:
    """The columns that a view reads of events."""
    measured = [text for one in view.aggregates for text in (one.value, one.where) if text is not None]
    texts = [*measured, *(one.value for one in view.latest)]
    return sorted({*view.join_keys}.union(*(Expression.parse(text).fields for text in texts)))


def _array(values: Any) -> Column:  # noqa: ANN401 - an array, a sequence or one value
    array = np.asarray(values)
    if array.dtype.kind in "US" or (array.dtype == object and any(isinstance(one, str) for one in array.ravel())):
        return array.astype(object)
    return np.array([np.nan if one is None else one for one in array.ravel().tolist()], dtype=np.float64).reshape(
        array.shape
    )
