"""Datasets that people ask for: rows of a source or of their own, with the features that these had at their times."""

import asyncio
import io
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import AwareDatetime, Field, model_validator

from pelton.contracts.definitions.base import Definition, FeatureRef, FieldName
from pelton.contracts.definitions.training import Known
from pelton.contracts.feature import DatasetMaterialized
from pelton.contracts.values import Digest, Name, Window
from pelton.feature import arrow
from pelton.feature.catalogue import Catalogue
from pelton.feature.columns import OFFSET, PARTITION, TIME
from pelton.feature.datasets.history import ImpossibleDatasetError, Ints, demand, features_of, moment, ms, spans
from pelton.feature.datasets.materializer import Materializer
from pelton.feature.offline.reading import Loaded, Span
from pelton.feature.selection import Selection, SelectionError, Selections
from pelton.objects import ObjectNotFoundError, Objects


class SourceRows(Definition):
    """Rows that are the events of a source, `start <= event time < end`, with these fields of theirs."""

    source: Name
    start: AwareDatetime
    end: AwareDatetime
    fields: tuple[FieldName, ...] = ()

    @model_validator(mode="after")
    def _has_a_span(self) -> "SourceRows":
        if self.start >= self.end:
            raise ValueError("`start` must be before `end`")
        return self


class DatasetQuery(Definition):
    """A dataset that is asked for: `rows` of a source, or the digest of a Parquet file of rows in the object store.

    `features` lists `view:feature`, or a `feature_service` names them.
    """

    name: Name
    rows: SourceRows | Digest
    features: tuple[FeatureRef, ...] = ()
    feature_service: Name | None = None
    known: Known = Field(default="event_time")

    @model_validator(mode="after")
    def _names_features_once(self) -> "DatasetQuery":
        if bool(self.features) == (self.feature_service is not None):
            raise ValueError("name `features`, or a `feature_service`, and not both")
        return self


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows with their moments. What is neither number nor text is passed on, and no feature is made of it."""

    table: pa.Table
    at_ms: Ints

    @property
    def columns(self) -> pl.DataFrame:
        """The columns that features may be made of: numbers and truth values as Float64, texts as String."""
        frame = pl.DataFrame(self.table)
        fit = {name for name, kind in frame.schema.items() if kind.is_numeric() or kind in (pl.Boolean, pl.String)}
        numbers = [pl.col(name).cast(pl.Float64) for name in fit if frame.schema[name] != pl.String]
        return frame.select(sorted(fit)).with_columns(numbers)


class HistoricalFeatures:
    """Answers with features of rows at their own times, and makes datasets of them."""

    def __init__(self, catalogue: Catalogue, materializer: Materializer, objects: Objects) -> None:
        self._catalogue = catalogue
        self._materializer = materializer
        self._objects = objects
        self.selections = Selections(catalogue)

    def select(self, query: DatasetQuery) -> Selection:
        """The features that a query means.

        Raises:
            SelectionError: what it names is not registered.
        """
        if query.feature_service is not None:
            return self.selections.of_service(query.feature_service)
        return self.selections.of(query.features)

    async def answer(self, selection: Selection, rows: Rows, known: Known) -> pa.Table:
        """The rows with a column for each feature, typed as the online store answers.

        Raises:
            ImpossibleDatasetError: the rows lack a key, or what a transformation reads.
            TransientError: the offline store has not caught up since the service was started.
        """
        table, _ = await self._computed(selection, rows, known)
        return table

    async def make(self, query: DatasetQuery) -> DatasetMaterialized:
        """Make the dataset of a query, and say what it is; the same rows and events give the same digest.

        Raises:
            ImpossibleDatasetError: there are no rows, or something that is named is not there.
            TransientError: the offline store has not caught up since the service was started.
        """
        try:
            selection = self.select(query)
        except SelectionError as error:
            raise ImpossibleDatasetError(str(error)) from error
        read = await self._rows_of(query.rows, selection)
        if not read.rows.at_ms.size:
            raise ImpossibleDatasetError(
                f"the query {query.name!r} has no rows: its span has no events, or it sent none"
            )
        table, loaded = await self._computed(selection, read.rows, query.known)
        kept = await self._materializer.keep(pl.DataFrame(table))
        return DatasetMaterialized(
            dataset=kept.artifact.digest,
            training_id="",
            model="",
            artifact=kept.artifact,
            rows=kept.rows,
            positives=0,
            columns=kept.columns,
            span=read.span,
            as_of=read.span.end,
            offsets=tuple(sorted({*loaded.offsets, *read.loaded.offsets}, key=lambda one: (one.topic, one.partition))),
            views={name: view.digest for name, view in sorted(selection.views.items())},
            transformations={name: one.digest for name, one in sorted(selection.transformations.items())},
            sources=self._digests({*loaded.events, *read.loaded.events}),
            profile=kept.profile,
            name=query.name,
            query=query.model_dump(mode="json"),
            known=query.known,
            dropped={name: moment(last) for name, last in {**read.loaded.dropped, **loaded.dropped}.items()},
        )

    async def _computed(self, selection: Selection, rows: Rows, known: Known) -> tuple[pa.Table, Loaded]:
        first, last = (int(rows.at_ms.min()), int(rows.at_ms.max())) if rows.at_ms.size else (0, 0)
        loaded = await self._materializer.load(spans(selection.views, first, last, known))
        columns = await asyncio.to_thread(features_of, selection, rows.columns, rows.at_ms, loaded.events, known)
        table = rows.table
        for name, column in arrow.features(selection.features, columns).items():
            table = table.append_column(name, column)
        return table, loaded

    async def _rows_of(self, asked: SourceRows | Digest, selection: Selection) -> "_ReadRows":
        if isinstance(asked, SourceRows):
            return await self._events(asked, selection)
        try:
            rows = rows_of(pl.read_parquet(io.BytesIO(await self._objects.get(asked))).to_arrow())
        except (ObjectNotFoundError, pl.exceptions.PolarsError) as error:
            raise ImpossibleDatasetError(f"the rows {asked} cannot be read: {error}") from error
        if not rows.at_ms.size:
            raise ImpossibleDatasetError(f"the rows {asked} are none")
        first, last = int(rows.at_ms.min()), int(rows.at_ms.max())
        # Half-open, and so one millisecond beyond the last row.
        return _ReadRows(rows, Window(start=moment(first), end=moment(last + 1)), Loaded({}, ()))

    async def _events(self, asked: SourceRows, selection: Selection) -> "_ReadRows":
        if asked.source not in self._catalogue.validators:
            raise ImpossibleDatasetError(f"source {asked.source!r} is not registered; apply the project again")
        fields = selection.join_keys | selection.request | frozenset(asked.fields)
        span = Span(ms(asked.start), ms(asked.end), fields=fields | {PARTITION, OFFSET})
        loaded = await self._materializer.load({asked.source: span})
        events = loaded.events[asked.source].sort(TIME, PARTITION, OFFSET)
        if events.is_empty():
            raise ImpossibleDatasetError(f"source {asked.source!r} has no events from {asked.start} to {asked.end}")
        demand(f"source {asked.source!r}", events, fields)
        time = events[TIME].cast(pl.Datetime("ms", "UTC")).alias(arrow.EVENT_TIME)
        kept = dict.fromkeys([*asked.fields, *sorted(fields)])
        table = events.select(time, *(pl.col(name) for name in kept)).to_arrow()
        at_ms = np.asarray(events[TIME].to_numpy(), dtype=np.int64)
        return _ReadRows(Rows(table, at_ms), Window(start=asked.start, end=asked.end), loaded)

    def _digests(self, sources: set[str]) -> dict[str, Digest]:
        return {name: self._catalogue.validators[name].definition.digest for name in sorted(sources)}


@dataclass(frozen=True, slots=True)
class _ReadRows:
    rows: Rows
    span: Window
    loaded: Loaded


def rows_of(table: pa.Table) -> Rows:
    """The rows that somebody sent, each with its moment in `event_time`.

    Raises:
        ProblemError: they have no such column, or it holds no times.
        ImpossibleDatasetError: a moment is missing.
    """
    if arrow.EVENT_TIME not in table.column_names:
        raise ImpossibleDatasetError(f"the rows have no column {arrow.EVENT_TIME!r}: send the moment of each")
    return Rows(table, arrow.moments(table, 0))
