"""High-volume records, which bypass the event store: columns, one message a batch, JSON on the wire.

Times are milliseconds since 1970 in UTC. Versions are written as decimal text where they are keys.
"""

import msgspec


class PredictionBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one request to a model, on `pelton.predictions`, keyed by model.

    `inputs` has one column an input of the model, null where a value was missing. `served` is the version that
    answered each row. `outputs` has a column a version that scored: the probability of the positive class, null
    where it did not score the row. `errors` counts, by version, the rows it failed to score.
    """

    id: str
    model: str
    revision: int
    mode: str
    champion: int
    challenger: int | None
    weight: float
    keys: list[str]
    event_times: list[int]
    inputs: dict[str, list[float | None]]
    served: list[int]
    outputs: dict[str, list[float | None]]
    errors: dict[str, int]
    latency_us: dict[str, int]


class OutcomeBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The labelled predictions of one window under one revision of the route, on `pelton.outcomes`, keyed by model.

    (`model`, `window_start`, `revision`, `chunk`) identifies a batch: one that comes twice is the same.
    Rows are in the order of their keys. `unlabelled` had no label by the time the window closed.
    """

    model: str
    revision: int
    mode: str
    champion: int
    challenger: int | None
    weight: float
    window_start: int
    window_end: int
    chunk: int
    keys: list[str]
    event_times: list[int]
    labels: list[int]
    served: list[int]
    outputs: dict[str, list[float | None]]
    unlabelled: int


class UsageBatch(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a model a process answered on one day, on `pelton.usage`, keyed by model.

    `rows` holds them by version and caller, who is the name in the token. They are counted from the beginning of the
    day (`day`, an ISO date in UTC), or of the process that names itself `source`: of several records of one source and
    day the greatest number is right, in whatever order they come and however often. `last` is the time of the newest
    of these rows.
    """

    source: str
    model: str
    day: str
    last: int
    rows: dict[str, dict[str, int]]


_predictions = msgspec.json.Decoder(PredictionBatch)
_outcomes = msgspec.json.Decoder(OutcomeBatch)
_usage = msgspec.json.Decoder(UsageBatch)


def encode(record: PredictionBatch | OutcomeBatch | UsageBatch) -> bytes:
    """The record as it stands on Kafka."""
    return msgspec.json.encode(record)


def decode_predictions(data: bytes) -> PredictionBatch:
    """Read a record of `pelton.predictions`.

    Raises:
        msgspec.ValidationError: it does not have that shape.
    """
    return _predictions.decode(data)


def decode_outcomes(data: bytes) -> OutcomeBatch:
    """Read a record of `pelton.outcomes`.

    Raises:
        msgspec.ValidationError: it does not have that shape.
    """
    return _outcomes.decode(data)


def decode_usage(data: bytes) -> UsageBatch:
    """Read a record of `pelton.usage`.

    Raises:
        msgspec.ValidationError: it does not have that shape.
    """
    return _usage.decode(data)
