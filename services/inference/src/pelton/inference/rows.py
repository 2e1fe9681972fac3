"""From a request to rows: matrices from tensors and features, one for each version that may answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.values import ModelVersion
from pelton.inference import protocol
from pelton.inference.features import FeatureReader
from pelton.inference.protocol import NUMBERS, BadRequestError, InferRequest, Tensor, milliseconds, numbers, texts
from pelton.inference.routes import Route

Column = NDArray[np.float64]
KEY, EVENT_TIME = "key", "event_time"
MATRIX_DIMENSIONS = 2


@dataclass(frozen=True, slots=True)
class Rows:
    """A request, made ready: who and when each row is, and each version's matrix of shape (rows, inputs).

    `units` are what a split is by: the rows' keys, or what the request has under the name that variants are shared by.
    """

    keys: list[str]
    units: list[str]
    times: NDArray[np.int64]
    matrices: Mapping[int, NDArray[np.float32]]


def make_rows(request: InferRequest, request_id: str, route: Route, features: FeatureReader, now_ms: int) -> Rows:
    """Read the tensors, fetch what features are not among them, and build the matrices.

    A request has either one tensor of shape (rows, inputs) in the champion's order of inputs, or one tensor an input
    by name; features left out are read by entity, as of the row's `event_time`. Other texts are let in beside them: an
    entity that nothing needs any more, or the unit of variants that are over.

    Raises:
        BadRequestError: an input is missing, unknown, or has the wrong shape or type.
    """
    tensors = {tensor.name: tensor for tensor in request.inputs}
    if len(tensors) != len(request.inputs):
        raise BadRequestError("two inputs have the same name; send each name once")
    matrix = _whole_matrix(tensors, route.champion.version)
    count = protocol.rows(request.inputs[0])
    keys = texts(tensors[KEY]) if KEY in tensors else [f"{request_id}/{row}" for row in range(count)]
    times = milliseconds(tensors[EVENT_TIME]) if EVENT_TIME in tensors else np.full(count, now_ms, dtype=np.int64)
    units = texts(tensors[route.unit]) if route.unit and route.unit in tensors else keys
    _same_rows(count, {KEY: len(keys), EVENT_TIME: len(times), route.unit or KEY: len(units)})
    if matrix is not None:
        _same_rows(count, {"the matrix": matrix.shape[0]})
        return Rows(keys, units, times, _share(route, matrix))
    return Rows(keys, units, times, _from_columns(tensors, count, times, route, features))


def _whole_matrix(tensors: Mapping[str, Tensor], version: ModelVersion) -> NDArray[np.float32] | None:
    """The one tensor that is the whole matrix, if the request has one."""
    inputs = version.inputs
    others = [tensor for name, tensor in tensors.items() if name not in (KEY, EVENT_TIME)]
    if len(others) > 1:
        # What else may stand beside a matrix is no part of it: entities, or the unit of variants.
        others = [one for one in others if one.name in inputs or _is_wide(one)]
    if len(others) != 1 or others[0].name in inputs or len(others[0].shape) != MATRIX_DIMENSIONS:
        return None
    (matrix,) = others
    if matrix.shape[1] != len(inputs):
        raise BadRequestError(
            f"input {matrix.name!r} has {matrix.shape[1]} columns, and the model has {len(inputs)} "
            f"inputs; send them in this order: {', '.join(inputs)}"
        )
    return numbers(matrix).astype(np.float32)


def _is_wide(tensor: Tensor) -> bool:
    return len(tensor.shape) == MATRIX_DIMENSIONS and tensor.datatype in NUMBERS


def _share(route: Route, matrix: NDArray[np.float32]) -> dict[int, NDArray[np.float32]]:
    """The champion's matrix, and another version's by picking columns by name, when it has no others."""
    champion, *others = route.versions
    matrices = {champion.version: matrix}
    if others:
        places = {name: place for place, name in enumerate(champion.inputs)}
        for version in others:
            if set(version.inputs) <= set(places):
                matrices[version.version] = matrix[:, [places[name] for name in version.inputs]]
    return matrices


def _from_columns(
    tensors: Mapping[str, Tensor], count: int, times: NDArray[np.int64], route: Route, features: FeatureReader
) -> dict[int, NDArray[np.float32]]:
    champion = route.champion.version
    sent: dict[str, Column] = {}
    entities: dict[str, list[str]] = {}
    known = {name for version in route.versions for name in version.inputs}
    to_fetch = [one for one in route.versions if any(_column(ref) not in tensors for ref in one.features)]
    read = features.fields_read(to_fetch)
    request: dict[str, NDArray[Any]] = {}
    for name, tensor in tensors.items():
        if name in known:
            sent[name] = numbers(tensor).reshape(-1)
        elif name not in (KEY, EVENT_TIME) and not (name in read and tensor.datatype.startswith("FP")):
            entities[name] = texts(tensor)
        if name in read:
            request[name] = sent[name] if name in sent else _values(tensor)
    _same_rows(count, {name: len(column) for name, column in (entities | sent | request).items()})
    missing = [name for name in champion.request if name not in sent]
    if missing:
        raise BadRequestError(f"these inputs are missing: {', '.join(missing)}; send each as a tensor of {count} rows")
    fetched = features.read(to_fetch, entities, request, times)
    matrices: dict[int, NDArray[np.float32]] = {}
    for version in route.versions:
        columns = [sent.get(name) for name in version.request]
        columns += [sent.get(_column(ref), fetched.get((version.version, ref))) for ref in version.features]
        if all(column is not None for column in columns):
            matrices[version.version] = np.column_stack(columns).astype(np.float32)  # type: ignore[arg-type]
    return matrices


def _values(tensor: Tensor) -> NDArray[Any]:
    """A tensor as transformations read it: numbers, or texts."""
    if tensor.datatype in NUMBERS:
        return numbers(tensor).reshape(-1)
    return np.array(texts(tensor), dtype=object)


def _column(ref: str) -> str:
    return ref.replace(":", "__")


def _same_rows(count: int, found: Mapping[str, int]) -> None:
    for name, found_rows in found.items():
        if found_rows != count:
            raise BadRequestError(
                f"input {name!r} has {found_rows} rows, and the first input has {count}; send as many"
            )
