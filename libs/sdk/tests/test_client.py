"""What a client says when a platform does not do what it was asked."""

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from sdk_platform import client_of, problem

from pelton.sdk.client import Address, Client
from pelton.sdk.errors import NotReachableError, PeltonError, RefusedError


def saying(answer: httpx.Response) -> Client:
    return client_of(lambda _: answer)


def failing(error: Exception) -> Client:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return client_of(answer)


def test_an_answer_is_its_json_and_parameters_without_a_value_are_not_sent() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=[1])

    with client_of(answer) as client:
        assert client.get("registry", "/v1/models", limit=5, page=None) == [1]
        assert client.post("trainer", "/v1/x", {"a": 1}) == [1]
    assert [str(one.url) for one in seen] == ["http://127.0.0.1:8101/v1/models?limit=5", "http://127.0.0.1:8103/v1/x"]
    assert seen[1].content == b'{"a":1}'


def test_a_success_without_a_body_is_none() -> None:
    assert saying(httpx.Response(204)).post("registry", "/v1/x", {}) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (problem(409, "Conflict", detail="try again"), r"registry refused \(409\): Conflict - try again$"),
        (
            problem(422, "Not valid", errors=[{"field": "a.b", "detail": "is missing", "fix": "add it"}]),
            r"Not valid - a\.b: is missing; add it$",
        ),
        (
            problem(422, "Not valid", errors=[{"field": "", "detail": "is no JSON", "fix": None}]),
            "Not valid - is no JSON$",
        ),
        (problem(422, "Not valid", errors=["odd", None]), "Not valid - odd - None$"),
        (problem(400, "Bad", errors="odd"), r"\(400\): Bad$"),
        (httpx.Response(404, json={"error": "no model m"}), r"\(404\): no model m$"),
        (httpx.Response(422, json={"detail": [{"loc": ["body"], "msg": "Field required"}]}), "Field required"),
        (httpx.Response(500, json=["a", "list"]), r"\(500\): \['a', 'list'\]$"),
        (httpx.Response(502, text="<html>Bad gateway</html>"), "<html>Bad gateway"),
        (httpx.Response(503), r"\(503\): $"),
    ],
)
def test_a_refusal_says_what_the_service_said(answer: httpx.Response, words: str) -> None:
    with pytest.raises(RefusedError, match=words) as refused:
        saying(answer).get("registry", "/v1/x")
    assert refused.value.status == answer.status_code
    assert isinstance(refused.value.problem, dict)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError("refused"), r"registry does not answer on http://127\.0\.0\.1:8101 \(refused\)"),
        (httpx.ReadTimeout(""), "ReadTimeout.*pelton status"),
        (httpx.DecodingError("not gzip"), "not gzip"),
        (httpx.RemoteProtocolError("odd"), "odd"),
    ],
)
def test_a_service_that_does_not_answer_says_where_and_what_to_do(error: Exception, words: str) -> None:
    with pytest.raises(NotReachableError, match=words):
        failing(error).get("registry", "/v1/x")


@pytest.mark.parametrize("answer", [httpx.Response(200, text="<html>"), httpx.Response(302, headers={"location": "/"})])
def test_another_program_on_the_port_is_not_taken_for_the_service(answer: httpx.Response) -> None:
    with pytest.raises(NotReachableError, match="is not the registry: another program"):
        saying(answer).get("registry", "/v1/x")


def test_nobody_on_the_port_is_told_in_words(tmp_path: Path) -> None:
    with (
        Client(Address("127.0.0.1", 1, "", "secret", tmp_path)) as client,
        pytest.raises(NotReachableError, match=":2"),
    ):
        client.get("registry", "/v1/models")


def test_the_token_is_the_one_that_the_platform_left_in_its_home(tmp_path: Path) -> None:
    token = tmp_path / "secrets" / "cli.token"
    environment = {"PELTON_HOME": str(tmp_path), "PELTON_PORT_BASE": "9100"}
    with pytest.raises(PeltonError, match=r"cli\.token cannot be read .*pelton up"):
        Address.from_environment(environment)
    token.parent.mkdir()
    token.write_text(" \n")
    with pytest.raises(PeltonError, match="is empty"):
        Address.from_environment(environment)
    token.write_bytes(b"\xff\xfe")
    with pytest.raises(PeltonError, match="is no text"):
        Address.from_environment(environment)
    token.write_text("abc\n")
    found = Address.from_environment(environment)
    assert (found.token, found.kafka, found.url("inference")) == ("abc", "127.0.0.1:9130", "http://127.0.0.1:9106")
    assert Address.from_environment(environment | {"PELTON_TOKEN": "given"}).token == "given"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"PELTON_PORT_BASE": "high"}, "PELTON_PORT_BASE is 'high'"),
        ({"PELTON_PORT_BASE": "-1"}, "PELTON_PORT_BASE is '-1'"),
        ({"PELTON_PORT_BASE": "70000"}, "from 1 to 65000"),
        ({"PELTON_TOKEN": "two words"}, "characters that no token has"),
        ({"PELTON_TOKEN": "a\nb"}, "characters that no token has"),
        ({"PELTON_TOKEN": "schlüssel"}, "characters that no token has"),
    ],
)
def test_an_environment_that_cannot_work_says_why(environment: Mapping[str, str], words: str) -> None:
    with pytest.raises(PeltonError, match=words):
        Address.from_environment({"PELTON_TOKEN": "abc"} | dict(environment))


def test_an_empty_setting_counts_as_not_set() -> None:
    found = Address.from_environment({"PELTON_HOME": "", "PELTON_PORT_BASE": "", "PELTON_TOKEN": "abc"})
    assert (found.home, found.port_base) == (Path(".pelton").resolve(), 8100)
