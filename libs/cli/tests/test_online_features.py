"""`pelton features get` against a door that answers as the feature service does."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from command import Command

from pelton.cli import online
from pelton.sdk.client import Address, Client

TOLD = {"a__x": {"values": [1.5], "statuses": ["PRESENT"], "times": ["2013-03-01T12:00:00Z"]}}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """What the feature service was asked for."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.headers["content-type"] == "application/json":
            return httpx.Response(200, json={"features": TOLD})
        frame = pl.read_ipc_stream(request.content).with_columns(a__x=1.5)
        frame.write_ipc_stream(stream := io.BytesIO())
        return httpx.Response(200, content=stream.getvalue())

    def client() -> Client:
        made = Client(Address("127.0.0.1", 8100, kafka="", token="secret", home=Path()))
        made._http = httpx.Client(transport=httpx.MockTransport(answer))
        return made

    monkeypatch.setattr(online, "Client", client)
    return seen


def body(asked: list[httpx.Request]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asked[0].content)
    return found


def test_one_entity_is_asked_for_by_its_keys(pelton: Command, asked: list[httpx.Request]) -> None:
    done = pelton(
        "features", "get", "a:x", "--entity", "k=1", "--input", "weight=2", "--at", "2013-03-01T12:00:00Z", "--json"
    )
    assert done.code == 0, done.err
    assert body(asked) == {
        "entities": {"k": ["1"], "weight": [2]},
        "features": ["a:x"],
        "at": ["2013-03-01T12:00:00+00:00"],
    }
    assert json.loads(done.out) == [
        {"feature": "a__x", "value": 1.5, "status": "PRESENT", "time": "2013-03-01T12:00:00+00:00"}
    ]


def test_a_name_without_a_colon_is_a_feature_service(pelton: Command, asked: list[httpx.Request]) -> None:
    assert "a__x" in pelton("features", "get", "ranking", "--entity", "k=1").out
    assert body(asked) == {"entities": {"k": ["1"]}, "feature_service": "ranking"}


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
def test_a_file_of_rows_is_written_with_its_features(
    pelton: Command, asked: list[httpx.Request], tmp_path: Path, suffix: str
) -> None:
    rows, output = tmp_path / f"rows{suffix}", tmp_path / f"features{suffix}"
    online._write(pl.DataFrame({"k": [1, 2]}), rows)
    done = pelton("features", "get", "a:x", "--rows", str(rows), "--output", str(output))
    assert done.code == 0, done.err
    assert len(asked) == 1
    assert online._read(output).to_dict(as_series=False) == {"k": [1, 2], "a__x": [1.5, 1.5]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say which entity"),
        (("--entity", "k"), "'k' is no name=value"),
        (("--entity", "k=1", "--input", "w=heavy"), "is no JSON"),
        (("--entity", "k=1", "--at", "noon"), "'noon' is no time"),
        (("--entity", "k=1", "--at", "2013-03-01"), "no time zone"),
        (("--rows", "rows.csv"), "--rows goes with --output"),
        (("--rows", "rows.csv", "-o", "x.csv"), "cannot be read"),
        (("--rows", "rows.txt", "-o", "x.csv"), "no form that is known"),
    ],
)
def test_what_cannot_be_asked_is_told(
    pelton: Command, asked: list[httpx.Request], arguments: tuple[str, ...], words: str
) -> None:
    assert words in pelton("features", "get", "a:x", *arguments).error
    assert not asked
