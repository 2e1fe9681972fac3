"""The doors of the running service, held to the tables of the guide."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from feature_definitions import DAY_0, event, source, view
from feature_process import Feature

from pelton.eventkit.identity import Role
from pelton.testkit import eventually

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "publishing-events.md"
NDJSON = {"content-type": "application/x-ndjson"}


def table(heading: str) -> dict[str, list[str]]:
    """The rows of the guide's table below a heading, by their case."""
    section = GUIDE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in section.splitlines() if "|" in line]
    return {row[0]: row[1:] for row in rows[2:]}


BAD_EVENTS = table("One bad event among good ones")
BAD_REQUESTS = table("Requests that are refused whole")


def now() -> datetime:
    return datetime.now(UTC)


def changed(case: str, **changes: object) -> dict[str, Any]:
    return {"id": f"bad {case}", "data": event(1, now()) | changes}


def bad_event(case: str) -> dict[str, Any]:
    """What the guide's case means, as one event of a request."""
    moments = {
        "no RFC 3339 time": "yesterday",
        "no time zone": now().replace(tzinfo=None).isoformat(),
        "more than five minutes in the future": (now() + timedelta(minutes=6)).isoformat(),
        "before 1970": "1969-12-31T23:59:59Z",
        "older than max_age": (now() - timedelta(days=3)).isoformat(),
    }
    if case in moments:
        return changed(case, at=moments[case])
    whole = changed(case)
    match case:
        case "NaN" | "NDJSON line with NaN":
            whole["data"]["delay"] = float("nan")
        case "infinity inside a list":
            whole["data"]["legs"] = [1, float("inf")]
        case "number beyond a double":
            whole["data"]["delay"] = 10**400
        case "wrong type":
            whole["data"]["delay"] = "late"
        case "missing field":
            del whole["data"]["flight"]
        case "no id":
            del whole["id"]
        case "data is no object":
            whole["data"] = 7
        case "id twice in the request":
            whole["id"] = f"good {case}"
        case "id seen before":
            whole["id"] = "seen"
        case _:
            raise AssertionError(f"the guide has a case that is not tested: {case}")
    return whole


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("case", BAD_EVENTS)
async def test_one_bad_event_is_answered_as_the_guide_says_and_the_good_ones_are_kept(
    feature: Feature, case: str
) -> None:
    status, outcome, field, _ = BAD_EVENTS[case]
    if case == "id seen before":
        await feature.client.post("/v1/events", json={"source": "door", "id": "seen", "data": event(1, now())})
        again = {"source": "door", "events": [{"id": "seen", "data": event(1, now())}]}

        async def seen() -> bool:
            return bool((await feature.client.post("/v1/events", json=again)).json()["duplicate"])

        await eventually(seen)
    before = (await feature.client.get("/v1/sources/door")).json()
    good = [{"id": f"{word} {case}", "data": event(2, now())} for word in ("good", "better")]
    if case.startswith("NDJSON"):
        bad = "{no JSON" if case == "NDJSON line that is no JSON" else json.dumps(bad_event(case))
        body = "\n".join([json.dumps(good[0]), bad, "", json.dumps(good[1]), ""])
        answer = await feature.client.post("/v1/events?source=door", content=body, headers=NDJSON)
    else:
        body = json.dumps({"source": "door", "events": [good[0], bad_event(case), good[1]]})
        answer = await feature.client.post("/v1/events", content=body)
    assert answer.status_code == int(status), answer.text
    found = answer.json()
    assert [one["status"] for one in found["events"]] == ["accepted", outcome, "accepted"]
    assert (found["accepted"], found[outcome]) == (2, 1)
    errors = found["events"][1].get("errors", [])
    assert [error["field"] for error in errors] == ([field] if outcome == "rejected" else [])
    assert all(error["detail"] and error["fix"] for error in errors)

    async def kept() -> bool:
        after = (await feature.client.get("/v1/sources/door")).json()
        assert after["events"] >= before["events"] + 2
        assert after["quarantined"] == before["quarantined"] + (outcome == "rejected")
        return True

    await eventually(kept)


def bad_request(case: str) -> tuple[str, bytes, dict[str, str]]:
    one = {"id": "x", "data": event(1, now())}
    document: dict[str, Any] = {"source": "door", "events": [one]}
    match case:
        case "malformed JSON":
            return "", b'{"source": "door", "events": [', {}
        case "NaN outside of events":
            document["sent"] = float("nan")
        case "no source":
            del document["source"]
        case "no events":
            document["events"] = []
        case "too many events":
            document["events"] = [{}] * 10_001
        case "NDJSON without a source":
            return "", json.dumps(one).encode(), NDJSON
        case "unknown source":
            document["source"] = "nowhere"
        case "body over the limit":
            document["padding"] = "x" * (16 * 1024 * 1024)
        case "no token" | "viewer's token":
            pass
        case _:
            raise AssertionError(f"the guide has a case that is not tested: {case}")
    return "", json.dumps(document).encode(), {}


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("case", BAD_REQUESTS)
async def test_a_bad_request_is_refused_as_the_guide_says_and_nothing_of_it_is_kept(
    feature: Feature, case: str
) -> None:
    status, slug, field, _ = BAD_REQUESTS[case]
    before = (await feature.client.get("/v1/sources/door")).json()["quarantined"]
    query, body, headers = bad_request(case)
    role = {"no token": None, "viewer's token": Role.VIEWER}.get(case, Role.CONTRIBUTOR)
    async with feature.client_of(role) as client:
        answer = await client.post(f"/v1/events{query}", content=body, headers=headers)
    assert answer.status_code == int(status), answer.text
    problem = answer.json()
    assert problem["type"] == f"urn:pelton:problem:{slug}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in problem.get("errors", [])] == ([field] if field else [])
    assert problem["detail"]
    assert (await feature.client.get("/v1/sources/door")).json()["quarantined"] == before


@pytest.mark.usefixtures("door")
async def test_a_request_of_bad_events_only_is_422_and_each_says_why(feature: Feature) -> None:
    body = {"source": "door", "events": [{"id": "a", "data": {}}, {"id": "b", "data": {"flight": 1, "at": 2}}]}
    answer = await feature.client.post("/v1/events", json=body)
    assert answer.status_code == 422
    fields = [{error["field"] for error in one["errors"]} for one in answer.json()["events"]]
    assert fields == [{"flight", "at"}, {"flight", "at"}]


@pytest.mark.usefixtures("door")
async def test_one_event_needs_no_id_and_gets_one(feature: Feature) -> None:
    answer = await feature.client.post("/v1/events", json={"source": "door", "data": event(5, now())})
    assert answer.status_code == 202
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.json()["events"][0]["id"])


async def post(feature: Feature, door: str, definition: Any, role: Role = Role.CONTRIBUTOR) -> httpx.Response:  # noqa: ANN401 - either definition
    async with feature.client_of(role) as client:
        return await client.post(door, json=definition.model_dump(mode="json"))


async def test_definitions_are_applied_once_and_what_would_break_is_refused(feature: Feature) -> None:
    first = source("defined")
    assert (await post(feature, "/v1/sources", first, Role.VIEWER)).status_code == 403
    assert [(await post(feature, "/v1/sources", first)).json()["changed"] for _ in range(2)] == [True, False]
    by_carrier = view("defined_view", "defined")
    assert [(await post(feature, "/v1/feature-views", by_carrier)).json()["changed"] for _ in range(2)] == [True, False]

    without = first.model_copy(update={"json_schema": {
        **first.json_schema,
        "properties": {name: kind for name, kind in first.json_schema["properties"].items() if name != "delay"},
    }})  # fmt: skip
    refused = await post(feature, "/v1/sources", without)
    assert (refused.status_code, "delay" in refused.json()["detail"]) == (409, True)
    lost = await post(feature, "/v1/feature-views", view("lost", "defined", "gates"))
    assert (lost.status_code, "gates" in lost.json()["detail"]) == (409, True)
    nowhere = await post(feature, "/v1/feature-views", view("lost", "nowhere"))
    assert (nowhere.status_code, "register it first" in nowhere.json()["detail"]) == (409, True)
    bad = source("unusable", key="nothing")
    unusable = await post(feature, "/v1/sources", bad)
    assert (unusable.status_code, unusable.json()["type"]) == (422, "urn:pelton:problem:invalid-schema")
    wrong = view("wrong", "defined", aggregates=[
        {"name": "a", "function": "sum", "value": "__import__('os')", "windows": ["1h"]},
    ])  # fmt: skip
    answer = await post(feature, "/v1/feature-views", wrong)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "aggregates[0].value")


async def test_online_features_say_what_is_present_null_and_not_found(feature: Feature) -> None:
    await feature.declare(source("read"), view("read_carrier", "read"), view("read_gate", "read", "gate"))
    await feature.publish_all("read", [event(1, DAY_0, delay=None), event(2, DAY_0, carrier="B6", gate=2)])
    await feature.counted("read", 2)
    at = [(DAY_0 + timedelta(hours=1)).isoformat()] * 4
    refs = ["read_carrier:delay_2h", "read_carrier:flights_1h"]
    answer = await feature.online(refs, "carrier", ["UA", "B6", "XX", None], at)
    assert answer["metadata"]["feature_names"] == ["carrier", "read_carrier__delay_2h", "read_carrier__flights_1h"]
    _, delay, flights = answer["results"]
    assert (delay["values"], delay["statuses"]) == (
        [None, 1.5, None, None],
        ["NULL_VALUE", "PRESENT", "NOT_FOUND", "NOT_FOUND"],
    )
    assert flights["values"] == [1.0, 1.0, None, None]
    assert delay["event_timestamps"][1:3] == ["2013-01-01T01:00:00Z", "1970-01-01T00:00:00Z"]
    by_gate = await feature.online(["read_gate:flights_1h"], "gate", [2, 2.0, "2", 10**400], at)
    assert by_gate["results"][1]["values"] == [1.0, 1.0, 1.0, None]
    missing = await feature.client.post("/get-online-features", json={"features": []})
    assert (missing.status_code, missing.json()["detail"][0]["loc"]) == (422, ["body", "entities"])
