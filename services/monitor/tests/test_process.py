"""The monitor's own processes on real Kafka and PostgreSQL: what they find, once, whichever of them is killed."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from importlib.metadata import entry_points
from typing import Any

import httpx
import pytest
from monitor_process import (
    Log,
    Platform,
    Replica,
    dataset,
    hour,
    iso,
    labels,
    monitor_platform,
    predictions,
    promotion,
    registration,
)
from monitor_stories import SOURCE, batch

from pelton.contracts.canonical import sha256
from pelton.contracts.feature import SourceRegistered
from pelton.contracts.monitor import DataDriftDetected, ReferencePinned
from pelton.contracts.records import OutcomeBatch, decode_outcomes, encode
from pelton.contracts.topics import OUTCOMES, PREDICTIONS, data_topic
from pelton.eventkit.identity import Role
from pelton.eventkit.publisher import Outgoing
from pelton.eventkit.replay import REPLAYS, Record
from pelton.testkit import KafkaInstance, PostgresInstance, eventually

NESTED = b'{"id": ' + b"[" * 100_000


@pytest.fixture(scope="module")
def servers() -> tuple[KafkaInstance, PostgresInstance]:
    return KafkaInstance(), PostgresInstance()


@pytest.fixture(scope="module")
async def platform(
    servers: tuple[KafkaInstance, PostgresInstance], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    """Two processes that run, and a source of labels."""
    kafka, postgres = servers
    try:
        kafka.start()
        postgres.start()
        async with monitor_platform(kafka, postgres, tmp_path_factory.mktemp("monitor")) as running:
            for replica in running.replicas:
                replica.service.start()
            await running.tell(SourceRegistered(source="landings", definition=SOURCE, definition_digest=SOURCE.digest))
            yield running
    finally:
        kafka.discard()
        postgres.discard()


async def the_leader(platform: Platform) -> tuple[Replica, Replica]:
    """Who leads and who stands by, both of them ready."""

    async def one_leads() -> list[Replica]:
        leads = [await replica.leads() for replica in platform.replicas]
        assert sum(leads) == 1
        return sorted(platform.replicas, key=lambda replica: leads[platform.replicas.index(replica)], reverse=True)

    leader, standby = await eventually(one_leads, timeout=20)
    assert (await leader.client.get("/readyz")).is_success
    assert (await standby.client.get("/readyz")).is_success
    return leader, standby


async def windows_of(replica: Replica, model: str, count: int) -> list[dict[str, Any]]:
    """The closed windows of a model, newest first, once they are so many."""

    async def there() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await replica.get("/v1/windows", model=model, limit=500))["windows"]
        assert len(found) >= count
        return found

    return await eventually(there, timeout=30)


async def settled(replica: Replica, model: str, until: int) -> None:
    async def reached() -> bool:
        mark = (await replica.get(f"/v1/monitors/{model}"))["watermarks"]["settled_until"]
        return mark is not None and datetime.fromisoformat(mark).timestamp() * 1000 >= until

    await eventually(reached, timeout=30)


async def outcomes_of(platform: Platform, model: str) -> list[OutcomeBatch]:
    found = [decode_outcomes(one.value) for one in await platform.records(OUTCOMES)]
    return [one for one in found if one.model == model]


async def test_each_finding_is_made_once_and_replays_to_the_byte_though_the_leader_is_killed(
    platform: Platform,
) -> None:
    leader, standby = await the_leader(platform)
    digest = await platform.objects.put(dataset())
    await platform.tell(registration("flights"), promotion("flights", 1, digest))
    for number in range(5):
        await platform.predict(*predictions(number))
        await platform.land(labels(number))
        if number == 2:
            await platform.publisher.publish(
                [Outgoing(topic, b"flights", [], NESTED) for topic in (PREDICTIONS, data_topic("landings"))]
            )
    await windows_of(standby, "flights", 4)
    assert await leader.metric("pelton_monitor_flawed_records") == 1
    assert await leader.metric('pelton_handled_total{handler="pelton.monitor.windows",outcome="handled"}') > 0
    assert await standby.metric("pelton_monitor_rows") == 0
    await platform.predict(*predictions(5))
    await platform.land(labels(5))
    leader.service.crash()
    for number in range(6, 13):
        await platform.predict(*predictions(number))
        await platform.land(labels(number))
    await settled(standby, "flights", hour(11))
    assert (await standby.get("/v1/watermarks", model="flights", until=iso(hour(12)), timeout=20))["reached"]
    leader.service.start()
    assert (await the_leader(platform))[0] is standby
    # who stands by has nothing in memory, and says how far the leader has come
    assert (await leader.get("/v1/watermarks", model="flights", until=iso(hour(12)), timeout=20))["reached"]

    windows = await windows_of(leader, "flights", 12)
    starts = [one["start"] for one in windows]
    assert len(starts) == len(set(starts)) == 12
    assert {one["rows"] for one in windows} == {300}
    assert [one["drift"] for one in reversed(windows)] == ["stable"] * 4 + ["drifted"] * 8
    assert [one["performance"] for one in reversed(windows)][:11] == ["sound"] * 4 + ["degraded"] * 7
    first = await leader.get("/v1/windows", model="flights", limit=7)
    rest = await leader.get("/v1/windows", model="flights", limit=7, page=first["next"])
    assert first["windows"] + rest["windows"] == windows
    assert {one["kind"] for one in (await leader.get("/v1/alerts"))["alerts"]} == {"drift", "degradation"}

    async def told() -> list[str] | None:
        kinds = [type(fact).__name__ for _, fact, _ in await platform.facts("flights")]
        return kinds if len(kinds) >= 4 else None

    kinds = await eventually(told, timeout=20)
    # the drift that stands is told again after seven windows more
    assert sorted(kinds) == ["DataDriftDetected", "DataDriftDetected", "PerformanceDegraded", "ReferencePinned"]

    await assert_they_replay(platform, "flights")
    outcomes = await outcomes_of(platform, "flights")
    by_window = {(one.window_start, one.revision, one.chunk): encode(one) for one in outcomes}
    assert all(by_window[one.window_start, one.revision, one.chunk] == encode(one) for one in outcomes)
    assert {start for start, _, _ in by_window} >= {hour(number) for number in range(11)}
    assert all(len(one.keys) == 300 and one.unlabelled == 0 for one in outcomes)

    # what stood against a champion is over when another answers
    await platform.tell(promotion("flights", 2, digest))
    await platform.predict(batch("next", [hour(13)] * 300, champion=2), batch("end", [hour(14)], champion=2))
    await windows_of(leader, "flights", 14)
    assert (await leader.get("/v1/alerts"))["alerts"] == []
    assert (await leader.get("/v1/monitors/flights"))["drift"] is None


async def assert_they_replay(platform: Platform, model: str) -> None:
    """Each finding follows from the records that it names, and from no others."""
    facts = await platform.facts(model)
    held = [one for topic in (PREDICTIONS, data_topic("landings")) for one in await platform.records(topic)]
    log = Log({event_id: value for event_id, _, value in facts}, held)
    replays = {one.name: one.load() for one in entry_points(group=REPLAYS)}
    for _, fact, value in facts:
        if not isinstance(fact, ReferencePinned):
            assert await replays[fact.fact_type](value, log) == value
    changed = Log(log.facts, [_tampered(one) if one.topic == PREDICTIONS else one for one in held])
    detected = next(value for _, fact, value in facts if isinstance(fact, DataDriftDetected))
    assert await replays[DataDriftDetected.fact_type](detected, changed) != detected


async def test_a_model_whose_dataset_is_gone_still_has_outcomes_from_its_first_prediction_on(
    platform: Platform,
) -> None:
    replica = platform.replicas[0]
    await platform.tell(registration("blind"), promotion("blind", 1, sha256(b"gone")))

    async def watched() -> bool:
        monitor = await replica.get("/v1/monitors/blind")
        return bool(monitor["watermarks"]["watched"] and monitor["references"][0]["error"])

    await eventually(watched, timeout=20)
    made = batch("b", [hour(30) + row for row in range(20)], model="blind")
    await platform.predict(made, batch("end", [hour(31)], model="blind"))
    await platform.land([(key, hour(30) + 60_000, 0.0) for key in made.keys])
    await platform.land([(f"x{row}", hour(34), 0.0) for row in range(20)])
    (window,) = await windows_of(replica, "blind", 1)
    assert (window["rows"], window["drift"]) == (20, "inconclusive")

    async def joined() -> list[OutcomeBatch]:
        return await outcomes_of(platform, "blind")

    (outcome,) = await eventually(joined, timeout=20)
    assert (len(outcome.keys), outcome.unlabelled) == (20, 0)


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/v1/monitors/nobody", 404, None),
        ("/v1/watermarks?model=nobody", 404, None),
        ("/v1/monitors/no%00body", 422, "model"),
        ("/v1/windows?model=no%00body", 422, "model"),
        ("/v1/windows?limit=0", 422, "limit"),
        ("/v1/windows?page=ffffffffffffffffff", 400, None),
        ("/v1/windows?page=-1", 400, None),
        ("/v1/watermarks?model=flights&until=soon", 422, "until"),
        ("/v1/watermarks?model=flights&timeout=NaN", 422, "timeout"),
        ("/v1/nothing", 404, None),
    ],
)
async def test_a_request_that_cannot_be_answered_says_why(
    platform: Platform, path: str, status: int, field: str | None
) -> None:
    for replica in platform.replicas:
        answer = await replica.client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
        assert answer.json()["detail"]
        assert [one["field"] for one in answer.json().get("errors", [])] == ([field] if field else [])


async def test_strangers_stay_outside(platform: Platform) -> None:
    base = platform.replicas[0].client.base_url
    for headers in ({}, {"Authorization": "Bearer no-token"}):
        async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as stranger:
            for path in ("/v1/windows", "/v1/monitors/flights", "/v1/alerts", "/v1/watermarks?model=flights"):
                answer = await stranger.get(path)
                assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
            assert (await stranger.get("/readyz")).json() == {"ready": True, "missing": []}
    letter = "/v1/dead-letters/01890000-0000-7000-8000-000000000000/replay"
    async with platform.replicas[0].service.client(Role.CONTRIBUTOR) as contributor:
        assert (await contributor.post(letter)).status_code == 403


def _tampered(record: Record) -> Record:
    if record.value == NESTED:
        return record
    content = json.loads(record.value)
    content["inputs"]["a"] = [None if value is None else value + 1 for value in content["inputs"]["a"]]
    return record._replace(value=json.dumps(content).encode())
