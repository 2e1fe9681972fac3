"""The same requests to Pelton's feature service and to Feast's own server, and the answers side by side."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from feature_servers import Server

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(600)]

NOW = datetime.now(UTC).replace(microsecond=0)
RECENT, OLD = NOW - timedelta(hours=1), NOW - timedelta(days=3)
STATS = [f"driver_stats:{name}" for name in ("rate", "trips", "city", "active")]
READ = "/get-online-features"

DRIVERS = {
    "driver_id": [1, 2],
    "rate": [0.5, None],
    "trips": [5, 6],
    "city": ["Rome", None],
    "active": [True, False],
    "event_timestamp": [RECENT.isoformat(), RECENT.isoformat()],
    "created": [NOW.isoformat(), NOW.isoformat()],
}
STALE = {name: [values[0]] for name, values in DRIVERS.items()} | {
    "driver_id": [3],
    "event_timestamp": [OLD.isoformat()],
}
VISITS = {"driver_id": [1], "shop_id": ["a"], "score": [1.5], "visits": [3], "event_timestamp": [RECENT.isoformat()]}


@pytest.fixture(scope="module")
def clients(pelton: Server, feast: Server) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Clients of both, which have been pushed the same rows."""
    with pelton.client() as ours, feast.client() as theirs:
        for client in (ours, theirs):
            for source, rows in (("driver_push", STALE), ("driver_push", DRIVERS), ("visit_push", VISITS)):
                answer = client.post("/push", json={"push_source_name": source, "df": rows})
                assert (answer.status_code, answer.content) == (200, b""), answer.text
        answer = ours.post("/materialize-incremental", json={"end_ts": NOW.isoformat()})
        assert answer.status_code == 200, answer.text
        yield ours, theirs


Both = tuple[httpx.Client, httpx.Client]


def by_name(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer by feature: among the features of one view Feast's own order changes from run to run."""
    return dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))


SAME = {
    "values, full names": {"entities": {"driver_id": [1]}, "features": STATS, "full_feature_names": True},
    "values": {"entities": {"driver_id": [1, 99]}, "features": STATS},
    "an entity of two keys": {
        "entities": {"shop_id": ["a", "b"], "driver_id": [1, 1]},
        "features": ["driver_visits:visits"],
    },
    "two views": {
        "entities": {"driver_id": [1], "shop_id": ["a"]},
        "features": ["driver_stats:rate", "driver_visits:score"],
    },
    "a feature service": {"entities": {"driver_id": [1], "shop_id": ["a"]}, "feature_service": "ranking"},
    "a service and features": {
        "entities": {"driver_id": [1], "shop_id": ["a"]},
        "feature_service": "ranking",
        "features": ["driver_stats:trips"],
    },
    "computed at the request": {"entities": {"driver_id": [1], "factor": [2.5]}, "features": ["scaled:scaled_rate"]},
    "computed, full name": {
        "entities": {"driver_id": [1], "factor": [2.0]},
        "features": ["scaled:scaled_rate", "driver_stats:trips"],
        "full_feature_names": True,
    },
    "an entity that nothing needs": {"entities": {"driver_id": [1], "other": [7]}, "features": STATS},
    "a whole number with a fraction": {"entities": {"driver_id": [1.0]}, "features": ["driver_stats:rate"]},
}


@pytest.mark.parametrize("case", SAME)
def test_pelton_answers_as_feast_does(clients: Both, case: str) -> None:
    ours, theirs = (client.post(READ, json=SAME[case]) for client in clients)
    assert (ours.status_code, theirs.status_code) == (200, 200), ours.text
    assert by_name(ours.json()) == by_name(theirs.json())
    if len({ref.partition(":")[0] for ref in SAME[case].get("features", ())}) != 1:
        assert ours.json()["metadata"].keys() == theirs.json()["metadata"].keys()


# Where an answer is Feast's own class of error, clients go by class and status; its words name a project besides.
ERRORS = {
    "an unknown view": (READ, {"entities": {"driver_id": [1]}, "features": ["none:rate"]}),
    "an unknown service": (READ, {"entities": {"driver_id": [1]}, "feature_service": "none"}),
    "an unknown feature": (READ, {"entities": {"driver_id": [1]}, "features": ["driver_stats:none"]}),
    "a feature twice": (READ, {"entities": {"driver_id": [1]}, "features": ["driver_stats:rate"] * 2}),
    "no feature": (READ, {"entities": {"driver_id": [1]}}),
    "no reference": (READ, {"entities": {"driver_id": [1]}, "features": ["rate"]}),
    "no entities": (READ, {"features": STATS}),
    "entities that are a list": (READ, {"entities": [1], "features": STATS}),
    "features that are a text": (READ, {"entities": {"driver_id": [1]}, "features": "driver_stats:rate"}),
    "a key that is missing": (READ, {"entities": {"other": [1]}, "features": STATS}),
    "columns of different lengths": (READ, {"entities": {"driver_id": [1, 2], "other": [1]}, "features": STATS}),
    "a field of the request that is missing": (
        READ,
        {"entities": {"driver_id": [1]}, "features": ["scaled:scaled_rate"]},
    ),
    "an unknown push source": ("/push", {"push_source_name": "none", "df": {"driver_id": [1]}}),
    "a push nowhere": ("/push", {"push_source_name": "driver_push", "df": DRIVERS, "to": "away"}),
    "a push of nothing": ("/push", {"push_source_name": "driver_push"}),
    "an unknown view to write": ("/write-to-online-store", {"feature_view_name": "none", "df": {"driver_id": [1]}}),
    "an unknown view to materialize": (
        "/materialize",
        {"start_ts": OLD.isoformat(), "end_ts": NOW.isoformat(), "feature_views": ["none"]},
    ),
    "no span": ("/materialize", {"feature_views": ["driver_stats"]}),
    "a span that ends before it starts": (
        "/materialize",
        {"start_ts": NOW.isoformat(), "end_ts": OLD.isoformat(), "feature_views": ["driver_stats"]},
    ),
    "an end that is no time": (
        "/materialize",
        {"start_ts": NOW.isoformat(), "end_ts": "x", "feature_views": ["driver_stats"]},
    ),
    "no end": ("/materialize-incremental", {"feature_views": ["driver_stats"]}),
}


def kind_of(answer: httpx.Response) -> tuple[int, object]:
    """The status and the kind of an error: Feast's class, the place in the request, or neither."""
    body = answer.json()
    if isinstance(body, dict):
        return answer.status_code, body["detail"][0]["loc"]
    try:
        error = json.loads(body)
        return answer.status_code, (error["module"], error["class"])
    except (ValueError, TypeError):
        return answer.status_code, "a text"


@pytest.mark.parametrize("case", ERRORS)
def test_pelton_refuses_as_feast_does(clients: Both, case: str) -> None:
    path, body = ERRORS[case]
    ours, theirs = (kind_of(client.post(path, json=body)) for client in clients)
    assert ours == theirs


def test_a_materialization_is_waited_for_or_accepted_as_feasts(clients: Both) -> None:
    body = {"start_ts": OLD.isoformat(), "end_ts": NOW.isoformat(), "feature_views": ["driver_visits"]}
    for path in ("/materialize", "/materialize?async=true"):
        ours, theirs = (client.post(path, json=body) for client in clients)
        assert (ours.status_code, ours.json()) == (theirs.status_code, theirs.json())


def test_where_feast_says_present_of_what_is_null_or_too_old_pelton_says_which(clients: Both) -> None:
    body = {"entities": {"driver_id": [2, 3]}, "features": ["driver_stats:rate", "driver_stats:trips"]}
    ours, theirs = (by_name(client.post(READ, json=body).json()) for client in clients)
    assert theirs["rate"]["statuses"] == ["PRESENT", "PRESENT"]
    assert theirs["rate"]["values"] == [None, 0.5]
    assert (ours["rate"]["values"], ours["rate"]["statuses"]) == ([None, None], ["NULL_VALUE", "OUTSIDE_MAX_AGE"])
    assert (ours["trips"]["values"], ours["trips"]["statuses"]) == ([6, None], ["PRESENT", "OUTSIDE_MAX_AGE"])
    assert ours["rate"]["event_timestamps"] == theirs["rate"]["event_timestamps"]


def test_health_is_said_as_feast_says_it(clients: Both) -> None:
    ours, theirs = (client.get("/health") for client in clients)
    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content) == (200, b"")
