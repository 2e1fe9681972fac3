"""Rules of sources on the running service: what they set aside, what they tell, and how it is taken in after all."""

import json
import random
import signal
from collections import Counter
from datetime import timedelta
from typing import Any

from feature_definitions import DAY_0, event, source, view
from feature_process import Feature

from pelton.contracts.definitions import (
    Freshness,
    Holds,
    NotNull,
    OneOf,
    Range,
    Reference,
    Unique,
    Volume,
)
from pelton.testkit import eventually

CARRIER = OneOf(name="known_carrier", field="carrier", allowed=("UA", "B6"))
DELAY = Range(name="possible_delay", field="delay", ge=-60, le=600)


def bytes_of(data: dict[str, Any]) -> bytes:
    return json.dumps(data).encode()


async def quality(feature: Feature, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (await feature.client.get(f"/v1/sources/{name}/quality")).json()
    return found | {"by_rule": {one["rule"]["name"]: one for one in found["rules"]}}


async def test_a_record_that_breaks_a_rule_is_set_aside_whole_with_the_rule_and_its_version(feature: Feature) -> None:
    rules = (CARRIER, DELAY, Holds(name="sense", value="gate < 100", severity="warn"))
    definition = source("ruled", rules=rules)
    await feature.declare(definition)
    bad = event(1, DAY_0, carrier="ZZ", delay=700.0)
    await feature.publish("ruled", [("bad", bytes_of(bad)), ("good", bytes_of(event(2, DAY_0, gate=500)))])
    await feature.counted("ruled", 1)
    record = (await feature.set_aside("ruled", 1))["bad"]
    assert json.loads(record["raw"]) == bad
    assert (record["reasons"], record["source_digest"]) == (["known_carrier", "possible_delay"], definition.digest)
    assert [fault["field"] for fault in record["faults"]] == ["carrier", "delay"]
    assert record["faults"][0]["detail"] == "'ZZ' is not one of 'UA', 'B6'"
    assert all(fault["fix"] for fault in record["faults"])

    sent = {"source": "ruled", "events": [{"id": "door", "data": event(3, DAY_0, delay=-61.0)}]}
    answer = await feature.client.post("/v1/events", json=sent)
    assert answer.status_code == 422
    (error,) = answer.json()["events"][0]["errors"]
    assert (error["rule"], error["field"], error["detail"]) == (
        "possible_delay",
        "delay",
        "-61 is not >= -60 and <= 600",
    )
    assert set(await feature.set_aside("ruled", 2)) == {"bad", "door"}

    shown = await quality(feature, "ruled")
    assert {name: one["events"] for name, one in shown["by_rule"].items()} == {
        "known_carrier": 1,
        "possible_delay": 1,
        "sense": 1,
    }
    assert shown["waiting"] == {"known_carrier": 1, "possible_delay": 2}

    async def said() -> bool:
        facts = await feature.facts("records_quarantined", source="ruled")
        assert sum((Counter(one["reasons"]) for one in facts), Counter()) == {"known_carrier": 1, "possible_delay": 1}
        return True

    await eventually(said)


async def test_what_was_set_aside_is_taken_in_after_its_rule_is_mended_and_counts_once(feature: Feature) -> None:
    await feature.declare(source("mended", rules=(CARRIER, DELAY)), view("mended_carrier", "mended"))
    late = [(f"aa{n}", bytes_of(event(n, DAY_0, carrier="AA"))) for n in range(3)]
    worse = [("worse", bytes_of(event(9, DAY_0, delay=1e6)))]
    newest = [("new", bytes_of(event(10, DAY_0 + timedelta(minutes=30))))]
    await feature.publish("mended", [*late, *worse, *newest])
    await feature.set_aside("mended", 4)
    replay = "/v1/quarantine/replay?source=mended"

    still = (await feature.client.post(f"{replay}&dry_run=true")).json()
    assert (still["accepted"], still["rejected"]) == (0, 4)
    assert still["reasons"] == {"known_carrier": 3, "possible_delay": 1}

    mended = CARRIER.model_copy(update={"allowed": ("UA", "B6", "AA")})
    await feature.declare(source("mended", rules=(mended, DELAY)))
    assert (await feature.client.post(f"{replay}&rule=known_carrier&dry_run=true")).json()["accepted"] == 3
    await feature.set_aside("mended", 4)
    done = (await feature.client.post(replay)).json()
    assert (done["accepted"], done["duplicate"], done["rejected"]) == (3, 0, 1)
    assert (await feature.client.post(replay)).json()["accepted"] == 0
    await feature.counted("mended", 4)
    # Sent again by upstream, they are known: the ids are those that they had.
    await feature.publish("mended", [*late, ("last", bytes_of(event(11, DAY_0 + timedelta(minutes=31))))])
    await feature.counted("mended", 5)
    at = (DAY_0 + timedelta(hours=1)).isoformat()
    answer = await feature.online(["mended_carrier:flights_1d"], "carrier", ["AA"], [at])
    assert answer["results"][1]["values"] == [3]

    (waiting,) = (await feature.client.get("/v1/quarantine?source=mended")).json()["records"]
    assert waiting["event_id"] == "worse"
    discard = f"/v1/quarantine/{waiting['id']}/discard"
    assert (await feature.client.post(discard, json={"reason": " "})).status_code == 422
    gone = (await feature.client.post(discard, json={"reason": "a sensor of 1998"})).json()
    assert (gone["status"], gone["discard_reason"], gone["settled_by"]) == ("discarded", "a sensor of 1998", "ann")
    assert (await feature.client.post(discard, json={"reason": "again"})).status_code == 404
    assert (await feature.client.get("/v1/sources/mended")).json()["quarantined"] == 0


async def test_the_quarantine_is_read_in_pages_and_by_rule_and_by_what_became_of_it(feature: Feature) -> None:
    await feature.declare(source("paged", rules=(CARRIER, DELAY)))
    sent = [
        (f"p{n}", bytes_of(event(n, DAY_0, carrier="ZZ" if n % 2 else "UA", delay=1.0 if n % 2 else 1e4)))
        for n in range(7)
    ]
    await feature.publish("paged", sent)
    await feature.set_aside("paged", 7)
    found: list[str] = []
    page = ""
    while page is not None:
        path = f"/v1/quarantine?source=paged&limit=3{page and f'&page={page}'}"
        answer = (await feature.client.get(path)).json()
        found += [one["event_id"] for one in answer["records"]]
        page = answer["next_page"]
    assert sorted(found) == [f"p{n}" for n in range(7)]
    of_rule = (await feature.client.get("/v1/quarantine?source=paged&rule=known_carrier")).json()["records"]
    assert {one["event_id"] for one in of_rule} == {"p1", "p3", "p5"}
    answer = await feature.client.post(
        "/v1/quarantine/discard?source=paged&rule=possible_delay", json={"reason": "not ours"}
    )
    assert answer.json()["discarded"] == 4
    assert set(await feature.set_aside("paged", 3)) == {"p1", "p3", "p5"}
    kept = (await feature.client.get("/v1/quarantine?source=paged&status=discarded")).json()["records"]
    assert {one["discard_reason"] for one in kept} == {"not ours"}
    assert (await feature.client.get("/v1/quarantine?source=paged&page=x")).status_code == 422


async def test_a_value_is_unique_within_a_span_and_a_reference_is_to_a_key_that_is_known(feature: Feature) -> None:
    await feature.declare(source("planes"))
    await feature.publish_all("planes", [event(n, DAY_0) for n in range(3)])
    await feature.counted("planes", 3)
    unique = Unique(name="one_gate", fields=("carrier", "gate"), within="1h")
    await feature.declare(
        source("legs", lateness="1d", rules=(unique, Reference(name="plane", field="flight", source="planes")))
    )

    def leg(plane: int, minutes: int, **changes: Any) -> bytes:  # noqa: ANN401
        return bytes_of(event(plane, DAY_0 + timedelta(minutes=minutes), **changes))

    sent = [
        ("a", leg(0, 0)),
        ("b", leg(1, 59)),
        ("c", leg(1, 60)),
        ("d", leg(2, 61, gate=None)),
        ("e", leg(2, 62, gate=None)),
        ("f", leg(7, 200)),
        ("a", leg(0, 0)),
    ]
    await feature.publish("legs", sent)
    await feature.counted("legs", 4)
    aside = await feature.set_aside("legs", 2)
    assert {id_: one["reasons"] for id_, one in aside.items()} == {"b": ["one_gate"], "f": ["plane"]}
    # What is known from here on is referred to as well, and the record passes as it is.
    await feature.publish_all("planes", [event(7, DAY_0)])
    await feature.counted("planes", 4)
    again = (await feature.client.post("/v1/quarantine/replay?source=legs&rule=plane")).json()
    assert again["accepted"] == 1
    await feature.counted("legs", 5)


async def test_a_source_that_breaks_a_rule_as_a_whole_is_told_of_and_so_is_its_return(feature: Feature) -> None:
    rules = (Volume(name="hourly", per="1h", at_least=2), Freshness(name="fresh", within="1s"))
    definition = source("watched", lateness="10m", rules=rules)
    await feature.declare(definition)
    minutes = [30, 65, 70, 130, 190, 200, 251]
    stream = [event(n, DAY_0 + timedelta(minutes=minute)) for n, minute in enumerate(minutes)]
    await feature.publish_all("watched", stream)
    await feature.counted("watched", len(stream))

    async def told() -> bool:
        told_of = {
            word: await feature.facts(f"source_rule_{word}", source="watched", rule="hourly")
            for word in ("violated", "restored")
        }
        assert [len(facts) for facts in told_of.values()] == [1, 1]
        (broken,), (kept,) = told_of.values()
        assert (broken["window"]["start"], broken["events"]) == ("2013-01-01T02:00:00Z", 1)
        assert (kept["window"]["start"], kept["events"]) == ("2013-01-01T03:00:00Z", 2)
        assert broken["source_digest"] == definition.digest
        assert broken["offsets"] == [{"topic": "pelton.data.watched", "partition": 0, "start": 0, "end": len(stream)}]
        assert await feature.facts("source_rule_violated", source="watched", rule="fresh")
        return True

    await eventually(told)
    shown = (await quality(feature, "watched"))["by_rule"]
    assert (shown["hourly"]["broken"], shown["fresh"]["broken"]) == (False, True)
    assert "no event since" in shown["fresh"]["detail"]

    async def fresh() -> bool:
        await feature.publish_all("watched", [event(99, DAY_0 + timedelta(minutes=252))])
        return bool(await feature.facts("source_rule_restored", source="watched", rule="fresh"))

    await eventually(fresh)


async def test_nothing_is_lost_and_each_verdict_stands_however_records_come_and_the_service_ends(
    feature: Feature,
) -> None:
    """Random batches with duplicates, by the topic and by the door; kill -9 between them."""
    chance = random.Random(7)  # noqa: S311 - data, not secrets
    rules = (CARRIER, DELAY, NotNull(name="has_gate", field="gate"), Volume(name="v", per="1d", at_least=1))
    await feature.declare(source("random", lateness="2d", rules=rules))
    sent: dict[str, dict[str, Any]] = {}
    broken: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    copies = at_door = 0
    for batch in range(6):
        records = []
        for number in range(200):
            id_ = f"r{batch}-{number}"
            sent[id_] = event(
                number,
                DAY_0 + timedelta(seconds=chance.randrange(86_400)),
                carrier=chance.choice(["UA", "B6", "ZZ", None]),
                gate=chance.choice([1, 2, 30, None]),
                delay=chance.choice([None, 0.0, 600.0, 601.0, -61.0]),
            )
            records.append(id_)
        records += chance.choices(list(sent), k=40)
        chance.shuffle(records)
        by_topic, by_door = records[: len(records) // 2], records[len(records) // 2 :]
        await feature.publish("random", [(id_, bytes_of(sent[id_])) for id_ in by_topic])
        if batch % 2:
            await feature.end(signal.SIGKILL)
            await feature.start()
        events = [{"id": id_, "data": sent[id_]} for id_ in by_door]
        answer = (await feature.client.post("/v1/events", json={"source": "random", "events": events})).json()
        refused["door"] += answer["rejected"]
        at_door += answer["duplicate"]
        for id_ in by_topic:
            broken.update(_broken(sent[id_]))
            refused["topic"] += bool(_broken(sent[id_]))
        for told in answer["events"]:
            names = [error["rule"] for error in told.get("errors", ())]
            assert names == _broken(sent[told["id"]]) or told["status"] == "duplicate"
        copies += len(records)
    good = {id_ for id_, data in sent.items() if not _broken(data)}
    await feature.counted("random", len(good))
    await eventually(lambda: _waiting(feature, "random", refused.total()))
    found = (await feature.client.get("/v1/sources/random")).json()
    assert copies == refused.total() + found["events"] + found["duplicates"] + at_door

    async def counted() -> bool:
        shown = (await quality(feature, "random"))["by_rule"]
        assert {name: shown[name]["events"] for name in ("known_carrier", "possible_delay", "has_gate")} == broken
        return True

    await eventually(counted)
    page, aside = None, []
    while True:
        path = f"/v1/quarantine?source=random&limit=1000{f'&page={page}' if page else ''}"
        answer = (await feature.client.get(path)).json()
        aside += answer["records"]
        page = answer["next_page"]
        if page is None:
            break
    assert {one["event_id"] for one in aside} == set(sent) - good
    assert all(one["reasons"] == _broken(sent[one["event_id"]]) for one in aside)
    assert all(json.loads(one["raw"]) == sent[one["event_id"]] for one in aside)


def _broken(data: dict[str, Any]) -> list[str]:
    """The rules of the random source that an event breaks, one by one."""
    found = []
    if data["carrier"] not in ("UA", "B6", None):
        found.append("known_carrier")
    if data["delay"] is not None and not -60 <= data["delay"] <= 600:
        found.append("possible_delay")
    if data["gate"] is None:
        found.append("has_gate")
    return found


async def _waiting(feature: Feature, name: str, count: int) -> bool:
    found = (await feature.client.get(f"/v1/sources/{name}")).json()
    assert found["quarantined"] == count, found["quarantined"]
    return True
