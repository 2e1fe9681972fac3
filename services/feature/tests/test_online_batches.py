"""Features of many rows at once, as Arrow and as JSON."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import polars as pl
import pyarrow as pa
import pytest
from feature_definitions import DAY_0, event, source, view
from feature_process import Feature

from pelton.sdk.client import PORT_OFFSETS, Address, Client
from pelton.sdk.online import online_features

PATH = "/v1/online-features"
ARROW = "application/vnd.apache.arrow.stream"
HOUR = timedelta(hours=1)


@pytest.fixture
async def flights(feature: Feature) -> str:
    await feature.declare(
        source("batched", lateness="1d"), view("batched_carrier", "batched"), view("batched_gate", "batched", "gate")
    )
    events = [event(1, DAY_0, delay=2.5), event(2, DAY_0, carrier="B6", gate=7), event(3, DAY_0 + 3 * HOUR, delay=None)]
    await feature.publish_all("batched", events)
    await feature.counted("batched", 3)
    return "batched_carrier"


async def sent(feature: Feature, rows: pa.Table | pl.DataFrame, **query: object) -> httpx.Response:
    table = rows.to_arrow() if isinstance(rows, pl.DataFrame) else rows
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    headers = {"content-type": ARROW}
    return await feature.client.post(PATH, content=sink.getvalue().to_pybytes(), headers=headers, params=query)  # type: ignore[arg-type]


def table(answer: httpx.Response) -> pl.DataFrame:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ARROW
    found = pl.from_arrow(pa.ipc.open_stream(answer.content).read_all())
    assert isinstance(found, pl.DataFrame)
    return found


async def test_arrow_rows_come_back_with_a_column_for_each_feature(feature: Feature, flights: str) -> None:
    rows = pl.DataFrame(
        {
            "carrier": ["UA", "UA", "none", "B6"],
            "gate": [1, 7, 7, None],
            "event_time": [DAY_0 + HOUR, DAY_0 + 4 * HOUR, DAY_0 + HOUR, DAY_0 + HOUR],
        }
    )
    asked = [f"{flights}:delay_2h", f"{flights}:flights_1d", "batched_gate:delay_2h"]
    found = table(await sent(feature, rows, features=asked))
    assert found.columns == [*rows.columns, *(one.replace(":", "__") for one in asked)]
    assert found.select(rows.columns).equals(rows)
    assert found["batched_carrier__delay_2h"].to_list() == [2.5, None, None, 1.5]
    # As in training, an entity without events has had none: the count is 0.
    assert found["batched_carrier__flights_1d"].to_list() == [1, 2, 0, 1]
    assert found["batched_carrier__flights_1d"].dtype == pl.Int64
    assert found["batched_gate__delay_2h"].to_list() == [2.5, None, 1.5, None]


async def test_arrow_times_without_a_zone_are_utc_and_without_times_it_is_now(feature: Feature, flights: str) -> None:
    moment = (DAY_0 + HOUR).replace(tzinfo=None)
    rows = pl.DataFrame({"carrier": ["UA"], "event_time": [moment]}, schema_overrides={"event_time": pl.Datetime("us")})
    asked = [f"{flights}:flights_1h"]
    assert table(await sent(feature, rows, features=asked))["batched_carrier__flights_1h"].to_list() == [1]
    now = table(await sent(feature, rows.drop("event_time"), features=asked))
    assert now["batched_carrier__flights_1h"].to_list() == [0]


async def test_a_frame_of_the_sdk_comes_back_with_what_a_mapping_is_answered(feature: Feature, flights: str) -> None:
    token = feature.client.headers["authorization"].partition(" ")[2]
    base = (feature.client.base_url.port or 0) - PORT_OFFSETS["feature"]
    address = Address("127.0.0.1", base, kafka="", token=token, home=feature.home)
    rows = {"carrier": ["UA", "B6", "none"], "event_time": [DAY_0 + HOUR] * 3}
    asked = [f"{flights}:delay_2h"]

    def ask() -> tuple[list[Any], list[Any]]:
        with Client(address) as client:
            frame = online_features(client, asked, pl.DataFrame(rows))
            mapping = online_features(client, asked, {"carrier": rows["carrier"]}, at=rows["event_time"])
        return frame["batched_carrier__delay_2h"].to_list(), list(mapping["batched_carrier__delay_2h"].values)

    frame, mapping = await asyncio.to_thread(ask)
    assert frame == mapping == [2.5, 1.5, None]


async def test_json_has_values_statuses_and_times_by_feature(feature: Feature, flights: str) -> None:
    at = [(DAY_0 + HOUR).isoformat()] * 2
    body = {"features": [f"{flights}:delay_2h"], "entities": {"carrier": ["UA", "none"]}, "at": at}
    answer = await feature.client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()["features"]["batched_carrier__delay_2h"]
    assert (told["values"], told["statuses"]) == ([2.5, None], ["PRESENT", "NOT_FOUND"])
    assert [datetime.fromisoformat(moment) for moment in told["times"]] == [
        DAY_0 + HOUR,
        datetime.fromtimestamp(0, UTC),
    ]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"features": ["none:x"]}, 404, "Feature view none"),
        ({"feature_service": "none"}, 404, "Feature service none"),
        ({"features": ["batched_carrier:x"]}, 422, "Feature x not found"),
        ({"features": ["batched_carrier:delay_2h"], "entities": {"gate": [1]}}, 422, "carrier"),
        ({"features": ["batched_carrier:delay_2h"], "entities": {}}, 422, "one value a row"),
        ({"features": ["batched_carrier:delay_2h"], "at": []}, 422, "one value a row"),
        ({"features": ["batched_carrier:delay_2h"], "at": ["2013-01-01T00:00:00"]}, 422, "at[0]"),
        ({"features": "batched_carrier:delay_2h"}, 422, "features"),
        ({"feature": []}, 422, "feature"),
    ],
)
async def test_what_cannot_be_answered_is_a_problem(
    feature: Feature, flights: str, body: dict[str, Any], status: int, words: str
) -> None:
    assert flights
    answer = await feature.client.post(PATH, json={"entities": {"carrier": ["UA"]}} | body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.text


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [(b"", 400, "no stream of Arrow"), (b"carrier\nUA\n", 400, "no stream of Arrow")],
)
async def test_what_is_no_arrow_is_told_so(feature: Feature, content: bytes, status: int, words: str) -> None:
    answer = await feature.client.post(PATH, content=content, headers={"content-type": ARROW})
    assert (answer.status_code, words in answer.text) == (status, True)


async def test_arrow_times_that_are_none_are_told_so(feature: Feature, flights: str) -> None:
    for times in (["2013"], [None]):
        rows = pl.DataFrame({"carrier": ["UA"], "event_time": times})
        answer = await sent(feature, rows, features=[f"{flights}:flights_1h"])
        assert (answer.status_code, "send timestamps" in answer.text) == (422, True)
