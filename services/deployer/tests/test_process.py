"""The deployer's own process on real Kafka and PostgreSQL: rollouts from staged to deployed, and every way they end."""

import signal
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import entry_points
from typing import Any

import httpx
import pytest
from aiokafka import ConsumerRecord
from deployer_process import Deployer, Log, deployer_process, moved, promoted, registered, taken_back, unit_of
from deployer_stories import outcomes, predictions, version, wrong
from prometheus_client import CollectorRegistry

from pelton.contracts.deployer import (
    GuardrailBreached,
    RolloutAborted,
    RolloutAdvanced,
    RolloutSucceeded,
    TrafficShifted,
)
from pelton.contracts.fact import Fact
from pelton.contracts.records import OutcomeBatch, encode
from pelton.contracts.registry import ModelStageChanged, Variant, VariantsConfigured, VariantsEnded
from pelton.contracts.topics import OUTCOMES, PREDICTIONS
from pelton.deployer.evidence import EvidenceProcessor
from pelton.eventkit.database import create_engine
from pelton.eventkit.identity import Role
from pelton.eventkit.publisher import Outgoing
from pelton.eventkit.replay import REPLAYS, Record
from pelton.eventkit.unit import Units
from pelton.testkit import KafkaInstance, PostgresInstance, eventually

FIRST = ("RolloutStarted", "RolloutSucceeded", "TrafficShifted champion", "ModelDeployed")
IN_SHADOW = ("RolloutStarted", "TrafficShifted shadow")
DECISIONS = (RolloutAdvanced, RolloutSucceeded, RolloutAborted, GuardrailBreached)
# Poison: nested without end, bytes that are no text, and two that are no record.
UNREADABLE = (b'{"more": ' + b"[" * 100_000, b'{"model": "\xff"}', b"", b"no JSON")


@pytest.fixture(scope="module")
async def deployer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployer]:
    """One process for the module; each test has a model of its own."""
    kafka, postgres = KafkaInstance(), PostgresInstance()
    try:
        kafka.start()
        postgres.start()
        async with deployer_process(kafka, postgres, tmp_path_factory.mktemp("deployer")) as running:
            yield running
    finally:
        kafka.discard()
        postgres.discard()


async def in_shadow(deployer: Deployer, model: str) -> None:
    """Version 1 answers, at revision 1; version 2 is in its shadow, at revision 2."""
    await deployer.hears(registered(model), moved(model, 1))
    await deployer.until(model, *FIRST[:2])
    await deployer.hears(promoted(model, 1))
    await deployer.until(model, *FIRST)
    await deployer.hears(moved(model, 2))
    await deployer.until(model, *IN_SHADOW)


def better(model: str, revision: int, rows: int = 60, **changes: object) -> OutcomeBatch:
    """Outcomes in which version 1 is wrong and version 2 right."""
    right = outcomes(revision, rows).outputs["1"]
    return outcomes(revision, rows, **({"model": model, "outputs": {"1": wrong(rows), "2": right}} | changes))


def worse(model: str, revision: int, rows: int = 60, **changes: object) -> OutcomeBatch:
    """Outcomes in which version 2 is wrong and version 1 right."""
    right = outcomes(revision, rows).outputs["1"]
    return outcomes(revision, rows, **({"model": model, "outputs": {"1": right, "2": wrong(rows)}} | changes))


def split(weight: float, rows: int = 60) -> dict[str, Any]:
    """That the challenger answered its share of the rows, as many with either label."""
    served = [2 if row // 2 % 10 < weight * 10 else 1 for row in range(rows)]
    return {"mode": "canary", "weight": weight, "served": served}


async def assert_they_replay(deployer: Deployer, model: str) -> None:
    """Each decision follows from the records that it names, and from no others."""
    facts = await deployer.facts(model)
    held = [one for topic in (OUTCOMES, PREDICTIONS) for one in await deployer.records(topic)]
    replays = {one.name: one.load() for one in entry_points(group=REPLAYS)}
    decided = [(fact, value) for _, fact, value in facts if _was_tested(fact)]
    assert decided
    for fact, value in decided:
        assert await replays[fact.fact_type](value, Log(facts, held)) == value
        # A log in which a record is missing does not lead to the same fact.
        first = next(one for one in held if _is_counted(fact, one))
        assert (
            await _replayed(replays[fact.fact_type], value, Log(facts, [one for one in held if one != first])) != value
        )


def _was_tested(fact: Fact) -> bool:
    return isinstance(fact, DECISIONS) and fact.evidence is not None


def _is_counted(fact: Fact, record: Record) -> bool:
    assert isinstance(fact, DECISIONS)
    assert fact.evidence is not None
    return any(
        (one.topic, one.partition, one.start) == (record.topic, record.partition, record.offset)
        for one in fact.evidence.offsets
    )


async def _replayed(replay: Any, value: bytes, log: Log) -> bytes | None:  # noqa: ANN401 - an entry point
    try:
        found: bytes = await replay(value, log)
    except ValueError:
        return None
    return found


async def test_variants_share_the_keys_and_what_was_tried_begins_anew_when_they_end(deployer: Deployer) -> None:
    await in_shadow(deployer, "shared")
    arms = (Variant(name="old", version=1, weight=0.6), Variant(name="new", version=2, weight=0.4))
    configured = VariantsConfigured(
        model="shared",
        variants=arms,
        key="customer",
        salt="salt",
        reason="which is better",
        details=(version(1, "shared"), version(2, "shared")),
    )
    await deployer.hears(configured.model_copy(update={"details": (version(1, "shared"),)}), configured, configured)
    (shifted,) = await deployer.until("shared", "TrafficShifted champion")
    assert isinstance(shifted, TrafficShifted)
    assert shifted.variants is not None
    assert [(arm.name, arm.weight, arm.version.version) for arm in shifted.variants.arms] == [
        ("old", 0.6, 1),
        ("new", 0.4, 2),
    ]
    assert await deployer.get("/v1/routes/shared") == {
        "model": "shared",
        "revision": 3,
        "champion": 1,
        "challenger": None,
        "mode": "variants",
        "weight": 0.0,
        "variants": {
            "key": "customer",
            "arms": [{"name": "old", "version": 1, "weight": 0.6}, {"name": "new", "version": 2, "weight": 0.4}],
        },
    }
    # outcomes of the shadow that was, and of the variants, decide nothing
    await deployer.sees(better("shared", 2), better("shared", 3, mode="variants", challenger=None))
    await deployer.hears(VariantsEnded(model="shared", reason="enough"))
    await deployer.until("shared", "TrafficShifted champion", "TrafficShifted shadow")
    await deployer.sees(better("shared", 4))
    await deployer.until("shared", "RolloutAdvanced 1", "TrafficShifted canary")


async def test_a_better_version_passes_every_step_is_deployed_and_bakes(deployer: Deployer) -> None:
    await in_shadow(deployer, "late")
    for topic in (OUTCOMES, PREDICTIONS):
        await deployer.publisher.publish([Outgoing(topic, b"late", [], value) for value in UNREADABLE])
    await deployer.sees(predictions(2, 10, model="late"), better("late", 2))
    await deployer.until("late", "RolloutAdvanced 1", "TrafficShifted canary")
    # what is late for the shadow counts for no later step
    await deployer.sees(better("late", 2, day=1), better("late", 3, **split(0.2)))
    await deployer.until("late", "RolloutAdvanced 2", "TrafficShifted canary")
    await deployer.sees(better("late", 4, **split(0.5)))
    (succeeded,) = await deployer.until("late", "RolloutSucceeded")
    assert isinstance(succeeded, RolloutSucceeded)
    assert succeeded.evidence is not None
    assert (succeeded.version, succeeded.evidence.rows) == (2, 60)
    assert (await deployer.get("/v1/rollouts/late"))["passed"]
    # the whole rollout is in the trace that staged the version: its shadow is the fifth fact
    traces = [str(envelope.traceparent).split("-")[1] for envelope, _, _ in await deployer.facts("late")]
    assert len(set(traces[4:])) == 1
    assert traces[4] not in traces[:4]

    (promotion,) = await deployer.hears(promoted("late", 2))
    await deployer.until("late", "RolloutSucceeded", "TrafficShifted bake", "ModelDeployed")
    route = await deployer.get("/v1/routes/late")
    assert route == {
        "model": "late",
        "revision": 5,
        "champion": 2,
        "challenger": 1,
        "mode": "bake",
        "weight": 0.0,
        "variants": None,
    }
    told = await deployer.facts("late")
    assert {envelope.causation_id for envelope, _, _ in told[-2:]} == {str(promotion.id)}
    assert {envelope.correlation_id for envelope, _, _ in told[-2:]} == {promotion.correlation_id}
    assert [envelope.stream_version for envelope, _, _ in told] == list(range(1, len(told) + 1))

    # a version that is staged now waits until two days of the bake have passed in which nothing happened
    await deployer.hears(moved("late", 3))
    await deployer.until("late", "TrafficShifted bake", "ModelDeployed", "RolloutStarted")
    quiet = outcomes(5, 20, model="late")
    await deployer.sees(*(_of_day(quiet, day) for day in range(2)))
    await deployer.until("late", "ModelDeployed", "RolloutStarted", "TrafficShifted shadow")
    baked = await deployer.get("/v1/routes/late")
    assert (baked["champion"], baked["challenger"], baked["mode"]) == (2, 3, "shadow")
    await assert_they_replay(deployer, "late")
    for topic in (OUTCOMES, PREDICTIONS):
        unfit = f'pelton_deployer_records_total{{outcome="unfit",topic="{topic}"}}'
        assert await deployer.metric(unfit) == len(UNREADABLE)


def _of_day(batch: OutcomeBatch, day: int) -> OutcomeBatch:
    return outcomes(batch.revision, len(batch.labels), day=day, model=batch.model)


async def test_a_promoted_version_that_does_harm_is_rolled_back(deployer: Deployer) -> None:
    await in_shadow(deployer, "harm")
    await deployer.hears(promoted("harm", 2))
    await deployer.until("harm", "TrafficShifted bake", "ModelDeployed")
    await deployer.sees(worse("harm", 3, mode="bake", champion=2, challenger=1))
    breached, _ = await deployer.until("harm", "GuardrailBreached worse", "TrafficShifted champion")
    assert isinstance(breached, GuardrailBreached)
    assert (breached.phase, breached.version) == ("bake", 2)
    # what the registry answers to that breach
    await deployer.hears(taken_back("harm", 1))
    await deployer.until("harm", "GuardrailBreached worse", *["TrafficShifted champion"] * 2, "ModelDeployed")
    route = await deployer.get("/v1/routes/harm")
    assert (route["champion"], route["challenger"], route["revision"]) == (1, None, 5)
    await assert_they_replay(deployer, "harm")


async def test_a_worse_version_ends_in_the_shadow_or_in_the_canary(deployer: Deployer) -> None:
    await in_shadow(deployer, "poor")
    await deployer.sees(worse("poor", 2))
    aborted, _ = await deployer.until("poor", "RolloutAborted worse", "TrafficShifted champion")
    assert isinstance(aborted, RolloutAborted)
    assert aborted.version == 2

    await deployer.hears(moved("poor", 3))
    await deployer.until("poor", *IN_SHADOW)
    third = {"challenger": 3}
    right = outcomes(4, 60).outputs["1"]
    await deployer.sees(outcomes(4, 60, model="poor", outputs={"1": wrong(60), "3": right}, **third))
    await deployer.until("poor", "RolloutAdvanced 1", "TrafficShifted canary")
    served = [3 if version == 2 else version for version in split(0.2, 200)["served"]]
    harmful = {"1": outcomes(5, 200).outputs["1"], "3": wrong(200)}
    await deployer.sees(outcomes(5, 200, model="poor", served=served, outputs=harmful, mode="canary", **third))
    await deployer.until("poor", "GuardrailBreached worse", "RolloutAborted worse", "TrafficShifted champion")
    assert (await deployer.get("/v1/routes/poor"))["champion"] == 1
    await assert_they_replay(deployer, "poor")


async def test_a_version_that_fails_to_answer_breaches_its_guardrail(deployer: Deployer) -> None:
    await in_shadow(deployer, "fail")
    await deployer.sees(predictions(2, 20, errors=20, model="fail"))
    ended = ("GuardrailBreached errors", "RolloutAborted errors", "TrafficShifted champion")
    breached, *_ = await deployer.until("fail", *ended)
    assert isinstance(breached, GuardrailBreached)
    assert (breached.evidence.answers, breached.evidence.errors) == (20, 20)
    # the log tells each decision with its story
    shifted, *decided = [envelope for envelope, _, _ in await deployer.facts("fail")][-len(ended) - 1 :]
    lines = [unit_of(line) for line in deployer.service.log.read_text().splitlines()]
    said = {one["event_id"]: one for one in lines if one.get("event") == "step settled"}
    for envelope in decided:
        assert envelope.causation_id == str(shifted.id)
        assert envelope.traceparent is not None
        told = said[str(envelope.id)]
        assert (told["causation_id"], told["correlation_id"]) == (envelope.causation_id, shifted.correlation_id)
        assert told["trace_id"] == envelope.traceparent.split("-")[1]
    await assert_they_replay(deployer, "fail")


async def test_a_newer_version_a_denial_and_a_person_end_a_trial(deployer: Deployer) -> None:
    await in_shadow(deployer, "gone")
    await deployer.hears(moved("gone", 3))
    await deployer.until("gone", "RolloutAborted superseded", "TrafficShifted champion", *IN_SHADOW)
    await deployer.hears(moved("gone", 3, "archived"))
    await deployer.until("gone", "RolloutAborted person", "TrafficShifted champion")
    await deployer.hears(moved("gone", 4))
    await deployer.until("gone", *IN_SHADOW)
    async with deployer.service.client(Role.VIEWER) as viewer:
        assert (await viewer.post("/v1/rollouts/gone/abort")).status_code == 403
    async with deployer.service.client(Role.CONTRIBUTOR) as contributor:
        answer = await contributor.post("/v1/rollouts/gone/abort")
        assert (answer.status_code, answer.json()["mode"]) == (200, "champion")
        again = await contributor.post("/v1/rollouts/gone/abort")
        assert (again.status_code, again.json()["type"]) == (409, "urn:pelton:problem:no-trial")
    await deployer.until("gone", "RolloutAborted person", "TrafficShifted champion")
    assert (await deployer.facts("gone"))[-1][0].actor == "ann"


async def test_records_of_a_partition_that_another_replica_has_taken_count_no_second_time(deployer: Deployer) -> None:
    await in_shadow(deployer, "twice")
    engine = create_engine(deployer.service.database)
    replica = EvidenceProcessor(Units(engine, "deployer"), CollectorRegistry())
    lane = (PREDICTIONS, 7)

    def read(first: int, last: int) -> Sequence[ConsumerRecord[bytes, bytes]]:
        value = encode(predictions(2, 10, errors=0, model="twice"))
        return [
            ConsumerRecord(*lane, offset, 0, 0, None, value, None, 0, len(value), ()) for offset in range(first, last)
        ]

    await replica.process({lane: read(0, 5)})
    await replica.process({lane: read(3, 6)})
    await replica.process({lane: read(0, 2)})
    assert (await deployer.get("/v1/rollouts/twice"))["test"]["answers"] == 60
    assert (await replica.assigned([lane]))[lane] == 6
    await engine.dispose()


async def test_nothing_is_counted_twice_or_lost_when_the_process_is_killed(deployer: Deployer) -> None:
    await in_shadow(deployer, "kill")
    asked = [predictions(2, 10, model="kill", id=f"r{number}") for number in range(2_000)]
    equal = [outcomes(2, 30, day=day, model="kill") for day in range(3)]
    await deployer.sees(*equal, *asked)

    async def some_are_counted() -> bool:
        return bool((await deployer.get("/v1/rollouts/kill"))["test"]["answers"])

    await eventually(some_are_counted, timeout=20)
    assert await deployer.service.end(signal.SIGKILL) == -signal.SIGKILL
    # meanwhile: what the monitor may say twice, and facts of the registry
    told = await deployer.hears(registered("born"), moved("born", 1))
    await deployer.sees(*equal)
    deployer.service.start()
    await deployer.until("born", "RolloutStarted", "RolloutSucceeded")
    assert {envelope.causation_id for envelope, _, _ in await deployer.facts("born")} == {str(told[1].id)}

    async def all_are_counted() -> dict[str, Any]:
        test: dict[str, Any] = (await deployer.get("/v1/rollouts/kill"))["test"]
        assert test["answers"] >= 20_000
        return test

    test = await eventually(all_are_counted, timeout=40)
    assert (test["answers"], test["rows"]) == (20_000, 90)
    assert [(one["start"], one["end"]) for one in test["offsets"] if one["topic"] == PREDICTIONS] == [
        await _places(deployer, "kill")
    ]


async def _places(deployer: Deployer, model: str) -> tuple[int, int]:
    """From the first prediction of a model to after its last."""
    offsets = [one.offset for one in await deployer.records(PREDICTIONS) if f'"{model}"'.encode() in one.value]
    return offsets[0], offsets[-1] + 1


async def test_a_fact_that_cannot_be_read_is_set_aside_and_logged_with_its_story(deployer: Deployer) -> None:
    broken = deployer.envelope(ModelStageChanged)
    await deployer.publisher.publish([Outgoing(broken.topic, b"broken", broken.headers(), b'{"model": 1}')])

    async def set_aside() -> list[dict[str, Any]]:
        letters: list[dict[str, Any]] = await deployer.get("/v1/dead-letters")
        return letters

    (letter,) = await eventually(set_aside, timeout=20)
    assert (letter["handler"], "ValidationError" in letter["reason"]) == ("deployer.stages", True)
    lines = [unit_of(line) for line in deployer.service.log.read_text().splitlines()]
    said = next(one for one in lines if one.get("event") == "message set aside")
    assert (said["event_id"], said["causation_id"]) == (str(broken.id), broken.causation_id)
    assert broken.traceparent is not None
    assert said["trace_id"] == broken.traceparent.split("-")[1]
    assert await deployer.metric('pelton_handled_total{handler="deployer.stages",outcome="dead_letter"}') == 1
    assert await deployer.metric('pelton_handle_seconds_count{handler="deployer.stages"}') >= 1


@pytest.mark.parametrize(
    ("method", "path", "status", "field"),
    [
        ("GET", "/v1/rollouts/nobody", 404, None),
        ("GET", "/v1/routes/nobody", 404, None),
        ("POST", "/v1/rollouts/nobody/abort", 404, None),
        ("GET", "/v1/rollouts/no%00body", 422, "model"),
        ("GET", "/v1/routes/no%00body", 422, "model"),
        ("POST", "/v1/rollouts/No-body!/abort", 422, "model"),
        ("GET", "/v1/rollouts/nobody?history=501", 422, "history"),
        ("DELETE", "/v1/rollouts/nobody", 405, None),
        ("GET", "/v1/nothing", 404, None),
    ],
)
async def test_a_request_that_cannot_be_answered_says_why(
    deployer: Deployer, method: str, path: str, status: int, field: str | None
) -> None:
    async with deployer.service.client(Role.CONTRIBUTOR) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert answer.json()["detail"]
    assert [one["field"] for one in answer.json().get("errors", [])] == ([field] if field else [])


async def test_strangers_stay_outside(deployer: Deployer) -> None:
    base = deployer.service.url
    for headers in ({}, {"authorization": "Bearer no-token"}, {"authorization": "Basic YTpi"}):
        async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as stranger:
            for method, path in (("GET", "/v1/rollouts"), ("GET", "/v1/routes/a"), ("POST", "/v1/rollouts/a/abort")):
                answer = await stranger.request(method, path)
                assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
                assert answer.headers["www-authenticate"].startswith("Bearer")
            assert (await stranger.get("/readyz")).json() == {"ready": True, "missing": []}
