"""Rows and features as Arrow's streaming IPC format: what batches travel in."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pelton.eventkit.problems import ProblemError
from pelton.feature.selection import Feature, Kind

MEDIA_TYPE: Final = "application/vnd.apache.arrow.stream"
EVENT_TIME: Final = "event_time"
_TYPES: Final[dict[Kind, pa.DataType]] = {"integer": pa.int64(), "boolean": pa.bool_(), "number": pa.float64()}


def read(body: bytes) -> pa.Table:
    """The rows of a request.

    Raises:
        ProblemError: 400, it is no such stream.
    """
    try:
        return pa.ipc.open_stream(body).read_all()
    except (pa.ArrowException, OSError) as error:
        detail = f"the body is no stream of Arrow's IPC format: {error}"
        raise ProblemError(400, "malformed-arrow", "The body is not Arrow", detail) from error


def write(table: pa.Table) -> bytes:
    """A table as a stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def keys(table: pa.Table) -> dict[str, list[Any]]:
    """The columns of a request but its times: the entities, and what transformations read."""
    return {name: table.column(name).to_pylist() for name in table.column_names if name != EVENT_TIME}


def moments(table: pa.Table, now_ms: int) -> NDArray[np.int64]:
    """The moment of each row, in milliseconds since 1970: its `event_time` (in UTC without a zone), or now.

    Raises:
        ProblemError: 422, the column holds no times, or null.
    """
    if EVENT_TIME not in table.column_names:
        return np.full(table.num_rows, now_ms, dtype=np.int64)
    column = table.column(EVENT_TIME)
    if not pa.types.is_timestamp(column.type) or column.null_count:
        detail = f"{EVENT_TIME} is {column.type} with {column.null_count} nulls; send timestamps, and none that is null"
        raise ProblemError(422, "invalid-request", "The request is not valid", detail)
    milliseconds = column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(pa.int64())
    return np.asarray(milliseconds.to_numpy(), dtype=np.int64)


def features(asked: Sequence[Feature], columns: Sequence[NDArray[Any]]) -> dict[str, pa.Array]:
    """Columns of features by their full names, null where there is no value."""
    return {one.full_name: _array(one.kind, column) for one, column in zip(asked, columns, strict=True)}


def _array(kind: Kind, column: NDArray[Any]) -> pa.Array:
    if column.dtype == object:
        # Texts, or lists of values.
        return pa.array(column.tolist(), pa.string() if kind == "text" else None)
    numbers = pa.array(column, pa.float64(), from_pandas=True)
    return numbers if kind not in _TYPES else numbers.cast(_TYPES[kind])
