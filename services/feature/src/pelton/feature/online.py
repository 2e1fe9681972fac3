"""Online features in the wire format of Feast's feature server, with its doubly encoded errors."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.feature.catalogue import Catalogue
from pelton.tiles.features import Features
from pelton.tiles.fold import entity_text
from pelton.tiles.reader import TileReader

NEVER = "1970-01-01T00:00:00Z"
PRESENT, NULL_VALUE, NOT_FOUND = "PRESENT", "NULL_VALUE", "NOT_FOUND"


class FeastError(Exception):
    """An error as Feast's client reads it: `body` is a JSON text that holds JSON."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        detail = json.dumps({"module": "feast.errors", "class": name, "message": message})
        self.body = json.dumps(detail).encode()


def online_features(catalogue: Catalogue, tiles: TileReader, request: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """Answer `/get-online-features`.

    `entities` maps each entity to its values, one a row; `features` lists `view:feature`; the optional `at` has the
    event time of each row (RFC 3339), by default now.

    Raises:
        FeastError: an unknown view or feature, or a missing entity.
    """
    entities = _entities(request["entities"])
    rows = len(next(iter(entities.values()), ()))
    times = _times(request.get("at"), rows, now_ms)
    full_names = bool(request.get("full_feature_names"))
    results: list[dict[str, Any]] = []
    names: list[str] = []
    for entity, keys in entities.items():
        names.append(entity)
        results.append({"values": list(keys), "statuses": [PRESENT] * rows, "event_timestamps": [NEVER] * rows})
    computed: dict[str, Features] = {}
    if not isinstance(request["features"], list):
        raise FeastError(422, "ValueError", "`features` must be a list of view:feature")
    for ref in request["features"]:
        name, _, feature = str(ref).partition(":")
        view = _view(catalogue, name, feature)
        if name not in computed:
            if view.entity not in entities:
                raise FeastError(500, "EntityNotFoundException", f"send the entity {view.entity!r} for {name!r}")
            keys = [_key(key) for key in entities[view.entity]]
            computed[name] = tiles.features(view, keys, times)
        read = computed[name]
        names.append(f"{name}__{feature}" if full_names else feature)
        results.append(_result(read.columns[feature], read.known, times))
    return {"metadata": {"feature_names": names}, "results": results}


def _result(column: NDArray[np.float64], known: NDArray[np.bool_], times: NDArray[np.int64]) -> dict[str, Any]:
    usable, found = known & ~np.isnan(column), known.tolist()
    numbers = [value if fit else None for value, fit in zip(column.tolist(), usable.tolist(), strict=True)]
    statuses = [
        NOT_FOUND if not there else NULL_VALUE if value is None else PRESENT
        for value, there in zip(numbers, found, strict=True)
    ]
    stamps = [_text(moment) if there else NEVER for moment, there in zip(times.tolist(), found, strict=True)]
    return {"values": numbers, "statuses": statuses, "event_timestamps": stamps}


def _view(catalogue: Catalogue, name: str, feature: str) -> FeatureViewDefinition:
    view = catalogue.newest_view(name)
    if view is None:
        raise FeastError(404, "FeatureViewNotFoundException", f"Feature view {name} does not exist; apply it first")
    if feature not in view.feature_names:
        known = ", ".join(view.feature_names)
        raise FeastError(500, "FeatureNotFoundException", f"{name} has no feature {feature!r}; it has: {known}")
    return view


def _times(at: Sequence[str] | None, rows: int, now_ms: int) -> NDArray[np.int64]:
    if at is None:
        return np.full(rows, now_ms, dtype=np.int64)
    if not isinstance(at, list) or len(at) != rows:
        raise FeastError(422, "ValueError", f"`at` must be a list of {rows} times: there are {rows} rows")
    return np.array([_moment(one) for one in at], dtype=np.int64)


def _moment(text: object) -> int:
    try:
        moment = datetime.fromisoformat(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise FeastError(422, "ValueError", f"`at` has {text!r}; send times with a zone, such as 2013-03-01T12:00:00Z")
    return round(moment.timestamp() * 1000)


def _entities(sent: object) -> Mapping[str, Sequence[Any]]:
    if not isinstance(sent, dict) or not all(isinstance(values, list) for values in sent.values()):
        raise FeastError(422, "ValueError", "`entities` must map each entity to the list of its values")
    if len({len(values) for values in sent.values()}) > 1:
        raise FeastError(422, "ValueError", "the entities have different numbers of values; send one a row")
    return sent


def _key(value: object) -> str:
    """An entity's value as the text that its tiles are kept under; of anything but numbers and texts the empty one."""
    try:
        return entity_text(value) if isinstance(value, (str, int, float)) else ""
    except OverflowError:
        return ""


def _text(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")
