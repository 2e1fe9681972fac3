"""The interface of Feast's feature server; what is expected here was recorded from Feast 0.67's own."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from feature_definitions import DAY_0, event, source, view
from feature_process import Feature

from pelton.eventkit.identity import Role

RECENT = [(DAY_0 + timedelta(hours=2)).isoformat()]


async def declared(feature: Feature, name: str) -> str:
    await feature.declare(source(name, tags={"feast_push_sources": f"{name}_push,{name}_other"}), view(name, name))
    return name


async def ask(feature: Feature, **body: object) -> httpx.Response:
    return await feature.client.post("/get-online-features", json=body)


def flights(*delays: float | None, carrier: str = "UA") -> dict[str, list[Any]]:
    """Rows as a frame, by column."""
    listed = [event(number, DAY_0, delay=delay, carrier=carrier) for number, delay in enumerate(delays)]
    return {name: [one[name] for one in listed] for name in listed[0]}


def told(answer: httpx.Response) -> tuple[str | None, str]:
    """The class and the message of an error: JSON in a JSON text, or a text alone."""
    inner = answer.json()
    try:
        error = json.loads(inner)
    except ValueError:
        return None, inner
    assert error["module"] == "feast.errors"
    return error["class"], error["message"]


@pytest.mark.parametrize(
    ("body", "status", "kind", "words"),
    [
        ({"features": ["none:x"]}, 404, "FeatureViewNotFoundException", "Feature view none does not exist"),
        ({"feature_service": "none"}, 404, "FeatureServiceNotFoundException", "Feature service none does not exist"),
        ({"features": ["asked:x"]}, 500, None, "Feature x not found in asked"),
        ({"features": ["asked:flights_1h"], "entities": {"gate": [1]}}, 500, None, "keys: ['carrier']"),
        ({"features": ["asked:flights_1h"], "entities": {"carrier": [1], "g": []}}, 500, None, "the same columns"),
        ({"features": ["flights_1h"]}, 500, None, "Invalid feature reference 'flights_1h'"),
        ({"features": []}, 500, None, "No features specified"),
        ({"features": ["asked:flights_1h"] * 2}, 500, "FeatureNameCollisionError", "flights_1h"),
    ],
)
async def test_what_cannot_be_answered_is_told_in_feasts_way(
    feature: Feature, body: dict[str, Any], status: int, kind: str | None, words: str
) -> None:
    await declared(feature, "asked")
    answer = await ask(feature, **{"entities": {"carrier": ["UA"]}} | body)
    assert answer.status_code == status
    assert told(answer)[0] == kind
    assert words in told(answer)[1]


@pytest.mark.parametrize(
    ("body", "loc", "words"),
    [
        ({"features": ["asked:flights_1h"]}, ["body", "entities"], "Field required"),
        ({"features": "asked:flights_1h", "entities": {}}, ["body", "features"], "array"),
        ({"features": [], "entities": [1]}, ["body", "entities"], "object"),
        ({"features": ["a", 1], "entities": {}}, ["body", "features", 1], "str"),
        ({"features": ["asked:flights_1h"], "at": ["now"]}, ["body", "at", 0], "'now' is no time"),
        ({"features": ["asked:flights_1h"], "at": ["2013-01-01T00:00:00"]}, ["body", "at", 0], "zone"),
        ({"features": ["asked:flights_1h"], "at": []}, ["body", "at"], "1 rows and 0 moments"),
    ],
)
async def test_a_request_of_another_form_is_told_where_it_is_wrong(
    feature: Feature, body: dict[str, Any], loc: list[str | int], words: str
) -> None:
    await declared(feature, "asked")
    if "at" in body:
        body = body | {"entities": {"carrier": ["UA"]}}
    answer = await ask(feature, **body)
    assert answer.status_code == 422
    (fault,) = answer.json()["detail"]
    assert fault["loc"] == loc
    assert words in fault["msg"]


async def test_what_is_no_json_is_told_so(feature: Feature) -> None:
    answer = await feature.client.post("/get-online-features", content=b"{nope")
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body"])


async def test_without_a_token_feasts_client_hears_why(feature: Feature) -> None:
    async with feature.client_of(None) as stranger:
        answer = await stranger.post("/get-online-features", json={})
    assert answer.status_code == 401
    kind, message = told(answer)
    assert kind == "FeastPermissionError"
    assert "Authorization: Bearer" in message


async def test_pushing_needs_a_contributor(feature: Feature) -> None:
    async with feature.client_of(Role.VIEWER) as viewer:
        answer = await viewer.post("/push", json={"push_source_name": "x", "df": {}})
    assert (answer.status_code, told(answer)[0]) == (403, "FeastPermissionError")


@pytest.mark.parametrize("push_source", ["pushed", "pushed_push", "pushed_other"])
async def test_pushed_rows_are_events_of_the_source_and_count_once(feature: Feature, push_source: str) -> None:
    await declared(feature, "pushed")
    body = {"push_source_name": push_source, "df": flights(1.0, 4.0, carrier=push_source), "to": "online_and_offline"}
    for _ in range(2):
        answer = await feature.client.post("/push", json=body)
        assert (answer.status_code, answer.content) == (200, b"")
    await materialized(feature, "pushed")
    answer = await feature.online(["pushed:delay_2h", "pushed:flights_1h"], "carrier", [push_source], RECENT)
    assert [one["values"] for one in answer["results"]] == [[push_source], [2.5], [0]]


async def materialized(feature: Feature, *views: str) -> None:
    answer = await feature.client.post(
        "/materialize-incremental", json={"end_ts": DAY_0.isoformat(), "feature_views": views}
    )
    assert (answer.status_code, answer.json()) == (200, None), answer.text


async def test_rows_of_a_view_are_written_under_the_times_that_feasts_client_gives_them(feature: Feature) -> None:
    await declared(feature, "written")
    frame = flights(7.0, None)
    del frame["at"]
    frame["event_timestamp"] = [DAY_0.replace(tzinfo=None).isoformat()] * 2
    frame["created"] = [None] * 2
    answer = await feature.client.post("/write-to-online-store", json={"feature_view_name": "written", "df": frame})
    assert (answer.status_code, answer.json()) == (200, None)
    await materialized(feature, "written")
    answer = await feature.online(["written:delay_2h", "written:flights_1d"], "carrier", ["UA"], RECENT)
    assert [one["values"] for one in answer["results"]] == [["UA"], [7.0], [2]]


@pytest.mark.parametrize(
    ("path", "body", "status", "kind", "words"),
    [
        ("/push", {"push_source_name": "none", "df": {}}, 422, "PushSourceNotFoundException", "push source 'none'"),
        ("/push", {"push_source_name": "bad", "df": {}, "to": "away"}, 500, None, "away is not a supported push"),
        (
            "/write-to-online-store",
            {"feature_view_name": "none", "df": {}},
            404,
            "FeastObjectNotFoundException",
            "a name none",
        ),
        (
            "/materialize",
            {"start_ts": "2013-01-01", "end_ts": "2013-01-02", "feature_views": ["none"]},
            404,
            "FeatureViewNotFoundException",
            "Feature view none",
        ),
        ("/materialize", {"feature_views": ["bad"]}, 500, None, "start_ts and end_ts are required"),
        (
            "/materialize",
            {"start_ts": "2013-01-02", "end_ts": "2013-01-01", "feature_views": ["bad"]},
            500,
            None,
            "must be before",
        ),
        ("/materialize-incremental", {"end_ts": "x", "feature_views": ["bad"]}, 500, None, "Unknown string format: x"),
    ],
)
async def test_writing_and_materializing_refuse_as_feast_does(
    feature: Feature, path: str, body: dict[str, Any], status: int, kind: str | None, words: str
) -> None:
    await declared(feature, "bad")
    answer = await feature.client.post(path, json=body)
    assert (answer.status_code, told(answer)[0]) == (status, kind)
    assert words in told(answer)[1]


@pytest.mark.parametrize(
    ("change", "loc", "words"),
    [
        ({"df": {"flight": ["a"], "carrier": ["UA"]}}, ["body", "df", "at"], "needs at"),
        ({"df": {"flight": ["a", "b"], "at": [DAY_0.isoformat()]}}, ["body", "df"], "same length"),
        ({"df": {"flight": ["a"], "at": ["yesterday"]}}, ["body", "df"], "row 0: at 'yesterday'"),
        ({"df": {"flight": [1], "at": [DAY_0.isoformat()]}}, ["body", "df"], "1 of 1 rows were set aside"),
        ({"to": "offline"}, ["body", "to"], "online_and_offline"),
    ],
)
async def test_rows_that_cannot_be_taken_are_told_by_field(
    feature: Feature, change: dict[str, Any], loc: list[str], words: str
) -> None:
    await declared(feature, "bad")
    body = {"push_source_name": "bad", "df": flights(1.0)} | change
    answer = await feature.client.post("/push", json=body)
    assert answer.status_code == 422
    (fault,) = answer.json()["detail"]
    assert fault["loc"] == loc
    assert words in fault["msg"]


async def test_a_view_s_own_fields_are_needed_when_its_rows_are_written(feature: Feature) -> None:
    await declared(feature, "bad")
    frame = {"flight": ["a"], "at": [DAY_0.isoformat()], "delay": [1.0]}
    answer = await feature.client.post("/write-to-online-store", json={"feature_view_name": "bad", "df": frame})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "df", "carrier"])


async def test_materializing_in_the_background_is_accepted_and_done(feature: Feature) -> None:
    name = await declared(feature, "background")
    await feature.publish_all(name, [event(1, DAY_0)])
    body = {"end_ts": DAY_0.isoformat(), "feature_views": [name]}
    answer = await feature.client.post("/materialize-incremental?async=true", json=body)
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "feature_views": [name]})
    await feature.counted(name, 1)


async def test_health_is_open_and_has_no_body(feature: Feature) -> None:
    async with feature.client_of(None) as stranger:
        answer = await stranger.get("/health")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_features_of_a_service_and_those_computed_of_the_request_are_read_by_name(feature: Feature) -> None:
    await declared(feature, "scored")
    for kind, body in (
        (
            "transformations",
            {
                "name": "scored_now",
                "inputs": {"flights": "scored:flights_1d"},
                "request": ["weight", "kind"],
                "features": {"weighted": "flights * weight", "is_a": 'kind == "a"'},
            },
        ),
        ("feature-services", {"name": "scoring", "features": ["scored:flights_1d", "scored_now:weighted"]}),
    ):
        assert (await feature.client.post(f"/v1/{kind}", json=body)).status_code == 200
    await feature.publish_all("scored", [event(1, DAY_0), event(2, DAY_0)])
    await feature.counted("scored", 2)
    entities = {"carrier": ["UA", "none"], "weight": [0.5, None], "kind": ["a", "b"]}
    answer = await ask(feature, entities=entities, feature_service="scoring", at=RECENT * 2)
    assert answer.status_code == 200, answer.text
    assert answer.json()["metadata"]["feature_names"] == ["carrier", "flights_1d", "weighted"]
    _, counted, weighted = answer.json()["results"]
    assert (counted["values"], counted["statuses"]) == ([2, None], ["PRESENT", "NOT_FOUND"])
    assert (weighted["values"], weighted["statuses"]) == ([1.0, None], ["PRESENT", "NULL_VALUE"])
    assert weighted["event_timestamps"] == ["1970-01-01T00:00:00Z"] * 2
    answer = await ask(feature, entities=entities, features=["scored_now:is_a"], full_feature_names=True)
    assert answer.json()["metadata"]["feature_names"] == ["carrier", "scored_now__is_a"]
    assert answer.json()["results"][1]["values"] == [1.0, 0.0]


async def test_what_a_transformation_reads_of_the_request_must_be_there_and_fit(feature: Feature) -> None:
    body = {"name": "of_request", "request": ["weight"], "features": {"double": "weight * 2"}}
    assert (await feature.client.post("/v1/transformations", json=body)).status_code == 200
    answer = await ask(feature, entities={"carrier": ["UA"]}, features=["of_request:double"])
    assert (answer.status_code, told(answer)[0]) == (404, "RequestDataNotFoundInEntityRowsException")
    answer = await ask(feature, entities={"weight": ["heavy"]}, features=["of_request:double"])
    assert (answer.status_code, told(answer)) == (500, (None, answer.json()))
    assert "of_request:double cannot be computed" in answer.json()


async def test_readers_of_a_view_that_is_deprecated_are_told_so(feature: Feature) -> None:
    await declared(feature, "leaving")
    reason = {"reason": "there is a better one", "successor": None, "sunset": None}
    answer = await feature.client.put("/v1/feature-views/leaving/deprecation", json=reason)
    assert answer.status_code == 204, answer.text
    answer = await ask(feature, entities={"carrier": ["UA"]}, features=["leaving:flights_1d"])
    assert answer.status_code == 200
    assert "leaving is deprecated" in answer.headers["warning"]


async def test_latest_values_have_their_events_time_and_their_fields_type_and_age(feature: Feature) -> None:
    latest = [{"name": f"newest_{name}", "value": name} for name in ("gate", "delay", "carrier")]
    keys = {"keys": ("carrier", "gate"), "aggregates": (), "latest": latest, "max_age": "1d"}
    await feature.declare(source("aging"), view("aging", "aging", "carrier_gate", **keys))
    await feature.publish_all("aging", [event(1, DAY_0, delay=None, gate=7)])
    await feature.counted("aging", 1)
    at = [(DAY_0 + timedelta(hours=hours)).isoformat() for hours in (1, 24, 25, 1, 1)]
    entities = {"gate": [7, 7, 7, 8, None], "carrier": ["UA"] * 5}
    answer = await ask(feature, entities=entities, features=[f"aging:{one['name']}" for one in latest], at=at)
    assert answer.status_code == 200, answer.text
    gate, delay, carrier = answer.json()["results"][2:]
    assert str(gate["values"]) == "[7, 7, None, None, None]"
    assert carrier["values"] == ["UA", "UA", None, None, None]
    old = ["OUTSIDE_MAX_AGE", "NOT_FOUND", "NOT_FOUND"]
    assert (gate["statuses"], carrier["statuses"]) == (["PRESENT", "PRESENT", *old], ["PRESENT", "PRESENT", *old])
    assert (delay["values"], delay["statuses"]) == ([None] * 5, ["NULL_VALUE", "NULL_VALUE", *old])
    assert gate["event_timestamps"] == ["2013-01-01T00:00:00Z"] * 3 + ["1970-01-01T00:00:00Z"] * 2
