"""Datasets: labelled rows with the features as they were at each row's own time, never later."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition, ModelDefinition, SourceDefinition, seconds
from pelton.feature.columns import TIME, arrays
from pelton.tiles.expressions import Expression, ExpressionError
from pelton.tiles.features import of_events
from pelton.tiles.fold import entity_text


class ImpossibleDatasetError(ValueError):
    """A dataset that cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a dataset depends on besides the events."""

    model: ModelDefinition
    sources: Mapping[str, SourceDefinition]
    views: Mapping[str, FeatureViewDefinition]
    start: datetime
    end: datetime
    as_of: datetime

    @property
    def first_needed_ms(self) -> int:
        """The event time from which on events are needed: the longest window before the first row."""
        longest = max((seconds(w) for v in self.views.values() for a in v.aggregates for w in a.windows), default=0)
        tile = max((seconds(v.tile) for v in self.views.values()), default=0)
        return _ms(self.start) - (longest + tile) * 1000

    @property
    def needed_sources(self) -> list[str]:
        """Every source that is read."""
        return sorted({self.model.source, self.model.label.source, *(view.source for view in self.views.values())})


def build(recipe: Recipe, events: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The dataset: `key`, `event_time`, the model's inputs in order, attributes, `label`; sorted by time and key.

    A row is an event of the model's source whose label event came before `as_of`. Its features cover whole tiles
    before its own time. Attributes are fields of the event that the evaluation asks for, numbers or texts.

    Raises:
        ImpossibleDatasetError: there are no events, or fields are missing.
    """
    model = recipe.model
    spine = _spine(recipe, events)
    labels = _labels(recipe, events)
    rows = spine.join(labels, on="key", how="inner").sort(TIME, "key")
    if rows.is_empty():
        raise ImpossibleDatasetError(
            f"no event of {model.source!r} between {recipe.start} and {recipe.end} has a label in "
            f"{model.label.source!r} before {recipe.as_of}"
        )
    columns: dict[str, pl.Series] = {
        "key": rows["key"],
        "event_time": rows[TIME].cast(pl.Datetime("ms", "UTC")).alias("event_time"),
    }
    for name in model.inputs.request:
        columns[name] = rows[name].cast(pl.Float64).alias(name)
    columns |= _features(recipe, events, rows)
    columns |= {name: rows[name] for name in model.attributes}
    columns["label"] = rows["label"]
    return pl.DataFrame(columns)


def _spine(recipe: Recipe, events: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    model = recipe.model
    frame = events.get(model.source, pl.DataFrame())
    if frame.is_empty():
        raise ImpossibleDatasetError(f"source {model.source!r} has no events from {recipe.start} to {recipe.as_of}")
    entities = {view.entity for view in recipe.views.values()}
    key = recipe.sources[model.source].key
    _demand(model.source, frame, {*model.inputs.request, *model.attributes, *entities, key})
    texts = sorted(name for name in model.inputs.request if frame[name].dtype != pl.Float64)
    if texts:
        raise ImpossibleDatasetError(
            f"{', '.join(texts)} of source {model.source!r} are texts; a model's inputs are numbers"
        )
    inside = pl.col(TIME).is_between(_ms(recipe.start), _ms(recipe.end), closed="left")
    chosen = frame.filter(inside)
    chosen = chosen.with_columns(pl.Series("key", _texts(chosen[key]), dtype=pl.String))
    return chosen.unique(subset=["key"], keep="first", maintain_order=True)


def _labels(recipe: Recipe, events: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    label = recipe.model.label
    frame = events.get(label.source, pl.DataFrame())
    if frame.is_empty():
        raise ImpossibleDatasetError(f"source {label.source!r} has no events from {recipe.start} to {recipe.as_of}")
    known = frame.filter(pl.col(TIME) < _ms(recipe.as_of))
    key = recipe.sources[label.source].key
    value = _label(label.value)
    _demand(label.source, frame, {*value.fields, key})
    truth = np.asarray(value.evaluate(arrays(known)), dtype=np.float64)
    keys = pl.Series("key", _texts(known[key]), dtype=pl.String)
    found = pl.DataFrame({"key": keys, "label": truth}).filter(~pl.col("label").is_nan())
    return found.unique(subset=["key"], keep="first", maintain_order=True).with_columns(
        (pl.col("label") != 0).cast(pl.Int8)
    )


def _features(recipe: Recipe, events: Mapping[str, pl.DataFrame], rows: pl.DataFrame) -> dict[str, pl.Series]:
    times: NDArray[np.int64] = rows[TIME].to_numpy()
    found: dict[str, pl.Series] = {}
    computed: dict[str, Mapping[str, NDArray[Any]]] = {}
    for ref in recipe.model.inputs.features:
        name, _, feature = ref.partition(":")
        view = recipe.views[name]
        if name not in computed:
            frame = events.get(view.source, pl.DataFrame())
            event_times = frame[TIME].to_numpy() if frame.height else np.empty(0, np.int64)
            computed[name] = of_events(view, arrays(frame), event_times, _texts(rows[view.entity]), times).columns
        column = f"{name}__{feature}"
        found[column] = pl.Series(column, computed[name][feature], dtype=pl.Float64)
    return found


def _label(text: str) -> Expression:
    try:
        return Expression.parse(text)
    except ExpressionError as error:
        raise ImpossibleDatasetError(f"the label's value {text!r} is no expression: {error}") from error


def _demand(source: str, frame: pl.DataFrame, fields: AbstractSet[str]) -> None:
    missing = sorted(fields - set(frame.columns))
    if missing:
        raise ImpossibleDatasetError(f"source {source!r} has no field {', '.join(missing)} that is a number or a text")


def _texts(series: pl.Series) -> list[str]:
    """Keys and entities as the texts that tiles are kept under; of null the empty one."""
    return ["" if value is None else entity_text(value) for value in series.to_list()]


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
