"""Rows that Feast's clients push, as events of a source: both stores learn of them in the one way there is.

A row has no id. It gets one made of its content, so that a row that is sent again, as Feast's client does after an
error, counts once.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pelton.contracts.canonical import digest
from pelton.contracts.definitions import FeatureViewDefinition, SourceDefinition
from pelton.feature.feast.errors import InvalidRequestError
from pelton.feature.fields import fields_read
from pelton.feature.submissions import MAX_EVENTS, Submission

# What Feast's remote client calls the time of a row, whatever its source does.
EVENT_TIMESTAMP: Final = "event_timestamp"
PUSH_SOURCES: Final = "feast_push_sources"
"""The tag of a source that lists, with commas, the push sources that lead to it besides its own name."""

Frame = Mapping[str, Sequence[Any]]


def push_source(sources: Sequence[SourceDefinition], name: str) -> SourceDefinition | None:
    """The source that a push source leads to: the one of its name, or the one whose tag lists it."""
    by_name = next((one for one in sources if one.name == name), None)
    if by_name is not None:
        return by_name
    return next((one for one in sources if name in one.tags.get(PUSH_SOURCES, "").split(",")), None)


def events(source: SourceDefinition, frame: Frame, view: FeatureViewDefinition | None = None) -> list[Submission]:
    """The rows of a frame as events of a source.

    Columns that the source's schema does not have are left out, as Feast does. With a view, a column may have the
    name of a feature that is the latest value of a field, and the view's fields must all be there.

    Raises:
        InvalidRequestError: columns are missing or differ in length, or there are too many rows.
    """
    columns = _renamed(source, frame, view)
    rows = _length(columns)
    schema = source.json_schema
    required = set(schema.get("required", ()))
    needed = required | (fields_read(view) if view is not None else set())
    if missing := sorted(needed - columns.keys()):
        known = ", ".join(sorted(schema.get("properties", {})))
        raise InvalidRequestError(
            "missing",
            ["df", missing[0]],
            f"the source {source.name} needs {', '.join(missing)} besides; its fields are: {known}",
        )
    names = [name for name in columns if name in schema.get("properties", {})]
    return [_event(source, required, {name: columns[name][place] for name in names}) for place in range(rows)]


def _renamed(source: SourceDefinition, frame: Frame, view: FeatureViewDefinition | None) -> dict[str, Sequence[Any]]:
    """The columns by the names of the source's fields."""
    columns = dict(frame)
    if source.event_time not in columns and EVENT_TIMESTAMP in columns:
        columns[source.event_time] = columns[EVENT_TIMESTAMP]
    fields = source.json_schema.get("properties", {})
    for one in view.latest if view is not None else ():
        if one.name in columns and one.value in fields and one.value not in columns:
            columns[one.value] = columns[one.name]
    return columns


def _length(columns: Frame) -> int:
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise InvalidRequestError("invalid", ["df"], "All arrays must be of the same length")
    rows = lengths.pop() if lengths else 0
    if rows > MAX_EVENTS:
        raise InvalidRequestError("invalid", ["df"], f"there are {rows} rows; send at most {MAX_EVENTS} at a time")
    return rows


def _event(source: SourceDefinition, required: set[str], row: dict[str, Any]) -> Submission:
    """A row as an event: a frame has null where an event leaves a field out."""
    data = {name: value for name, value in row.items() if value is not None or name in required}
    data[source.event_time] = _time(data[source.event_time])
    return Submission(digest(data), data)


def _time(value: object) -> object:
    """A row's time with its zone, which by Feast's convention is UTC when it is not said; what is no time, as it is."""
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return value
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
