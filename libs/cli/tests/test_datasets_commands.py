"""Datasets and features of the past on the command line, of a feature service of its own."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from command import Command

from pelton.contracts.definitions import FeatureViewDefinition, Latest, SourceDefinition
from pelton.sdk.client import Client
from pelton.sdk.datasets import SourceRows, make_dataset

TEXT, NUMBER = {"type": "string"}, {"type": "number"}
SCHEMA = {"type": "object", "required": ["at", "key"], "properties": {"at": TEXT, "key": TEXT, "x": NUMBER}}
SOURCE = SourceDefinition(name="readings", json_schema=SCHEMA, event_time="at", key="key")
VIEW = FeatureViewDefinition(name="newest", source="readings", entity="key", latest=(Latest(name="x", value="x"),))
EVENTS = 5


@pytest.fixture
def feature(features: Client) -> Client:
    """A client of a service with a source, a view of it, and an event each hour."""
    features.post("feature", "/v1/sources", SOURCE.model_dump(mode="json"))
    features.post("feature", "/v1/feature-views", VIEW.model_dump(mode="json"))
    data = [{"at": f"2013-01-01T0{x}:00:00Z", "key": "k", "x": x} for x in range(EVENTS)]
    events = [{"id": f"e{one['x']}", "data": one} for one in data]
    features.send("feature", "POST", "/v1/events", json={"source": "readings", "events": events})
    until = time.monotonic() + 30
    while features.get("feature", "/v1/sources/readings")["events"] < EVENTS:
        assert time.monotonic() < until
    return features


def test_datasets_are_listed_shown_compared_and_pulled(feature: Client, pelton: Command, tmp_path: Path) -> None:
    def made(name: str, hours: int) -> str:
        span = SourceRows("readings", datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, hours, tzinfo=UTC))
        return make_dataset(feature, name, span, ["newest:x"]).digest

    def asked(*arguments: str) -> str:
        answer = pelton("datasets", *arguments)
        assert answer.code == 0, answer.err
        return answer.out

    long, short = made("long", 5), made("short", 3)
    assert {one["dataset"] for one in json.loads(asked("list", "--json"))} == {long, short}
    assert "short" in asked("list")
    shown = asked("show", long[:20])
    assert "5 rows" in shown
    assert "newest__x" in shown
    assert json.loads(asked("show", short[7:19], "--json"))["dataset"] == short
    told = asked("diff", long, short)
    assert "rows 5 → 3 (-2)" in told
    assert "newest__x.maximum  3 → 1" in told
    assert json.loads(asked("diff", long, long, "--json"))["same"]
    target = tmp_path / "long.parquet"
    assert long in asked("pull", long, str(target)).replace("\n", "")
    assert pl.read_parquet(target)["newest__x"].to_list() == [None, 0.0, 1.0, 2.0, 3.0]
    assert "too short" in pelton("datasets", "show", "ab").error
    assert "no dataset" in pelton("datasets", "show", "ab" * 8).error

    rows = tmp_path / "rows.csv"
    rows.write_text("key,event_time\nk,2013-01-01T02:30:00Z\nnobody,2013-01-01T02:30:00Z\n")
    answer = pelton("features", "history", str(rows), "-f", "newest:x")
    assert [json.loads(line)["newest__x"] for line in answer.out.splitlines()] == [2.0, None]
    assert pelton("features", "history", str(rows), "-f", "newest:x", "-o", str(tmp_path / "out.parquet")).code == 0
    assert pl.read_parquet(tmp_path / "out.parquet")["newest__x"].to_list() == [2.0, None]
    assert "and not both" in pelton("features", "history", str(rows)).error
    assert "cannot be read" in pelton("features", "history", str(target.with_suffix(".none")), "-f", "newest:x").error
