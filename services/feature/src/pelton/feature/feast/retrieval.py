"""`/get-online-features`: the request and the answer."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pelton.feature.feast.errors import FeastError, InvalidRequestError, of_form
from pelton.feature.online import NEVER_MS, PRESENT, OnlineFeatures
from pelton.feature.selection import Selection

_NEVER: Final = datetime.fromtimestamp(NEVER_MS, UTC)


class Retrieval(msgspec.Struct, frozen=True):
    """Which features of which entities; `at`, which Feast has not, is the moment of each row (RFC 3339)."""

    entities: dict[str, list[Any]]
    features: list[str] = []
    feature_service: str | None = None
    full_feature_names: bool = False
    include_feature_view_version_metadata: bool = False
    at: list[str] | None = None

    @property
    def rows(self) -> int:
        """How many rows there are, by the first of the entities."""
        return len(next(iter(self.entities.values()), ()))


_decoder = msgspec.json.Decoder(Retrieval)
_encoder = msgspec.json.Encoder()


class _Vector(msgspec.Struct):
    """One feature of all rows. What several have in common is written once, and then as it is."""

    values: list[Any]
    statuses: list[str] | msgspec.Raw
    event_timestamps: msgspec.Raw


class _Answered(msgspec.Struct):
    """The whole answer."""

    results: list[_Vector]
    metadata: dict[str, Any]


def read(body: bytes) -> Retrieval:
    """Read a request.

    Raises:
        InvalidRequestError: it is no JSON, or not of this form.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise of_form(msgspec.DecodeError(str(error))) from error


def select(online: OnlineFeatures, request: Retrieval) -> Selection:
    """What a request asks for; of a feature service and a list of features the service counts.

    Raises:
        SelectionError: it asks for nothing, or for what is not there.
        FeastError: two features have the same name, and their full names were not asked for.
    """
    selections = online.selections
    if request.feature_service:
        selection = selections.of_service(request.feature_service)
    else:
        selection = selections.of(request.features)
    if selection.ambiguous and not request.full_feature_names:
        raise FeastError(
            500,
            "FeatureNameCollisionError",
            f"Duplicate features named {', '.join(selection.ambiguous)} found.\nTo resolve this collision, either use "
            "the full feature name by setting 'full_feature_names=True', or ensure that the features in question have "
            "different names.",
        )
    return selection


def answer(
    online: OnlineFeatures, selection: Selection, request: Retrieval, now_ms: int, masked: Collection[str] = ()
) -> bytes:
    """The answer to a request: the keys of its rows, then the features, column by column, without those `masked`.

    Raises:
        SelectionError: the request lacks a key, or what a transformation reads of it.
        FeastError: its rows do not fit together.
        TilesError: the store cannot be read.
    """
    rows = _checked_rows(request)
    read_features = online.read(selection, request.entities, _moments(request.at, rows, now_ms), masked)
    present = _encoded([PRESENT] * rows)
    never = _encoded([_NEVER] * rows)
    keys = [name for name in request.entities if name in selection.join_keys]
    results = [_Vector(request.entities[name], present, never) for name in keys]
    times = {id(one.times_ms): one.times_ms for one in read_features}
    stamps = {place: _stamps(moments) for place, moments in times.items()}
    results += [
        _Vector(one.values, present if one.statuses is None else one.statuses, stamps[id(one.times_ms)])
        for one in read_features
    ]
    names = [*keys, *(one.full_name if request.full_feature_names else one.name for one in selection.features)]
    metadata: dict[str, Any] = {"feature_names": names}
    if request.include_feature_view_version_metadata:
        metadata["feature_view_metadata"] = [{"name": name} for name in selection.views]
    return _encoder.encode(_Answered(results, metadata))


def _encoded(values: Sequence[Any]) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode(values))


def _stamps(moments: Sequence[int]) -> msgspec.Raw:
    return _encoded([datetime.fromtimestamp(moment / 1000, UTC) for moment in moments])


def _checked_rows(request: Retrieval) -> int:
    rows = request.rows
    if any(len(values) != rows for values in request.entities.values()):
        raise FeastError(500, None, "All entity rows must have the same columns.")
    return rows


def _moments(at: Sequence[str] | None, rows: int, now_ms: int) -> NDArray[np.int64]:
    if at is None:
        return np.full(rows, now_ms, dtype=np.int64)
    if len(at) != rows:
        raise InvalidRequestError("invalid", ["at"], f"there are {rows} rows and {len(at)} moments; send one a row")
    return np.array([_moment(text, place) for place, text in enumerate(at)], dtype=np.int64)


def _moment(text: str, place: int) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        fix = "send times with a zone, such as 2013-03-01T12:00:00Z"
        raise InvalidRequestError("invalid", ["at", place], f"{text!r} is no time; {fix}")
    return round(moment.timestamp() * 1000)
