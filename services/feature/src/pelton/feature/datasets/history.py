"""Features of rows at their own times, from the events of the offline store. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition, seconds
from pelton.contracts.definitions.training import Known
from pelton.feature.columns import ARRIVAL, LATE, TIE, TIME, arrays
from pelton.feature.fields import fields_read
from pelton.feature.offline.reading import Span
from pelton.feature.offline.relations import TOO_LATE
from pelton.feature.selection import Selection
from pelton.tiles.entities import entity_keys
from pelton.tiles.expressions import ExpressionError
from pelton.tiles.features import NEVER_MS, Features, of_events
from pelton.tiles.transformations import computed

Ints = NDArray[np.int64]


class ImpossibleDatasetError(ValueError):
    """A dataset that cannot be made; the message says why."""


def spans(views: Mapping[str, FeatureViewDefinition], first_ms: int, last_ms: int, known: Known) -> dict[str, Span]:
    """The events, by source, that the features of some views at moments from `first_ms` to `last_ms` are made of."""
    found: dict[str, Span] = {}
    for view in views.values():
        needed = Span(first_ms - reach_ms(view, first_ms), last_ms, None, fields_read(view))
        if known == "arrival":
            needed = replace(needed, known_ms=last_ms, fields=fields_read(view) | {ARRIVAL, LATE})
        before = found.get(view.source)
        found[view.source] = needed if before is None else before.joined(needed)
    return found


def reach_ms(view: FeatureViewDefinition, moment_ms: int) -> int:
    """How long before a moment the events lie that a view's features then are made of."""
    windows = [seconds(window) for one in view.aggregates for window in one.windows]
    longest = max(windows, default=0) + seconds(view.resolution or "1s")
    if view.latest:
        if view.max_age is None:
            return moment_ms
        longest = max(longest, seconds(view.max_age) + 1)
    return longest * 1000


def features_of(
    selection: Selection, rows: pl.DataFrame, at_ms: Ints, events: Mapping[str, pl.DataFrame], known: Known
) -> list[NDArray[Any]]:
    """The features of a selection for each row at its moment, each of shape (n,): float64 with NaN, or objects.

    `rows` has the fields of every view's entity, and those that transformations read of a request; `events`, by
    source, each id once.

    Raises:
        ImpossibleDatasetError: the rows or the events lack a field.
    """
    demand("the table of rows", rows, selection.join_keys | selection.request)
    request = arrays(rows.select(sorted(selection.request)))
    try:
        read = {name: _of_view(view, rows, at_ms, events[view.source], known) for name, view in selection.views.items()}
        return [
            computed(selection.transformations[one.group], one.name, request, read)
            if one.group in selection.transformations
            else read[one.group].columns[one.name]
            for one in selection.features
        ]
    except ExpressionError as error:
        raise ImpossibleDatasetError(f"a feature cannot be computed: {error}") from error


def ms(moment: datetime) -> int:
    """A moment in milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def moment(milliseconds: int) -> datetime:
    """The moment, in UTC, of milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def demand(what: str, frame: pl.DataFrame, fields: frozenset[str]) -> None:
    """Check that a frame has some fields.

    Raises:
        ImpossibleDatasetError: it has not.
    """
    missing = sorted(fields - set(frame.columns))
    if missing:
        raise ImpossibleDatasetError(f"{what} has no field {', '.join(missing)} that is a number or a text")


def _of_view(
    view: FeatureViewDefinition, rows: pl.DataFrame, at_ms: Ints, events: pl.DataFrame, known: Known
) -> Features:
    fields = {name: events[name] for name in fields_read(view) if name in events.columns}
    arrivals_ms = None
    if known == "arrival":
        too_late = (events[LATE] == TOO_LATE).to_numpy()
        arrivals_ms = np.where(too_late, NEVER_MS, events[ARRIVAL].to_numpy())
    return of_events(
        view,
        fields,
        events[TIME].to_numpy(),
        entity_keys(view, {name: rows[name] for name in view.join_keys}),
        at_ms,
        ties=events[TIE].to_numpy(),
        arrivals_ms=arrivals_ms,
        known_ms=at_ms if known == "arrival" else None,
    )
