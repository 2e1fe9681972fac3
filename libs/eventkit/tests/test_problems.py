"""Errors: each is a problem that says what was wrong, where, and what to do."""

import json
import math
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pelton.eventkit.problems import MOST_ERRORS, FieldError, ProblemError, path_of, read_json

DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def refused(body: bytes) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        read_json(body)
    assert (caught.value.status, caught.value.slug) == (400, "malformed-json")
    return caught.value


@given(DOCUMENTS)
def test_json_reads_as_it_was_written(document: object) -> None:
    assert read_json(json.dumps(document).encode()) == document


@given(st.binary(max_size=60))
@example(b"\xff")
@example(b"[" * 100_000)
@example(b"9" * 5000)
@example(b"\xef\xbb\xbf{}")
def test_any_bytes_are_json_or_a_problem(body: bytes) -> None:
    with suppress(ProblemError):
        json.dumps(read_json(body), allow_nan=False).encode()
        return
    assert refused(body).detail


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000])
def test_what_is_no_json_number_is_named_by_its_field(literal: str) -> None:
    problem = refused(b'{"events": [{"id": "a"}, {"id": "b", "data": {"arr_delay": %s}}]}' % literal.encode())
    (error,) = problem.errors
    assert error.field == "events[1].data.arr_delay"
    assert literal[:40] in error.detail
    assert "null" in error.fix


def test_every_such_field_is_named_in_order_up_to_a_bound() -> None:
    body = json.dumps([math.nan] * (MOST_ERRORS + 5)).encode()
    assert [error.field for error in refused(body).errors] == [f"[{index}]" for index in range(MOST_ERRORS)]


@pytest.mark.parametrize(("body", "field"), [(rb'{"a": "\ud800"}', "a"), (rb'{"\udc00": 1}', "?")])
def test_half_a_character_is_named_by_its_field(body: bytes, field: str) -> None:
    problem = refused(body)
    assert [error.field for error in problem.errors] == [field]
    problem.body().decode()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1,\n}', "line 2, column 1"),
        (b'"\xff"', "byte 1 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_says_where(body: bytes, words: str) -> None:
    assert words in refused(body).detail


def test_a_problem_has_the_form_of_rfc_9457() -> None:
    error = FieldError("a[0]", "wrong", "right it")
    problem = ProblemError(422, "invalid-request", "Not valid", "see errors", [error])
    assert json.loads(problem.body()) == {
        "type": "urn:pelton:problem:invalid-request",
        "title": "Not valid",
        "status": 422,
        "detail": "see errors",
        "errors": [{"field": "a[0]", "detail": "wrong", "fix": "right it"}],
    }


def test_a_location_reads_as_a_path() -> None:
    assert path_of(("events", 3, "data", "arr_delay")) == "events[3].data.arr_delay"
    assert path_of((0, "id")) == "[0].id"
