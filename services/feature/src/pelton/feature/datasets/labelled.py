"""The dataset of a training: labelled rows with the features as they were at each row's own time, never later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import ModelDefinition, SourceDefinition
from pelton.contracts.definitions.training import Known
from pelton.feature.columns import OFFSET, PARTITION, TIME, arrays
from pelton.feature.datasets.history import ImpossibleDatasetError, demand, features_of, ms, spans
from pelton.feature.offline.reading import Span
from pelton.feature.selection import Selection
from pelton.tiles.entities import entity_text
from pelton.tiles.expressions import Expression, ExpressionError


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that the dataset of a training depends on besides the events."""

    model: ModelDefinition
    sources: Mapping[str, SourceDefinition]
    selection: Selection
    start: datetime
    end: datetime
    as_of: datetime

    @property
    def known(self) -> Known:
        """Whether features are as all that is known now makes them, or as serving knew them."""
        return self.model.training.known

    @property
    def spans(self) -> dict[str, Span]:
        """The events that are read, by source: rows, labels, and whatever features of the rows are made of."""
        needed = spans(self.selection.views, ms(self.start), ms(self.end), self.known)
        model, label = self.model, self.model.label.source
        places = frozenset({PARTITION, OFFSET})
        of_rows = self.selection.join_keys | self.selection.request | {self.sources[model.source].key}
        of_label = _label(model).fields | {self.sources[label].key}
        wanted = {
            model.source: Span(
                ms(self.start), ms(self.end), None, of_rows.union(model.inputs.request, model.attributes, places)
            )
        }
        labels = Span(ms(self.start), ms(self.as_of), None, of_label | places)
        wanted[label] = wanted[label].joined(labels) if label in wanted else labels
        for source, span in wanted.items():
            needed[source] = needed[source].joined(span) if source in needed else span
        return needed


def build(recipe: Recipe, events: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The dataset: `key`, `event_time`, the model's inputs in order, attributes, `label`; sorted by time and key.

    A row is an event of the model's source whose label event came before `as_of`. Its features are of events before
    its own time. Attributes are fields of the event that the evaluation asks for, numbers or texts.

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
    columns |= _numbers(
        recipe.selection, features_of(recipe.selection, rows, rows[TIME].to_numpy(), events, recipe.known)
    )
    columns |= {name: rows[name] for name in model.attributes}
    columns["label"] = rows["label"]
    return pl.DataFrame(columns)


def _spine(recipe: Recipe, events: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    model = recipe.model
    frame = events.get(model.source, pl.DataFrame())
    if frame.is_empty():
        raise ImpossibleDatasetError(f"source {model.source!r} has no events from {recipe.start} to {recipe.as_of}")
    key = recipe.sources[model.source].key
    needed = frozenset({*model.inputs.request, *model.attributes, key})
    demand(f"source {model.source!r}", frame, needed | recipe.selection.join_keys | recipe.selection.request)
    unfit = sorted(name for name in model.inputs.request if frame[name].dtype != pl.Float64)
    if unfit:
        raise ImpossibleDatasetError(
            f"{', '.join(unfit)} of source {model.source!r} are texts; a model's inputs are numbers"
        )
    inside = pl.col(TIME).is_between(ms(recipe.start), ms(recipe.end), closed="left")
    chosen = frame.filter(inside).sort(PARTITION, OFFSET)
    chosen = chosen.with_columns(_keys(chosen[key]))
    return chosen.unique(subset=["key"], keep="first", maintain_order=True)


def _labels(recipe: Recipe, events: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    label = recipe.model.label
    frame = events.get(label.source, pl.DataFrame())
    if frame.is_empty():
        raise ImpossibleDatasetError(f"source {label.source!r} has no events from {recipe.start} to {recipe.as_of}")
    known = frame.filter(pl.col(TIME) < ms(recipe.as_of)).sort(PARTITION, OFFSET)
    key = recipe.sources[label.source].key
    value = _label(recipe.model)
    demand(f"source {label.source!r}", frame, value.fields | {key})
    truth = np.asarray(value.evaluate(arrays(known)), dtype=np.float64)
    found = pl.DataFrame({"key": _keys(known[key]), "label": truth}).filter(~pl.col("label").is_nan())
    return found.unique(subset=["key"], keep="first", maintain_order=True).with_columns(
        (pl.col("label") != 0).cast(pl.Int8)
    )


def _keys(fields: pl.Series) -> pl.Series:
    """Keys as texts; of null the empty one."""
    return pl.Series("key", ["" if one is None else entity_text(one) for one in fields.to_list()], dtype=pl.String)


def _numbers(selection: Selection, columns: Sequence[NDArray[Any]]) -> dict[str, pl.Series]:
    named = {one.full_name: column for one, column in zip(selection.features, columns, strict=True)}
    unfit = sorted(name for name, column in named.items() if column.dtype == object)
    if unfit:
        raise ImpossibleDatasetError(f"{', '.join(unfit)} are no numbers, which a model's inputs are")
    return {name: pl.Series(name, column, dtype=pl.Float64) for name, column in named.items()}


def _label(model: ModelDefinition) -> Expression:
    text = model.label.value
    try:
        return Expression.parse(text)
    except ExpressionError as error:
        raise ImpossibleDatasetError(f"the label's value {text!r} is no expression: {error}") from error
