"""The service on real Kafka, PostgreSQL and LMDB: what comes in by the topic, and the datasets that are made of it."""

import io
import json
import random
import signal
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np
import polars as pl
import pytest
from feature_definitions import DAY_0, event, model, registered, requested, source, stream, view
from feature_process import Feature

from pelton.contracts.feature import DatasetProfile
from pelton.objects import Objects
from pelton.testkit import eventually

DAYS = 12
END = DAY_0 + timedelta(days=DAYS)


async def outcome(feature: Feature, training_id: str) -> tuple[str, dict[str, Any]]:
    """The fact that answers a training's request."""

    async def there() -> tuple[str, dict[str, Any]] | None:
        for name in ("dataset_materialized", "dataset_failed"):
            if found := await feature.facts(name, training_id=training_id):
                (fact,) = found
                return name, fact
        return None

    return await eventually(there, timeout=30)


async def rows_of(feature: Feature, fact: dict[str, Any]) -> pl.DataFrame:
    raw = await Objects((feature.home / "objects").as_uri()).get(fact["dataset"])
    return pl.read_parquet(io.BytesIO(raw))


async def test_poison_is_set_aside_with_its_reason_and_the_good_ones_go_on(feature: Feature) -> None:
    await feature.declare(source("poisoned"), view("poisoned_carrier", "poisoned"))
    good = json.dumps(event(1, DAY_0)).encode()
    poison = [
        (None, b"\xff\xfe not text"),
        ("nul\x00id", b'{"flight": "a\\u0000b", "at": 7}'),
        ("nan", json.dumps(event(2, DAY_0, delay=float("nan"))).encode()),
        ("huge", json.dumps(event(3, DAY_0)).encode().replace(b"1.5", b"9" * 400)),
        ("surrogate", b'{"flight": "\\ud800", "at": "2013-01-01T00:00:00Z"}'),
        ("deep", b'{"flight":' + b"[" * 100_000),
        ("empty", b""),
        ("lacking", b'{"at": "2013-01-01T00:00:00Z"}'),
    ]
    await feature.publish("poisoned", [("first", good), *poison, ("last", good.replace(b"F00001", b"F00009"))])
    await feature.counted("poisoned", 2)
    kept = await feature.set_aside("poisoned", len(poison))
    fields = {event_id: [fault["field"] for fault in one["faults"]] for event_id, one in kept.items()}
    assert fields == {
        "pelton.data.poisoned/0/1": [""],
        "nul\ufffdid": ["at"],
        "nan": ["delay"],
        "huge": ["delay"],
        "surrogate": ["flight"],
        "deep": [""],
        "empty": [""],
        "lacking": ["flight"],
    }
    assert all(fault["detail"] and fault["fix"] for one in kept.values() for fault in one["faults"])

    async def said() -> bool:
        facts = await feature.facts("records_quarantined", source="poisoned")
        reasons = [reason for one in facts for reason in one["reasons"].items()]
        assert sum(one["count"] for one in facts) == len(poison)
        assert {field for field, _ in reasons} == {"body", "at", "delay", "flight"}
        return True

    await eventually(said)


async def test_a_record_that_was_set_aside_is_taken_in_after_a_fix(feature: Feature) -> None:
    await feature.declare(source("strict", max_age="1d"))
    now = datetime.now(UTC)
    await feature.publish("strict", [("old", json.dumps(event(1, DAY_0)).encode()), (None, b"{")])
    await feature.publish("strict", [("good", json.dumps(event(2, now)).encode())])
    await feature.counted("strict", 1)
    kept = await feature.set_aside("strict", 2)
    old, broken = (f"/v1/quarantine/{kept[name]['id']}/replay" for name in ("old", "pelton.data.strict/0/1"))
    assert kept["pelton.data.strict/0/1"]["raw"] == "{"

    refused = await feature.client.post(old)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "at")
    assert (await feature.client.post(broken)).status_code == 400
    assert (await feature.client.post(broken, content=b"[1]")).status_code == 422
    assert (await feature.client.get("/v1/sources/strict")).json()["quarantined"] == 2

    await feature.declare(source("strict"))
    assert (await feature.client.post(old)).json() == {"id": "old", "status": "accepted"}
    assert (await feature.client.post(broken, json=event(3, now))).json() == {
        "id": "pelton.data.strict/0/1",
        "status": "accepted",
    }
    assert (await feature.client.post(old)).status_code == 404
    await feature.counted("strict", 3)

    async def told() -> bool:
        facts = await feature.facts("events_arrived_too_late", source="strict")
        assert [(fact["count"], fact["total"]) for fact in facts] == [(1, 1)]
        return True

    # One of years ago changes no online value any more; it is in the offline store, and told of.
    await eventually(told, timeout=40)
    found = (await feature.client.get("/v1/sources/strict")).json()
    assert (found["quarantined"], found["too_late"]) == (0, 1)


async def test_a_duplicate_counts_once_whichever_way_it_comes(feature: Feature) -> None:
    await feature.declare(source("twice"), view("twice_carrier", "twice"))
    await feature.publish_all("twice", [event(1, DAY_0), event(1, DAY_0), event(2, DAY_0)])
    await feature.counted("twice", 2)
    again = {"source": "twice", "events": [{"id": "F00001", "data": event(1, DAY_0)}]}
    assert (await feature.client.post("/v1/events", json=again)).json()["duplicate"] == 1
    await feature.publish_all("twice", [event(1, DAY_0, delay=1000.0), event(3, DAY_0)])
    await feature.counted("twice", 3)
    at = (DAY_0 + timedelta(hours=1)).isoformat()
    answer = await feature.online(["twice_carrier:flights_1h", "twice_carrier:worst_6h"], "carrier", ["UA"], [at])
    assert [one["values"] for one in answer["results"][1:]] == [[3.0], [1.5]]


@pytest.fixture(scope="session")
async def filled(feature: Feature) -> list[dict[str, Any]]:
    """Twelve days of departures and landings, taken in; some departures have no landing, some landings no delay."""
    departures = stream(3000, DAYS)
    landings = [one | {"delay": one["delay"] and one["delay"] + 3} for one in departures if one["flight"][-1] != "7"]
    await feature.declare(
        # No event comes so late that serving passes it over: what is known later is what was known then.
        source("departures", lateness="2h"),
        source("landings", lateness="2h"),
        view("by_carrier", "departures"),
        view("by_gate", "landings", "gate", tile="2h", aggregates=[
            {"name": "delay", "function": "mean", "value": "delay", "windows": ["4h", "2d"]},
            {"name": "all", "function": "count", "windows": ["4h"]},
        ]),
    )  # fmt: skip
    last = event(99_998, END + timedelta(hours=1))
    await feature.publish_all("departures", [*departures, last])
    await feature.publish_all("landings", [*landings, last])
    await feature.counted("departures", len(departures) + 1)
    await feature.counted("landings", len(landings) + 1)
    return departures


FEATURES = ("by_carrier:flights_1d", "by_carrier:delay_2h", "by_carrier:worst_6h", "by_carrier:late_1d",
            "by_carrier:least_6h", "by_gate:delay_4h", "by_gate:all_4h", "by_gate:delay_2d")  # fmt: skip


async def test_online_equals_offline_to_the_bit_and_no_row_sees_itself(
    feature: Feature, filled: list[dict[str, Any]]
) -> None:
    definition = model("departures", "landings", FEATURES)
    start = DAY_0 + timedelta(days=2)
    await feature.hears(registered(definition), requested("t-1", definition, start, END))
    name, fact = await outcome(feature, "t-1")
    assert name == "dataset_materialized"
    rows = await rows_of(feature, fact)
    by_key = {one["flight"]: one for one in filled}
    wanted = {
        key
        for key, one in by_key.items()
        if start <= datetime.fromisoformat(one["at"]) < END and one["delay"] is not None and key[-1] != "7"
    }
    assert set(rows["key"]) == wanted
    assert rows.columns == ["key", "event_time", *definition.inputs.names, "label"] == fact["columns"]
    assert rows["label"].to_list() == [int(by_key[key]["delay"] + 3 > 15) for key in rows["key"]]
    assert (fact["rows"], fact["positives"]) == (rows.height, rows["label"].sum())
    assert rows.equals(rows.sort("event_time", "key"))

    # The online store answers for the last days; what lies further back no window of theirs reaches.
    chosen = rows.filter(pl.col("event_time") >= END - timedelta(days=2)).sample(200, seed=3)
    at = [moment.isoformat() for moment in chosen["event_time"]]
    for entity in ("carrier", "gate"):
        refs = [ref for ref in FEATURES if ref.startswith(f"by_{entity}")]
        keys = [by_key[key][entity] for key in chosen["key"]]
        answer = await feature.online(refs, entity, keys, at)
        for ref, result in zip(refs, answer["results"][1:], strict=True):
            offline = chosen[ref.replace(":", "__")].to_numpy()
            # A count of nothing is 0 in a dataset; an entity that nobody has heard of is not found online.
            online = np.array([np.nan if value is None else value for value in result["values"]])
            found = np.array([status != "NOT_FOUND" for status in result["statuses"]])
            assert offline[found].tobytes() == online[found].tobytes(), ref
            assert {keys[place] for place in np.flatnonzero(~found)} <= {None}
            assert found.sum() > 100

    moments = [(datetime.fromisoformat(one["at"]), one["carrier"]) for one in filled]
    for row in chosen.iter_rows(named=True):
        at_row = row["event_time"]
        day = [carrier for moment, carrier in moments if at_row - timedelta(days=1) <= moment < at_row]
        if by_key[row["key"]]["carrier"] is not None:
            assert row["by_carrier__flights_1d"] == day.count(by_key[row["key"]]["carrier"])


async def test_a_dataset_carries_the_attributes_of_the_evaluation_as_texts_and_numbers(
    feature: Feature, filled: list[dict[str, Any]]
) -> None:
    asked = {"segments": ("carrier", "gate"), "fairness": ("delay",)}
    definition = model("departures", "landings", FEATURES[:1], name="attributes", evaluation=asked)
    await feature.hears(registered(definition), requested("attributes", definition, DAY_0, END))
    _, fact = await outcome(feature, "attributes")
    rows = await rows_of(feature, fact)
    assert rows.columns == ["key", "event_time", "gate", "by_carrier__flights_1d", "carrier", "delay", "label"]
    by_key = {one["flight"]: one for one in filled}
    for row in rows.iter_rows(named=True):
        assert (row["carrier"], row["delay"]) == (by_key[row["key"]]["carrier"], by_key[row["key"]]["delay"])


async def test_a_profile_of_the_dataset_lies_beside_it(feature: Feature, filled: list[dict[str, Any]]) -> None:  # noqa: ARG001
    definition = model("departures", "landings", FEATURES[:2], name="profiled", evaluation={"segments": ("carrier",)})
    await feature.hears(registered(definition), requested("profiled", definition, DAY_0, END))
    _, fact = await outcome(feature, "profiled")
    raw = await Objects((feature.home / "objects").as_uri()).get(fact["profile"])
    found = DatasetProfile.model_validate_json(raw)
    rows = await rows_of(feature, fact)
    assert (found.rows, list(found.columns)) == (rows.height, sorted(rows.columns))
    assert found.columns["label"].mean == pytest.approx(fact["positives"] / fact["rows"])
    assert found.columns["carrier"].missing == rows["carrier"].null_count()


async def test_the_same_dataset_twice_has_the_same_digest(feature: Feature, filled: list[dict[str, Any]]) -> None:
    definition = model("departures", "landings", FEATURES[:2], name="same")
    span = DAY_0 + timedelta(days=3), END
    await feature.hears(registered(definition), *(requested(f"same-{n}", definition, *span) for n in (1, 2)))
    (_, first), (_, second) = [await outcome(feature, f"same-{n}") for n in (1, 2)]
    assert first["dataset"] == second["dataset"]
    assert {key: value for key, value in first.items() if key != "training_id"} == {
        key: value for key, value in second.items() if key != "training_id"
    }
    listed = (await feature.client.get(f"/v1/datasets/{first['dataset']}")).json()
    assert listed["rows"] == first["rows"] <= len(filled)


def stretch_without_label(events: list[dict[str, Any]]) -> tuple[datetime, datetime]:
    """A stretch between two departures with a label in which some landed, and none with a delay."""
    landed = sorted(
        ((datetime.fromisoformat(one["at"]), one["delay"]) for one in events if one["flight"][-1] != "7"),
        key=itemgetter(0),
    )
    labelled = [moment for moment, delay in landed if delay is not None]
    bare = [moment for moment, delay in landed if delay is None]
    after, before = next(gap for gap in pairwise(labelled) if any(gap[0] < moment < gap[1] for moment in bare))
    return after + timedelta(milliseconds=1), before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": {"features": ("nowhere:flights_1d",)}}, "nowhere does not exist"),
        ({"inputs": {"request": ("weight",)}}, "has no field weight"),
        ({"inputs": {"request": ("carrier",)}}, "carrier of source 'departures' are texts"),
        ({"evaluation": {"segments": ("weight",)}}, "has no field weight"),
        ({"label": {"source": "landings", "value": "weight > 1", "delay": "1d"}}, "has no field weight"),
        ({"label": {"source": "landings", "value": "delay >", "delay": "1d"}}, "is no expression"),
        ({"inputs": {"request": ("gate",)}}, "has no events from 2012-12-23"),
        ({"inputs": {"request": ("delay",)}}, "has a label"),
    ],
)
async def test_a_dataset_that_cannot_be_made_fails_with_words(
    feature: Feature, filled: list[dict[str, Any]], change: dict[str, Any], words: str
) -> None:
    name = f"bad{random.Random(str(change)).randrange(10**9)}"  # noqa: S311 - a name
    definition = model("departures", "landings", (), **change, name=name)
    spans = {
        "has no events from 2012-12-23": (DAY_0 - timedelta(days=9), DAY_0 - timedelta(days=8)),
        "has a label": stretch_without_label(filled),
    }
    await feature.hears(registered(definition), requested(name, definition, *spans.get(words, (DAY_0, END))))
    kind, fact = await outcome(feature, name)
    assert kind == "dataset_failed"
    assert words in fact["reason"]


async def test_a_source_says_once_that_it_passed_a_midnight(feature: Feature, filled: list[dict[str, Any]]) -> None:
    facts = await feature.facts("source_advanced", source="departures")
    days = [one["watermark"][:10] for one in facts]
    assert days == sorted(set(days))
    assert days[-1] == END.date().isoformat()
    assert facts[-1]["events"] == len(filled) + 1
    (offsets,) = facts[-1]["offsets"]
    assert (offsets["topic"], offsets["start"], offsets["end"]) == ("pelton.data.departures", 0, len(filled) + 1)


async def test_it_waits_for_a_watermark_and_says_when_it_is_there(feature: Feature) -> None:
    await feature.declare(source("waited"))
    asked = {"source": "waited", "until": END.isoformat(), "timeout": 20}
    await feature.publish_all("waited", [event(1, END)])
    answer = (await feature.client.get("/v1/watermarks", params=asked)).json()
    assert answer["waited"] == END.isoformat()


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0, 400, 2500])
async def test_killed_while_taking_in_it_counts_every_event_once_in_both_stores(feature: Feature, moment: int) -> None:
    name = f"killed{moment}"
    events = stream(6000, DAYS, seed=moment)
    await feature.declare(source(name, lateness="2d"), view(f"{name}_view", name))
    await feature.publish_all(name, events[:3000])

    async def under_way() -> bool:
        return bool((await feature.client.get(f"/v1/sources/{name}")).json()["events"] >= moment)

    await eventually(under_way)
    assert await feature.end(signal.SIGKILL) == -signal.SIGKILL
    await feature.publish_all(name, [*events[2900:], event(99_999, END)])
    await feature.start()
    await feature.counted(name, len(events) + 1)

    # As far back as the online store answers; together the windows see most of the events.
    hours = [END - timedelta(hours=3 * n) for n in range(24)]
    refs = [f"{name}_view:flights_1h", f"{name}_view:delay_7d"]
    answer = await feature.online(refs, "carrier", ["AA"] * len(hours), [one.isoformat() for one in hours])
    plain = [
        ([one["delay"] for one in events if one["carrier"] == "AA" and low <= one["at"] < hour.isoformat()])
        for hour in hours
        for low in [(hour - timedelta(days=7)).isoformat()]
    ]
    means = [
        None if not (known := [round(d * 1e6) for d in delays if d is not None]) else sum(known) / (len(known) * 1e6)
        for delays in plain
    ]
    assert answer["results"][2]["values"] == means

    definition = model(name, name, refs, name=name)
    await feature.hears(registered(definition), requested(name, definition, DAY_0, END))
    _, fact = await outcome(feature, name)
    rows = await rows_of(feature, fact)
    assert sorted(rows["key"]) == sorted(one["flight"] for one in events if one["delay"] is not None)
    advanced = [one["watermark"][:10] for one in await feature.facts("source_advanced", source=name)]
    assert advanced == sorted(set(advanced))
    assert advanced[-1] == END.date().isoformat()
