"""Features of entities as they are served: of a few as values, of many as a frame.

from pelton.sdk.online import online_features
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol, overload

import polars as pl

from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError

PATH: Final = "/v1/online-features"
EVENT_TIME: Final = "event_time"
_ARROW: Final = "application/vnd.apache.arrow.stream"


class Frame(Protocol):
    """A table of polars, pandas, Arrow, DuckDB or any other library that speaks Arrow's C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The table as a stream."""


@dataclass(frozen=True, slots=True)
class FeatureValues:
    """A feature of each entity that was asked for, in their order.

    A status is `PRESENT`, `NULL_VALUE`, `NOT_FOUND` or `OUTSIDE_MAX_AGE`; a value is None unless it is the first.
    `times` has the time of the event that a latest value comes from, and of a window the moment that it ends at.
    """

    values: tuple[Any, ...]
    statuses: tuple[str, ...]
    times: tuple[datetime, ...]


@overload
def online_features(
    client: Client,
    features: Sequence[str] | str,
    entities: Mapping[str, Sequence[Any]],
    *,
    at: Sequence[datetime] | None = None,
) -> dict[str, FeatureValues]: ...


@overload
def online_features(client: Client, features: Sequence[str] | str, entities: Frame) -> pl.DataFrame: ...


def online_features(
    client: Client,
    features: Sequence[str] | str,
    entities: Mapping[str, Sequence[Any]] | Frame,
    *,
    at: Sequence[datetime] | None = None,
) -> dict[str, FeatureValues] | pl.DataFrame:
    """Features of entities, now or each at its moment.

    `features` lists `view:feature` and `transformation:feature`, or is the name of a feature service. `entities` has
    a column for each key, and for what transformations read of the request. Of a mapping the answer is by
    `view__feature`. Of a frame, whose moments are in its column `event_time` if it has one, it is that frame with a
    column for each feature: what a training set would have at those moments.

    Raises:
        PeltonError: a moment has no time zone, or a frame and `at` are given together.
        NotReachableError: the feature service does not answer.
        RefusedError: a view, a feature or a service is not there, or a key is missing.
    """
    if not isinstance(entities, Mapping):
        if at is not None:
            raise PeltonError(f"a frame has its moments in its column {EVENT_TIME!r}: leave `at` out")
        return _of_frame(client, features, pl.DataFrame(entities))
    body: dict[str, Any] = {"entities": {name: list(values) for name, values in entities.items()}}
    body |= {"feature_service": features} if isinstance(features, str) else {"features": list(features)}
    if at is not None:
        body["at"] = [_with_zone(moment) for moment in at]
    answer = client.post("feature", PATH, body)
    return {name: _values(told) for name, told in answer["features"].items()}


def _of_frame(client: Client, features: Sequence[str] | str, rows: pl.DataFrame) -> pl.DataFrame:
    asked = {"feature_service": features} if isinstance(features, str) else {"features": list(features)}
    body = io.BytesIO()
    rows.write_ipc_stream(body)
    answer = client.send(
        "feature", "POST", PATH, params=asked, content=body.getvalue(), headers={"content-type": _ARROW}
    )
    return pl.read_ipc_stream(answer.content)


def _values(told: Mapping[str, Any]) -> FeatureValues:
    times = [datetime.fromisoformat(moment).astimezone(UTC) for moment in told["times"]]
    return FeatureValues(tuple(told["values"]), tuple(told["statuses"]), tuple(times))


def _with_zone(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise PeltonError(f"the moment {moment.isoformat()} has no time zone; give it one, such as tzinfo=UTC")
    return moment.isoformat()
