"""The Open Inference Protocol v2 in JSON: requests and responses, and nothing of what is done with them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from math import prod
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

MAX_ROWS = 10_000
# Keys, entities and ids of requests go into every record of the log.
MAX_TEXT_BYTES = 512
LATEST_MS = 253_402_300_799_999  # the end of the year 9999
EARLIEST_MS = -62_135_596_800_000
MAX_DIMENSIONS = 2
LARGEST = float(np.finfo(np.float32).max)
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
NUMBERS = frozenset(
    ("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8", "BOOL")
)


class BadRequestError(Exception):
    """A request that cannot be answered; `status` is HTTP's, the message what the client reads."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Tensor(msgspec.Struct):
    """One input; `data` is left encoded until its type is known."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw


class RequestedOutput(msgspec.Struct):
    """An output that the client wants."""

    name: str


class InferRequest(msgspec.Struct):
    """The body of an inference request."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[RequestedOutput] | None = None


_request = msgspec.json.Decoder(InferRequest)
_numbers = msgspec.json.Decoder(list[float | None])
_booleans = msgspec.json.Decoder(list[bool | None])
_rows_of_numbers = msgspec.json.Decoder(list[list[float | None]])
_texts = msgspec.json.Decoder(list[str | int])
_encoder = msgspec.json.Encoder()


def read_request(body: bytes) -> InferRequest:
    """Parse a request.

    Raises:
        BadRequestError: not JSON, or not of the protocol's shape; the message says where.
    """
    try:
        request = _request.decode(body)
    except msgspec.ValidationError as error:
        raise BadRequestError(
            f"the request does not have the shape of an inference request: {error}; "
            "send an object with `inputs`, each with `name`, `shape`, `datatype` and `data`"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequestError(
            f"the body is not JSON: {error}. NaN is not JSON either; send null for a missing value"
        ) from error
    except RecursionError as error:
        raise BadRequestError("the body is nested too deeply; send tensors of one or two dimensions") from error
    if not request.inputs:
        raise BadRequestError("`inputs` is empty; send at least one tensor")
    if request.id is not None:
        _require_short("the request's `id`", request.id)
    return request


def rows(tensor: Tensor) -> int:
    """How many rows a tensor says it has.

    Raises:
        BadRequestError: none, or more than a request may have.
    """
    if not tensor.shape or any(size < 0 for size in tensor.shape):
        raise BadRequestError(
            f"input {tensor.name!r} has the shape {tensor.shape}; send the rows as its first dimension, as in [1, 10]"
        )
    if not 0 < tensor.shape[0] <= MAX_ROWS:
        raise BadRequestError(
            f"input {tensor.name!r} has {tensor.shape[0]} rows; send from 1 to {MAX_ROWS} in a request"
        )
    return tensor.shape[0]


def numbers(tensor: Tensor) -> NDArray[np.float64]:
    """A tensor's values as floats in its own shape; null is NaN, a missing value.

    Raises:
        BadRequestError: not numbers, or fewer or more than the shape says.
    """
    if tensor.datatype not in NUMBERS:
        raise BadRequestError(f"input {tensor.name!r} has datatype {tensor.datatype}; send FP64, or any other number")
    try:
        values = np.array(_decode_numbers(tensor), dtype=np.float64)
    except (msgspec.MsgspecError, OverflowError) as error:
        raise BadRequestError(f"input {tensor.name!r}: {error}; send numbers, and null for a missing value") from error
    if np.fmax.reduce(np.abs(values), initial=0.0) > LARGEST:  # passes over NaN
        raise BadRequestError(f"input {tensor.name!r} has a number beyond what FP32 holds; send null if it is missing")
    return _shaped(tensor, values)


def texts(tensor: Tensor) -> list[str]:
    """A tensor of one dimension as texts; whole numbers are written out.

    Raises:
        BadRequestError: something else than texts or whole numbers.
    """
    try:
        values = [str(value) for value in _texts.decode(tensor.data)]
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise BadRequestError(f"input {tensor.name!r}: {error}; send texts (BYTES) or whole numbers") from error
    if len(values) != rows(tensor) or len(values) != prod(tensor.shape):
        raise BadRequestError(_other_size(tensor, len(values)))
    for value in values:
        _require_short(f"a value of input {tensor.name!r}", value)
    return values


def milliseconds(tensor: Tensor) -> NDArray[np.int64]:
    """A tensor of times: whole numbers of milliseconds since 1970, or RFC 3339 texts.

    Raises:
        BadRequestError: a time that cannot be read.
    """
    return np.array([_millisecond(tensor.name, value) for value in texts(tensor)], dtype=np.int64)


def response(
    model: str, version: int, request_id: str, probabilities: Sequence[float], labels: Sequence[int], wanted: set[str]
) -> bytes:
    """The body of an answer; every output when none was asked for."""
    rows = [len(probabilities)]
    outputs = [
        {"name": "probability", "shape": rows, "datatype": "FP64", "data": probabilities},
        {"name": "label", "shape": rows, "datatype": "INT64", "data": labels},
    ]
    return _encoder.encode(
        {
            "model_name": model,
            "model_version": str(version),
            "id": request_id,
            "outputs": [output for output in outputs if not wanted or output["name"] in wanted],
        }
    )


def encode(value: object) -> bytes:
    """Any other body."""
    return _encoder.encode(value)


def _decode_numbers(tensor: Tensor) -> list[float | None]:
    if tensor.datatype == "BOOL":
        return [None if value is None else float(value) for value in _booleans.decode(tensor.data)]
    try:
        return _numbers.decode(tensor.data)
    except msgspec.ValidationError:
        return [value for row in _rows_of_numbers.decode(tensor.data) for value in row]


def _shaped(tensor: Tensor, values: NDArray[np.float64]) -> NDArray[np.float64]:
    rows(tensor)
    if values.size != prod(tensor.shape) or len(tensor.shape) > MAX_DIMENSIONS:
        raise BadRequestError(_other_size(tensor, values.size))
    return values.reshape(tensor.shape)


def _other_size(tensor: Tensor, found: int) -> str:
    return (
        f"input {tensor.name!r} has {found} values, and its shape says {tensor.shape}; "
        "send the shape [rows] or [rows, columns] of what is in `data`"
    )


def _require_short(what: str, value: str) -> None:
    if len(value.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        raise BadRequestError(f"{what} is longer than {MAX_TEXT_BYTES} bytes; send a shorter one")


def _millisecond(name: str, value: str) -> int:
    try:
        if _WHOLE_NUMBER.fullmatch(value):
            found: int | None = int(value)
        else:
            moment = datetime.fromisoformat(value)
            found = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        found = None
    if found is None or not EARLIEST_MS <= found <= LATEST_MS:
        raise BadRequestError(
            f"input {name!r}: {value[:40]!r} is no time; send RFC 3339 (2013-03-01T12:00:00Z) "
            "or milliseconds since 1970"
        )
    return found
