"""From a request to scores: matrices from tensors and features, who answers which row, and what is logged."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.records import PredictionBatch
from pelton.contracts.values import ModelVersion
from pelton.inference import protocol
from pelton.inference.features import FeatureReader
from pelton.inference.protocol import BadRequestError, InferRequest, Tensor, milliseconds, numbers, texts
from pelton.inference.routes import Route
from pelton.inference.split import to_challenger

Column = NDArray[np.float64]
KEY, EVENT_TIME = "key", "event_time"
MATRIX_DIMENSIONS = 2


@dataclass(frozen=True, slots=True)
class Rows:
    """A request, made ready: who and when each row is, and each version's matrix of shape (rows, inputs)."""

    keys: list[str]
    times: NDArray[np.int64]
    matrices: Mapping[int, NDArray[np.float32]]


@dataclass(slots=True)
class Answer:
    """What is answered, and what is known for the log; the shadow's scores may still be missing."""

    rows: Rows
    served: NDArray[np.int64]
    probabilities: Column
    outputs: dict[int, Column]
    errors: dict[int, int]
    latency_us: dict[int, int]


def make_rows(request: InferRequest, request_id: str, route: Route, features: FeatureReader, now_ms: int) -> Rows:
    """Read the tensors, fetch what features are not among them, and build the matrices.

    A request has either one tensor of shape (rows, inputs) in the champion's order of inputs, or one tensor an input
    by name; features left out are read by entity, as of the row's `event_time`.

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
    _same_rows(count, {KEY: len(keys), EVENT_TIME: len(times)})
    if matrix is not None:
        _same_rows(count, {"the matrix": matrix.shape[0]})
        return Rows(keys, times, _share(route, matrix))
    return Rows(keys, times, _from_columns(tensors, count, times, route, features))


def score(rows: Rows, route: Route) -> Answer:
    """Let each row be answered by its version. Where the challenger fails, the champion answers.

    Raises:
        ValueError: the champion itself gave no number.
    """
    champion = route.champion
    number = champion.version.version
    matrix = rows.matrices[number]
    count = len(rows.keys)
    answer = Answer(rows, np.full(count, number, dtype=np.int64), np.empty(count), {}, {}, {})
    chosen = _score_canary(answer, route)
    began = time.perf_counter()
    if chosen is None:
        # Nearly every request, and so without masks and copies.
        answer.probabilities = found = champion.score(matrix)
    elif chosen.all():
        return answer
    else:
        rest = ~chosen
        found = np.full(count, np.nan)
        found[rest] = champion.score(matrix[rest])
        answer.probabilities[rest] = found[rest]
    answer.outputs[number] = found
    answer.latency_us[number] = _since(began)
    return answer


def _score_canary(answer: Answer, route: Route) -> NDArray[np.bool_] | None:
    """Let the challenger answer its share; which rows it answered, None when none."""
    if route.mode != "canary" or route.challenger_version is None:
        return None
    chosen = to_challenger(answer.rows.keys, route.salt, route.weight)
    scores = _try(answer, route, chosen)
    if scores is None:
        return None
    answer.probabilities[chosen] = scores[chosen]
    answer.served[chosen] = route.challenger_version
    return chosen


def score_shadow(answer: Answer, route: Route) -> None:
    """Let the challenger score every row, for the log alone; its failure is counted and harms nobody."""
    if route.mode in ("shadow", "bake") and route.challenger_version is not None:
        _try(answer, route, np.ones(len(answer.rows.keys), dtype=np.bool_))


def log_record(answer: Answer, route: Route, batch_id: str) -> PredictionBatch:
    """What goes to Kafka of an answered request."""
    champion = route.champion.version
    matrix = answer.rows.matrices[champion.version]
    return PredictionBatch(
        id=batch_id,
        model=route.model,
        revision=route.revision,
        mode=route.mode,
        champion=champion.version,
        challenger=route.challenger_version,
        weight=route.weight,
        keys=answer.rows.keys,
        event_times=answer.rows.times.tolist(),
        inputs=dict(zip(champion.inputs, map(_shortest, matrix.T.tolist()), strict=True)),
        served=answer.served.tolist(),
        outputs={str(version): _nullable(column.tolist()) for version, column in answer.outputs.items()},
        errors={str(version): count for version, count in answer.errors.items()},
        latency_us={str(version): spent for version, spent in answer.latency_us.items()},
    )


def failure_record(route: Route, errors: Mapping[int, int], batch_id: str) -> PredictionBatch:
    """What goes to Kafka of a request that the champion could not answer: how many rows failed, and no row."""
    return PredictionBatch(
        id=batch_id,
        model=route.model,
        revision=route.revision,
        mode=route.mode,
        champion=route.champion.version.version,
        challenger=route.challenger_version,
        weight=route.weight,
        keys=[],
        event_times=[],
        inputs={name: [] for name in route.champion.version.inputs},
        served=[],
        outputs={},
        errors={str(version): count for version, count in errors.items()},
        latency_us={},
    )


def _try(answer: Answer, route: Route, chosen: NDArray[np.bool_]) -> Column | None:
    """The challenger's scores of the chosen rows, NaN elsewhere; None when it failed, which is counted."""
    version = route.challenger_version
    if version is None or not chosen.any():
        return None
    began = time.perf_counter()
    matrix = answer.rows.matrices.get(version)
    found = np.full(chosen.size, np.nan)
    try:
        if route.challenger is None or matrix is None:
            raise ValueError("the challenger is not loaded, or its inputs were not sent")
        found[chosen] = route.challenger.score(matrix[chosen])
    except Exception:  # noqa: BLE001 - whatever it is, the challenger's failure is the challenger's
        answer.errors[version] = int(chosen.sum())
        return None
    answer.outputs[version] = found
    answer.latency_us[version] = _since(began)
    return found


def _whole_matrix(tensors: Mapping[str, Tensor], version: ModelVersion) -> NDArray[np.float32] | None:
    """The one tensor that is the whole matrix, if the request has one."""
    others = [tensor for name, tensor in tensors.items() if name not in (KEY, EVENT_TIME)]
    if len(others) != 1 or len(others[0].shape) != MATRIX_DIMENSIONS:
        return None
    inputs = version.inputs
    if others[0].name in inputs:
        return None
    if others[0].shape[1] != len(inputs):
        raise BadRequestError(
            f"input {others[0].name!r} has {others[0].shape[1]} columns, and the model has {len(inputs)} "
            f"inputs; send them in this order: {', '.join(inputs)}"
        )
    return numbers(others[0]).astype(np.float32)


def _share(route: Route, matrix: NDArray[np.float32]) -> dict[int, NDArray[np.float32]]:
    """The champion's matrix, and the challenger's by picking columns by name, when it has no others."""
    champion = route.champion.version
    matrices = {champion.version: matrix}
    if route.challenger is not None:
        wanted = route.challenger.version.inputs
        places = {name: place for place, name in enumerate(champion.inputs)}
        if set(wanted) <= set(places):
            matrices[route.challenger.version.version] = matrix[:, [places[name] for name in wanted]]
    return matrices


def _from_columns(
    tensors: Mapping[str, Tensor], count: int, times: NDArray[np.int64], route: Route, features: FeatureReader
) -> dict[int, NDArray[np.float32]]:
    champion = route.champion.version
    sent: dict[str, Column] = {}
    entities: dict[str, list[str]] = {}
    known = {name for version in route.versions for name in version.inputs}
    for name, tensor in tensors.items():
        if name in known:
            sent[name] = numbers(tensor).reshape(-1)
        elif name not in (KEY, EVENT_TIME):
            entities[name] = texts(tensor)
    _same_rows(count, {name: len(column) for name, column in (sent | entities).items()})
    missing = [name for name in champion.request if name not in sent]
    if missing:
        raise BadRequestError(f"these inputs are missing: {', '.join(missing)}; send each as a tensor of {count} rows")
    to_fetch = [one for one in route.versions if any(_column(ref) not in sent for ref in one.features)]
    fetched = features.read(to_fetch, entities, times)
    matrices: dict[int, NDArray[np.float32]] = {}
    for version in route.versions:
        columns = [sent.get(name) for name in version.request]
        for ref in version.features:
            from_store = fetched.get((version.views[ref.partition(":")[0]], ref))
            columns.append(sent.get(_column(ref), from_store))
        if all(column is not None for column in columns):
            matrices[version.version] = np.column_stack(columns).astype(np.float32)  # type: ignore[arg-type]
    return matrices


def _column(ref: str) -> str:
    return ref.replace(":", "__")


def _same_rows(count: int, found: Mapping[str, int]) -> None:
    for name, found_rows in found.items():
        if found_rows != count:
            raise BadRequestError(
                f"input {name!r} has {found_rows} rows, and the first input has {count}; send as many"
            )


def _nullable(column: Iterable[float]) -> list[float | None]:
    """A column for the log: missing values as null."""
    return [None if value != value else value for value in column]  # noqa: PLR0124


def _shortest(column: Iterable[float]) -> list[float | None]:
    """As `_nullable`, of what was float32: in the nine digits that tell one from any other."""
    return [None if value != value else float(f"{value:.9g}") for value in column]  # noqa: PLR0124


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1e6)
