"""Datasets from a platform: downloaded once, checked, and read in batches."""

import hashlib
import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
from sdk_platform import client_of

from pelton.sdk.client import Client
from pelton.sdk.datasets import Batches, Dataset, SourceRows, historical_features, make_dataset
from pelton.sdk.errors import PeltonError, RefusedError

ROWS = pl.DataFrame({"x": range(10), "name": [f"n{n}" for n in range(10)]})


def parquet() -> bytes:
    body = io.BytesIO()
    ROWS.write_parquet(body)
    return body.getvalue()


CONTENT = parquet()
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def asked() -> list[httpx.Request]:
    return []


def serving(asked: list[httpx.Request], home: Path, content: bytes) -> Client:
    def told(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=content)

    client = client_of(told)
    client.address = replace(client.address, home=home)
    return client


def test_a_dataset_is_downloaded_once_and_read_as_what_one_likes(asked: list[httpx.Request], tmp_path: Path) -> None:
    found = Dataset(serving(asked, tmp_path, CONTENT), DIGEST)
    assert found.to_polars().equals(ROWS)
    assert found.to_pandas(["x"])["x"].tolist() == list(range(10))
    assert found.to_arrow(["name"]).column_names == ["name"]
    assert [str(one.url.path) for one in asked] == [f"/v1/datasets/{DIGEST}/content"]


def test_what_is_not_the_digest_is_not_kept(asked: list[httpx.Request], tmp_path: Path) -> None:
    found = Dataset(serving(asked, tmp_path, CONTENT[:-1]), DIGEST)
    with pytest.raises(PeltonError, match="changed or cut off"):
        found.to_polars()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_dataset_that_is_not_there_is_refused_with_the_services_words(tmp_path: Path) -> None:
    client = client_of(lambda _: httpx.Response(404, json={"title": "No such dataset", "detail": "not made here"}))
    client.address = replace(client.address, home=tmp_path)
    with pytest.raises(RefusedError, match="No such dataset"):
        Dataset(client, DIGEST).to_polars()


def test_batches_have_all_rows_in_order_as_often_as_one_wants() -> None:
    batches = Batches(ROWS, 4)
    for _ in range(2):
        assert [batch["x"].tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(batches) == 3
    assert batches[2]["name"].tolist() == ["n8", "n9"]
    with pytest.raises(IndexError, match="there are 3"):
        batches[3]
    with pytest.raises(ValueError, match="size of 1 or more"):
        Batches(ROWS, 0)


def test_a_seed_gives_each_pass_another_order_and_each_run_the_same() -> None:
    def passes(seed: int) -> list[list[int]]:
        batches = Batches(ROWS, 4, seed)
        return [np.concatenate([batch["x"] for batch in batches]).tolist() for _ in range(2)]

    first, second = passes(7)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert passes(7) == [first, second]


def test_history_travels_as_arrow(asked: list[httpx.Request], tmp_path: Path) -> None:
    rows = pl.DataFrame({"driver": [1], "event_time": [datetime(2013, 3, 1, tzinfo=UTC)]})
    answer = io.BytesIO()
    rows.with_columns(a__x=1.5).write_ipc_stream(answer)
    found = historical_features(serving(asked, tmp_path, answer.getvalue()), rows, ["a:x"], known="arrival")
    assert found["a__x"].to_list() == [1.5]
    assert str(asked[0].url.query, "ascii") == "features=a%3Ax&known=arrival"
    assert pl.read_ipc_stream(asked[0].content).equals(rows)


def test_a_dataset_that_cannot_be_made_says_why() -> None:
    def told(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, json={"id": "1"})
        return httpx.Response(200, json={"status": "failed", "failure": "no rows"})

    rows = SourceRows("trips", datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 2, tzinfo=UTC))
    with pytest.raises(PeltonError, match="'mine' cannot be made: no rows"):
        make_dataset(client_of(told), "mine", rows, ["a:x"])
