"""Online features from a platform: what is asked for, and what an answer is made into."""

import io
import json
from datetime import UTC, datetime

import httpx
import polars as pl
import pytest
from sdk_platform import client_of

from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError
from pelton.sdk.online import FeatureValues, online_features

MOMENT = datetime(2013, 3, 1, 12, tzinfo=UTC)
TOLD = {"values": [0.5, None], "statuses": ["PRESENT", "NOT_FOUND"], "times": ["2013-03-01T12:00:00Z"] * 2}


def asking(seen: list[httpx.Request], answer: httpx.Response) -> Client:
    def told(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer

    return client_of(told)


def test_a_mapping_is_answered_by_feature() -> None:
    seen: list[httpx.Request] = []
    client = asking(seen, httpx.Response(200, json={"features": {"driver__rate": TOLD}}))
    found = online_features(client, ["driver:rate"], {"driver_id": [1, 2]}, at=[MOMENT, MOMENT])
    assert found == {"driver__rate": FeatureValues((0.5, None), ("PRESENT", "NOT_FOUND"), (MOMENT, MOMENT))}
    assert str(seen[0].url) == "http://127.0.0.1:8102/v1/online-features"
    assert json.loads(seen[0].content) == {
        "entities": {"driver_id": [1, 2]},
        "features": ["driver:rate"],
        "at": [MOMENT.isoformat()] * 2,
    }


def test_a_text_is_the_name_of_a_feature_service() -> None:
    seen: list[httpx.Request] = []
    online_features(asking(seen, httpx.Response(200, json={"features": {}})), "ranking", {"driver_id": [1]})
    assert json.loads(seen[0].content) == {"entities": {"driver_id": [1]}, "feature_service": "ranking"}


@pytest.mark.parametrize(
    ("features", "query"),
    [(["a:x", "b:y"], "features=a%3Ax&features=b%3Ay"), ("ranking", "feature_service=ranking")],
)
def test_a_frame_travels_as_arrow_and_comes_back_with_the_features(features: list[str] | str, query: str) -> None:
    rows = pl.DataFrame({"driver_id": [1, 2], "event_time": [MOMENT, MOMENT]})
    answer = io.BytesIO()
    rows.with_columns(a__x=pl.Series([1.5, None])).write_ipc_stream(answer)
    seen: list[httpx.Request] = []
    client = asking(seen, httpx.Response(200, content=answer.getvalue()))
    # Any library's frame will do: here Arrow's.
    found = online_features(client, features, rows.to_arrow())
    assert found["a__x"].to_list() == [1.5, None]
    assert seen[0].headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert seen[0].url.query.decode() == query
    assert pl.read_ipc_stream(seen[0].content).equals(rows)


def test_a_moment_needs_a_zone_and_a_frame_has_its_own() -> None:
    client = asking([], httpx.Response(500))
    with pytest.raises(PeltonError, match="no time zone"):
        online_features(client, ["a:x"], {"k": [1]}, at=[MOMENT.replace(tzinfo=None)])
    with pytest.raises(PeltonError, match="event_time"):
        online_features(client, ["a:x"], pl.DataFrame({"k": [1]}), at=[MOMENT])  # type: ignore[call-overload]
