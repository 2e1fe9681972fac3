import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference_models import INPUTS, route, scorer

from pelton.inference.answer import score
from pelton.inference.features import FeatureReader
from pelton.inference.protocol import MAX_ROWS, BadRequestError, numbers, read_request
from pelton.inference.rows import Rows, make_rows
from pelton.tiles.reader import TileReader

CHAMPION = scorer(1)
ROUTE = route(CHAMPION)


def rows_of(body: bytes, tmp: Any = None) -> Rows:  # noqa: ANN401 - a folder or none
    features = FeatureReader(TileReader(tmp))
    return make_rows(read_request(body), "r", ROUTE, features, 0)


def tensor(name: str = "m", shape: Any = (1, 3), datatype: str = "FP64", data: Any = (1, 2, 3)) -> dict[str, Any]:  # noqa: ANN401 - also malformed ones
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def body(*tensors: dict[str, Any], **more: Any) -> bytes:  # noqa: ANN401 - also malformed ones
    return json.dumps({"inputs": tensors, **more}).encode()


X, Y, Z = (tensor(name, [1], data=[1]) for name in INPUTS)


@pytest.mark.parametrize(
    ("sent", "said", "advice"),
    [
        (b"", "not JSON", "send"),
        (b"[]", "Expected `object`", "shape of an inference request"),
        (b'{"inputs": []}', "`inputs` is empty", "send at least one tensor"),
        (b"[" * 100_000, "", "send"),
        (body(tensor(data=[float("nan"), 1, 2])), "NaN", "send null"),
        (body(tensor(datatype="BYTES")), "'m' has datatype BYTES", "send FP64"),
        (body(tensor(data=["a", 1, 2])), "'m'", "send numbers"),
        (body(tensor(data=[1, 2])), "'m' has 2 values", "send the shape"),
        (body(tensor(shape=[1, 3, 1])), "'m' has 3 values", "send the shape"),
        (body(tensor(shape=[])), "'m' has the shape []", "send the rows"),
        (body(tensor(shape=[-1, 3])), "'m' has the shape [-1, 3]", "send the rows"),
        (body(tensor(shape=[0, 3], data=[])), "'m' has 0 rows", f"send from 1 to {MAX_ROWS}"),
        (body(tensor(shape=[10**12, 3])), f"'m' has {10**12} rows", f"send from 1 to {MAX_ROWS}"),
        (body(tensor(shape=[1, 10**30])), "", "send"),
        (body(tensor(shape=[1, 2], data=[1, 2])), "'m' has 2 columns", "x, y, z"),
        (body(tensor(data=[1e300, 1, 2])), "'m' has a number beyond", "send null"),
        (body(tensor(data=[10**400, 1, 2])), "", "send"),
        (body(X, X), "same name", "send each name once"),
        (body(X, Y), "missing: z", "send each as a tensor of 1 rows"),
        (body(X, Y, tensor("z", [2], data=[1, 2])), "'z' has 2 rows", "send as many"),
        (body(tensor(), tensor("key", [2], "BYTES", ["a", "b"])), "'key' has 2 rows", "send as many"),
        (body(tensor(), tensor("key", [1], "BYTES", ["a" * 600])), "'key' is longer", "send a shorter one"),
        (body(tensor(), tensor("key", [1], "BYTES", [None])), "'key'", "send texts"),
        (body(tensor(), tensor("event_time", [1], "BYTES", ["soon"])), "'event_time': 'soon'", "send RFC 3339"),
        (body(tensor(), tensor("event_time", [1], "BYTES", ["²"])), "'event_time'", "send RFC 3339"),
        (body(tensor(), tensor("event_time", [1], "INT64", [10**18])), "'event_time'", "send RFC 3339"),
        (body(tensor(), id="a" * 600), "`id` is longer", "send a shorter one"),
    ],
)
def test_what_is_malformed_is_named_with_what_to_do(sent: bytes, said: str, advice: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        rows_of(sent)
    assert refused.value.status == 400
    assert said in str(refused.value)
    assert advice in str(refused.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from([*INPUTS, "m", "key", "event_time"]),
        "shape": st.lists(st.integers(-1, 3) | st.integers(), max_size=3),
        "datatype": st.sampled_from(["FP64", "FP32", "INT64", "BOOL", "BYTES", "?"]),
        "data": st.lists(st.floats() | st.integers() | st.none() | st.text(), max_size=6) | json_values,
    }
)
bodies = (
    st.binary()
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.lists(tensors, max_size=4).map(lambda some: body(*some))
)


@given(bodies)
def test_any_bytes_are_answered_or_refused_as_the_clients_mistake(sent: bytes) -> None:
    try:
        rows = rows_of(sent)
    except BadRequestError as error:
        assert error.status == 400  # noqa: PT017 - an answer is right too
        return
    assert score(rows, ROUTE).probabilities.shape == (len(rows.keys),)


def test_null_is_a_missing_value() -> None:
    (only,) = read_request(body(tensor(data=[1, None, 3]))).inputs
    np.testing.assert_array_equal(numbers(only), [[1, np.nan, 3]])


def test_nested_and_flat_data_are_the_same() -> None:
    (flat,) = read_request(body(tensor(shape=[2, 2], data=[1, 2, 3, 4]))).inputs
    (nested,) = read_request(body(tensor(shape=[2, 2], data=[[1, 2], [3, 4]]))).inputs
    np.testing.assert_array_equal(numbers(flat), numbers(nested))


def test_times_are_read_in_both_forms() -> None:
    sent = tensor("event_time", [2], "BYTES", ["1970-01-01T00:00:01Z", "1000"])
    rows = rows_of(body(tensor(shape=[2, 3], data=[1, 2, 3, 4, 5, 6]), sent))
    assert rows.times.tolist() == [1000, 1000]
