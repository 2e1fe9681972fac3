"""Features of rows at their own times, and datasets of them, over HTTP."""

import asyncio
import hashlib
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from feature_definitions import DAY_0, event, source, stream, view
from feature_process import Feature

from pelton.contracts.definitions import FeatureServiceDefinition, TransformationDefinition
from pelton.eventkit.identity import Role
from pelton.sdk.client import PORT_OFFSETS, Address, Client
from pelton.sdk.datasets import SourceRows, dataset, historical_features, make_dataset
from pelton.testkit import eventually

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "datasets.md"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
REFS = ("trips_by_carrier:flights_1d", "trips_by_carrier:delay_2h", "trips_twice:twice")
DAYS = 3


@pytest.fixture(scope="session")
async def trips(feature: Feature) -> list[dict[str, Any]]:
    """Three days of events of a source, with a view, a transformation and a feature service."""
    events = stream(400, DAYS, seed=5)
    await feature.declare(source("trips"), view("trips_by_carrier", "trips"))
    twice = TransformationDefinition(
        name="trips_twice",
        inputs={"flights": "trips_by_carrier:flights_1d"},
        request=("gate",),
        features={"twice": "flights * 2 + gate"},
    )
    of_trips = FeatureServiceDefinition(name="of_trips", features=REFS)
    for path, definition in (("transformations", twice), ("feature-services", of_trips)):
        answer = await feature.client.post(f"/v1/{path}", json=definition.model_dump(mode="json"))
        assert answer.status_code == 200, answer.text
    last = event(9999, DAY_0 + timedelta(days=DAYS, hours=1))
    await feature.publish_all("trips", [*events, last])
    await feature.counted("trips", len(events) + 1)
    return events


def rows(count: int = 50) -> pl.DataFrame:
    chance = np.random.default_rng(1)
    moments = [DAY_0 + timedelta(seconds=int(one)) for one in chance.integers(86_400, 86_400 * DAYS, count)]
    return pl.DataFrame(
        {
            "carrier": chance.choice(["UA", "AA", "B6", "??"], count),
            "gate": chance.integers(1, 9, count),
            "event_time": pl.Series(moments, dtype=pl.Datetime("us", "UTC")),
            "note": [["any", "thing"]] * count,
        }
    )


async def asked(feature: Feature, frame: pl.DataFrame, media_type: str = ARROW, **query: object) -> httpx.Response:
    body = io.BytesIO()
    if media_type == ARROW:
        frame.write_ipc_stream(body)
    else:
        frame.write_parquet(body)
    headers = {"content-type": media_type}
    return await feature.client.post(
        "/v1/historical-features", params=dict(query), content=body.getvalue(), headers=headers
    )


def read(answer: httpx.Response) -> pl.DataFrame:
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"] == ARROW:
        return pl.read_ipc_stream(answer.content)
    return pl.read_parquet(io.BytesIO(answer.content))


async def test_historical_features_equal_the_online_ones_at_each_rows_time(
    feature: Feature, trips: list[dict[str, Any]]
) -> None:
    frame = rows()
    offline = read(await asked(feature, frame, features=REFS))
    body = io.BytesIO()
    frame.write_ipc_stream(body)
    online = await feature.client.post(
        "/v1/online-features", params={"features": REFS}, content=body.getvalue(), headers={"content-type": ARROW}
    )
    assert offline.equals(read(online))
    assert offline.columns == [*frame.columns, *(ref.replace(":", "__") for ref in REFS)]
    for row in offline.iter_rows(named=True):
        count = sum(
            one["carrier"] == row["carrier"]
            and row["event_time"] - timedelta(days=1) <= datetime.fromisoformat(one["at"]) < row["event_time"]
            for one in trips
        )
        assert row["trips_twice__twice"] == 2 * row["trips_by_carrier__flights_1d"] + row["gate"]
        assert row["trips_by_carrier__flights_1d"] == count


async def test_as_known_a_row_sees_what_had_arrived_by_its_moment(feature: Feature) -> None:
    await feature.declare(source("arriving"), view("arriving_by_carrier", "arriving"))
    before = datetime.now(UTC)
    happened = [event(number, before - timedelta(minutes=number + 1)) for number in range(5)]
    await feature.publish_all("arriving", happened)
    await feature.counted("arriving", len(happened))
    after = datetime.now(UTC)
    frame = pl.DataFrame({"carrier": ["UA"] * 3, "event_time": [before - timedelta(seconds=1), before, after]})
    counts = {
        known: read(await asked(feature, frame, features="arriving_by_carrier:flights_1h", known=known))
        for known in ("event_time", "arrival")
    }
    assert counts["event_time"]["arriving_by_carrier__flights_1h"].to_list() == [5, 5, 5]
    assert counts["arrival"]["arriving_by_carrier__flights_1h"].to_list() == [0, 0, 5]


async def test_rows_travel_as_arrow_parquet_or_json(feature: Feature, trips: list[dict[str, Any]]) -> None:  # noqa: ARG001
    frame = rows(5).drop("note")
    as_arrow = read(await asked(feature, frame, feature_service="of_trips"))
    as_parquet = await asked(feature, frame, PARQUET, feature_service="of_trips")
    assert as_parquet.headers["content-type"] == PARQUET
    assert read(as_parquet).equals(as_arrow)
    columns = frame.to_dict(as_series=False)
    columns["event_time"] = [moment.isoformat() for moment in columns["event_time"]]
    answer = await feature.client.post(
        "/v1/historical-features", json={"rows": columns, "feature_service": "of_trips", "known": "event_time"}
    )
    told = answer.json()["columns"]
    assert told["trips_by_carrier__delay_2h"] == as_arrow["trips_by_carrier__delay_2h"].to_list()


@pytest.mark.parametrize(
    ("frame", "query", "words"),
    [
        (rows(2).drop("event_time"), {"features": REFS}, "no column 'event_time'"),
        (rows(2).with_columns(event_time=pl.lit(1)), {"features": REFS}, "send timestamps"),
        (rows(2).drop("carrier"), {"features": REFS}, "has no field carrier"),
        (rows(2).drop("gate"), {"features": REFS}, "has no field gate"),
        (rows(2), {"features": ["nowhere:x"]}, "nowhere does not exist"),
        (rows(2), {"feature_service": "nothing"}, "nothing does not exist"),
        (rows(2), {}, "No features specified"),
        (rows(2), {"features": REFS, "known": "sometimes"}, "event_time"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_words(
    feature: Feature,
    trips: list[dict[str, Any]],  # noqa: ARG001
    frame: pl.DataFrame,
    query: dict[str, Any],
    words: str,
) -> None:
    answer = await asked(feature, frame, **query)
    assert answer.status_code == 422
    assert words in answer.text


async def made(feature: Feature, query: dict[str, Any], **headers: str) -> dict[str, Any]:
    """Ask for a dataset and wait for what becomes of it."""
    answer = await feature.client.post("/v1/datasets", json=query, headers=headers)
    assert answer.status_code == 202, answer.text

    async def settled() -> dict[str, Any] | None:
        found = (await feature.client.get(f"/v1/dataset-requests/{answer.json()['id']}")).json()
        return None if found["status"] == "waiting" else found

    return await eventually(settled, timeout=40)


def of_source(name: str, days: int = DAYS, **changes: object) -> dict[str, Any]:
    span = {"start": DAY_0.isoformat(), "end": (DAY_0 + timedelta(days=days)).isoformat()}
    return {"name": name, "rows": {"source": "trips", **span, "fields": ["flight"]}, "features": list(REFS)} | changes


async def test_a_dataset_is_made_told_downloaded_and_compared(feature: Feature, trips: list[dict[str, Any]]) -> None:
    first = await made(feature, of_source("whole"), **{"idempotency-key": "once"})
    assert first["status"] == "made", first
    again = await made(feature, of_source("whole"), **{"idempotency-key": "once"})
    assert again == first
    digest = first["dataset"]
    answer = await feature.client.get(f"/v1/datasets/{digest}/content")
    assert f"sha256:{hashlib.sha256(answer.content).hexdigest()}" == digest
    assert "whole-" in answer.headers["content-disposition"]
    frame = pl.read_parquet(io.BytesIO(answer.content))
    assert frame.columns == ["event_time", "flight", "carrier", "gate", *(ref.replace(":", "__") for ref in REFS)]
    inside = [one for one in trips if one["at"] < (DAY_0 + timedelta(days=DAYS)).isoformat()]
    assert sorted(frame["flight"]) == sorted(one["flight"] for one in inside)

    told = (await feature.client.get(f"/v1/datasets/{digest}")).json()
    assert told["statistics"]["rows"] == told["rows"] == frame.height
    assert told["query"]["rows"]["source"] == "trips"
    assert (told["name"], told["known"], told["training_id"]) == ("whole", "event_time", "")
    assert set(told["views"]) == {"trips_by_carrier"}
    assert [(one["topic"], one["start"]) for one in told["offsets"]] == [("pelton.data.trips", 0)]
    (fact,) = await feature.facts("dataset_materialized", dataset=digest)
    assert fact["name"] == "whole"

    shorter = await made(feature, of_source("shorter", 1, features=list(REFS[:1])))
    diff = (await feature.client.get(f"/v1/datasets/{digest}/diff/{shorter['dataset']}")).json()
    assert diff["same"] is False
    assert diff["rows"]["before"] == frame.height > diff["rows"]["after"]
    assert diff["columns"] == {"added": [], "removed": ["gate", "trips_by_carrier__delay_2h", "trips_twice__twice"]}
    assert {"name", "query", "span"} <= set(diff["recipe"])
    assert "views" not in diff["recipe"]
    assert "distinct" in diff["statistics"]["flight"]


async def test_a_dataset_of_rows_that_were_sent_is_what_is_answered_at_once(
    feature: Feature,
    trips: list[dict[str, Any]],  # noqa: ARG001
) -> None:
    frame = rows(20).drop("note")
    body = io.BytesIO()
    frame.write_ipc_stream(body)
    kept = await feature.client.post("/v1/dataset-rows", content=body.getvalue(), headers={"content-type": ARROW})
    assert kept.status_code == 201, kept.text
    found = await made(feature, {"name": "mine", "rows": kept.json()["digest"], "features": list(REFS)})
    content = (await feature.client.get(f"/v1/datasets/{found['dataset']}/content")).content
    assert pl.read_parquet(io.BytesIO(content)).equals(read(await asked(feature, frame, features=REFS)))


async def test_a_dataset_that_cannot_be_made_says_why(feature: Feature, trips: list[dict[str, Any]]) -> None:  # noqa: ARG001
    before = {"source": "trips", "start": "2001-01-01T00:00:00Z", "end": "2001-01-02T00:00:00Z"}
    found = await made(feature, {"name": "none", "rows": before, "features": [REFS[0]]})
    assert found["status"] == "failed"
    assert "has no events from 2001-01-01" in found["failure"]
    found = await made(feature, {"name": "none", "rows": f"sha256:{'1' * 64}", "features": [REFS[0]]})
    assert "cannot be read" in found["failure"]
    unknown = await feature.client.post("/v1/datasets", json=of_source("x", features=["nowhere:x"]))
    assert unknown.status_code == 422
    assert (
        await feature.client.post("/v1/datasets", json=of_source("x", feature_service="of_trips"))
    ).status_code == 422
    async with feature.client_of(Role.VIEWER) as viewer:
        assert (await viewer.post("/v1/datasets", json=of_source("x"))).status_code == 403
    for path in (f"/v1/datasets/sha256:{'0' * 64}/content", "/v1/dataset-requests/nothing"):
        assert (await feature.client.get(path)).status_code == 404


async def test_the_offline_store_says_what_it_has(feature: Feature, trips: list[dict[str, Any]]) -> None:
    await asked(feature, rows(1), features=REFS)
    found = {one["source"]: one for one in (await feature.client.get("/v1/offline-store")).json()}
    assert found["trips"]["events"] == len(trips) + 1
    assert found["trips"]["dropped_events"] == 0
    assert found["trips"]["retention"] is None
    told = (await feature.client.get("/v1/offline-store/trips")).json()
    assert told["events"] == len(trips) + 1
    assert told["delay__max"] == max(one["delay"] for one in trips if one["delay"] is not None)
    assert told["carrier__nulls"] == sum(one["carrier"] is None for one in trips)
    assert (await feature.client.get("/v1/offline-store/nothing")).status_code == 404


async def test_the_sdk_makes_opens_and_reads_datasets(feature: Feature, trips: list[dict[str, Any]]) -> None:
    url = feature.client.base_url
    token = feature.client.headers["authorization"].removeprefix("Bearer ")
    address = Address(url.host, (url.port or 0) - PORT_OFFSETS["feature"], "", token, feature.home)
    span = SourceRows("trips", DAY_0, DAY_0 + timedelta(days=DAYS), ("flight",))

    def work() -> None:
        with Client(address) as client:
            of_source = make_dataset(client, "sdk", span, "of_trips")
            assert of_source.to_polars(["flight"]).height == len(trips)
            assert of_source.details["query"]["feature_service"] == "of_trips"
            frame = rows(20).drop("note")
            made = make_dataset(client, "mine", frame, REFS)
            assert dataset(made.digest, client).to_polars().equals(historical_features(client, frame, REFS))

    await asyncio.to_thread(work)


async def test_the_guides_examples_run(
    feature: Feature, trips: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = (feature.client.base_url.port or 0) - PORT_OFFSETS["feature"]
    monkeypatch.setenv("PELTON_HOME", str(feature.home))
    monkeypatch.setenv("PELTON_PORT_BASE", str(base))
    monkeypatch.setenv("PELTON_TOKEN", feature.client.headers["authorization"].removeprefix("Bearer "))
    blocks = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    scope: dict[str, Any] = {}

    def work() -> None:
        for block in blocks:
            exec(block, scope)  # noqa: S102 - the guide's own examples

    await asyncio.to_thread(work)
    scope["client"].close()
    inside = [one for one in trips if one["at"] < (DAY_0 + timedelta(days=2)).isoformat()]
    assert scope["frame"].height == len(inside)
    assert scope["as_served"].height == scope["found"].height == 2
