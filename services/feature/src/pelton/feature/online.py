"""Features of entities at moments, read from the online store or computed, in whatever format they are asked for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition, TransformationDefinition, seconds
from pelton.feature.catalogue import Catalogue
from pelton.feature.catalogue.notices import Headers, headers
from pelton.feature.selection import Feature, InvalidValueError, Selection, Selections
from pelton.tiles.entities import entity_key
from pelton.tiles.expressions import ExpressionError
from pelton.tiles.features import Features
from pelton.tiles.reader import TileReader
from pelton.tiles.transformations import computed

Ints = NDArray[np.int64]
Columns = Mapping[str, Sequence[Any]]
"""Entities, and whatever a transformation reads of the request, by name: a value for each row."""

PRESENT: Final = "PRESENT"
NULL_VALUE: Final = "NULL_VALUE"
NOT_FOUND: Final = "NOT_FOUND"
OUTSIDE_MAX_AGE: Final = "OUTSIDE_MAX_AGE"
NEVER_MS: Final = 0
# No event's text has this character: the door and the ingestion refuse it.
_NOBODY: Final = "\0"


@dataclass(frozen=True, slots=True)
class Answer:
    """One feature of n rows. A value is None unless its status is PRESENT; `statuses` is None when all are.

    `times_ms` has the time of the event that a latest value comes from, and for any other the row's own moment; 0
    where the entity is unknown.
    """

    feature: Feature
    values: list[Any]
    statuses: list[str] | None
    times_ms: list[int]


class OnlineFeatures:
    """Reads features from the online store, and computes those that are made at the time of the request."""

    def __init__(self, catalogue: Catalogue, tiles: TileReader) -> None:
        self._catalogue = catalogue
        self._tiles = tiles
        self.selections = Selections(catalogue)

    def notices(self, selection: Selection, now: datetime) -> Headers:
        """What the readers of these features are told besides: which of their views are deprecated."""
        return headers(self._catalogue.notices, selection.views, now)

    def read(self, selection: Selection, columns: Columns, at_ms: Ints, masked: Collection[str] = ()) -> list[Answer]:
        """The features of a selection, in its order, for each row at its moment; all columns have one value a row.

        Of those that are `masked`, by full name, nothing is told: neither a value, nor of when it is.

        Raises:
            SelectionError: the columns lack the key of a view, or what a transformation reads of the request.
            TilesError: the store cannot be read.
        """
        found = self._fetch(selection, columns, at_ms)
        views = {name: _View(selection.views[name], of_view, at_ms) for name, of_view in found.items()}
        computing = selection.transformations
        return [
            _hidden(one, at_ms.size)
            if masked and one.full_name in masked
            else _told(one, _computed(computing[one.group], one.name, columns, found))
            if one.group in computing
            else views[one.group].answer(one)
            for one in selection.features
        ]

    def columns(
        self, selection: Selection, columns: Columns, at_ms: Ints, masked: Collection[str] = ()
    ) -> list[NDArray[Any]]:
        """The same as arrays, each of shape (n,): float64 with NaN, or objects with None.

        They are what training sees, to the bit, but for those masked: of an entity without events, too, a count is 0.

        Raises:
            SelectionError: the columns lack the key of a view, or what a transformation reads of the request.
            TilesError: the store cannot be read.
        """
        found = self._fetch(selection, columns, at_ms)
        computing = selection.transformations
        return [
            _nothing(one, at_ms.size)
            if masked and one.full_name in masked
            else _computed(computing[one.group], one.name, columns, found)
            if one.group in computing
            else found[one.group].columns[one.name]
            for one in selection.features
        ]

    def _fetch(self, selection: Selection, columns: Columns, at_ms: Ints) -> dict[str, Features]:
        selection.check(columns)
        return {name: self._tiles.features(view, _keys(view, columns), at_ms) for name, view in selection.views.items()}


class _View:
    """What was read of one view, and how it is told."""

    def __init__(self, view: FeatureViewDefinition, found: Features, at_ms: Ints) -> None:
        self.columns = found.columns
        self._known = found.known.tolist()
        self._all_known = all(self._known)
        self._moments = self._times(at_ms)
        self._newest = self._moments if found.newest_ms is None else self._times(found.newest_ms)
        self._latest = frozenset(one.name for one in view.latest)
        self._oldest = None if view.max_age is None else (at_ms - seconds(view.max_age) * 1000).tolist()

    def answer(self, asked: Feature) -> Answer:
        """A feature of the view."""
        values, gaps = asked.listed(self.columns[asked.name])
        is_latest = asked.name in self._latest
        times = self._newest if is_latest else self._moments
        if self._all_known and True not in gaps:
            return Answer(asked, values, None, times)
        statuses = [
            NOT_FOUND if not known else NULL_VALUE if gap else PRESENT
            for known, gap in zip(self._known, gaps, strict=True)
        ]
        if is_latest and self._oldest is not None:
            for place, (status, newest, oldest) in enumerate(zip(statuses, times, self._oldest, strict=True)):
                if status == NULL_VALUE and newest < oldest:
                    statuses[place] = OUTSIDE_MAX_AGE
        shown = [value if status == PRESENT else None for value, status in zip(values, statuses, strict=True)]
        return Answer(asked, shown, statuses, times)

    def _times(self, moments: Ints) -> list[int]:
        listed: list[int] = moments.tolist()
        if self._all_known:
            return listed
        return [moment if known else NEVER_MS for moment, known in zip(listed, self._known, strict=True)]


def _hidden(asked: Feature, rows: int) -> Answer:
    return Answer(asked, [None] * rows, [NULL_VALUE] * rows, [NEVER_MS] * rows)


def _nothing(asked: Feature, rows: int) -> NDArray[Any]:
    return np.full(rows, None, dtype=object) if asked.kind == "text" else np.full(rows, np.nan)


def _computed(
    transformation: TransformationDefinition, feature: str, columns: Columns, found: Mapping[str, Features]
) -> NDArray[Any]:
    request = {name: _array(columns[name]) for name in transformation.request}
    try:
        return computed(transformation, feature, request, found)
    except ExpressionError as error:
        raise InvalidValueError(f"{transformation.name}:{feature} cannot be computed: {error}") from error


def _told(asked: Feature, column: NDArray[Any]) -> Answer:
    """A computed column; it comes from no event, and so has no time."""
    values, gaps = asked.listed(column)
    times = [NEVER_MS] * len(values)
    if True not in gaps:
        return Answer(asked, values, None, times)
    shown = [None if gap else value for value, gap in zip(values, gaps, strict=True)]
    return Answer(asked, shown, [NULL_VALUE if gap else PRESENT for gap in gaps], times)


def _array(values: Sequence[Any]) -> NDArray[Any]:
    """Values of a request as an expression reads them: float64 with NaN for null, or texts with None."""
    if any(isinstance(value, str) for value in values):
        return np.array([value if isinstance(value, str) else None for value in values], dtype=object)
    return np.array([value if isinstance(value, (int, float)) else np.nan for value in values], dtype=np.float64)


def _keys(view: FeatureViewDefinition, columns: Columns) -> list[str]:
    """The text that each row's entity is kept under."""
    if len(view.join_keys) > 1:
        return [_key(values) for values in zip(*(columns[name] for name in view.join_keys), strict=True)]
    # What almost every request has: whole numbers and texts, which are their own text.
    return [
        value if type(value) is str else str(value) if type(value) is int else _key((value,))
        for value in columns[view.join_keys[0]]
    ]


def _key(values: tuple[Any, ...]) -> str:
    """The text of an entity; where a value is neither number nor text, that of nobody."""
    if not all(value is None or isinstance(value, (str, int, float)) for value in values):
        return _NOBODY
    try:
        key = entity_key(values)
    except OverflowError:
        return _NOBODY
    return _NOBODY if key is None else key
