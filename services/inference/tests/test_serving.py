"""The service's own process on real Kafka: routes change under load, artifacts are corrupt, the process is ended."""

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from inference_models import INPUTS, onnx_bytes, shifted, version
from inference_process import Inference, logged, put, request, used

from pelton.contracts.deployer import VariantArm, Variants
from pelton.contracts.registry import ModelDeprecated
from pelton.contracts.values import ModelVersion
from pelton.inference.split import to_arm
from pelton.testkit import KafkaInstance, eventually

SWAPS = 20
CLIENTS = 2


@pytest.fixture
async def inference(kafka_private: KafkaInstance, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inference]:
    running = Inference(tmp_path_factory.mktemp("home"), kafka_private.bootstrap)
    await running.start()
    yield running
    await running.close()


async def model(inference: Inference, number: int) -> ModelVersion:
    artifact = onnx_bytes(len(INPUTS), number)
    return await put(inference, version(number, artifact), artifact)


async def ask(inference: Inference, client: int, answers: dict[str, httpx.Response], enough: asyncio.Event) -> None:
    """Ask without a pause; after SIGTERM the door closes, and what it closed on is no answer."""
    while not enough.is_set():
        name = f"{client}-{len(answers)}"
        try:
            answers[name] = await inference.infer(name)
        except httpx.TransportError:
            assert enough.is_set()


async def test_no_request_fails_while_routes_change_and_every_answered_row_is_on_kafka_after_a_stop(
    inference: Inference,
) -> None:
    first, second = await model(inference, 1), await model(inference, 2)
    unavailable = await inference.infer("early")
    assert (unavailable.status_code, unavailable.json()["error"][:12]) == (404, "model 'late'")
    await inference.shift(shifted(1, first))
    await eventually(inference.swaps)

    answers: dict[str, httpx.Response] = {}
    enough = asyncio.Event()
    clients = [asyncio.create_task(ask(inference, number, answers, enough)) for number in range(CLIENTS)]
    for revision in range(2, SWAPS + 2):
        champion, other = (first, second) if revision % 2 else (second, first)
        await inference.shift(shifted(revision, champion, other if revision % 3 else None, 0.5))

        async def swapped(wanted: int = revision) -> bool:
            return await inference.swaps() == wanted

        await eventually(swapped, timeout=20)
        seen = len(answers)
        await eventually(lambda seen=seen: len(answers) > seen + CLIENTS)  # type: ignore[misc]
    enough.set()
    assert await inference.end(signal.SIGTERM) == 0
    await asyncio.gather(*clients)

    assert {answer.status_code for answer in answers.values()} == {200}
    batches = await logged(inference.bootstrap, list(answers))
    assert set(batches) == set(answers)
    for name, answer in answers.items():
        shown = answer.json()["outputs"][0]["data"]
        batch = batches[name]
        assert shown == [batch.outputs[str(one)][row] for row, one in enumerate(batch.served)]
    assert {batch.revision for batch in batches.values()} >= set(range(2, SWAPS + 2))


async def test_a_corrupt_champion_leaves_the_former_one_serving_and_readiness_says_so(inference: Inference) -> None:
    good, corrupt = await model(inference, 1), version(2, b"garbage")
    await put(inference, corrupt, b"garbage")
    await inference.shift(shifted(1, good), shifted(2, corrupt))

    async def refused() -> httpx.Response:
        answer = await inference.client.get("/readyz")
        assert answer.status_code == 503
        return answer

    answer = await eventually(refused)
    assert "champion 2 of late: the artifact cannot be loaded" in str(answer.json()["missing"])
    assert (await inference.client.get("/v2/health/ready")).json() == {"ready": False}
    assert (await inference.client.get("/v2/health/live")).json() == {"live": True}
    served = await inference.infer("one")
    assert (served.status_code, served.json()["model_version"]) == (200, "1")

    await inference.shift(shifted(3, good, corrupt, 1.0))
    await eventually(inference.answers)
    assert (await inference.infer("two")).json()["model_version"] == "1"
    batch = (await logged(inference.bootstrap, ["two"]))["two"]
    assert (batch.served, batch.errors) == ([1, 1], {"2": 2})


async def test_callers_of_what_is_deprecated_are_told_and_counted_and_variants_share_the_customers(
    inference: Inference,
) -> None:
    first, second = await model(inference, 1), await model(inference, 2)
    arms = (
        VariantArm(name="old", weight=0.5, version=first),
        VariantArm(name="new", weight=0.5, version=second),
    )
    shared = Variants(key="customer", salt="salt", arms=arms)
    await inference.shift(shifted(1, first).model_copy(update={"variants": shared}))
    await eventually(inference.swaps)
    answer = await inference.infer("before", path="/v2/models/late/versions/1/infer")
    assert "deprecation" not in answer.headers

    sunset = datetime(2020, 1, 1, tzinfo=UTC)
    await inference.hears(ModelDeprecated(model="late", version=1, sunset=sunset, reason="old", successor=2))

    async def told() -> httpx.Response | None:
        found = await inference.infer("told", path="/v2/models/late/versions/1/infer")
        return found if "deprecation" in found.headers else None

    answer = await eventually(told)
    assert answer.status_code == 200
    assert answer.headers["deprecation"].startswith("@")
    assert answer.headers["sunset"] == "Wed, 01 Jan 2020 00:00:00 GMT"
    assert answer.headers["link"] == '</v2/models/late/versions/2>; rel="successor-version"'
    assert answer.headers["warning"].startswith("299 pelton ")

    customers = [f"c{number}" for number in range(20)]
    body = request("many", 20)
    body["inputs"].append({"name": "customer", "shape": [20], "datatype": "BYTES", "data": customers})
    assert (await inference.client.post("/v2/models/late/infer", json=body)).headers["sunset"]
    batch = (await logged(inference.bootstrap, ["many"]))["many"]
    expected = [(1, 2)[place] for place in to_arm(customers, "salt", (0.5, 0.5)).tolist()]
    assert (batch.mode, batch.served, batch.champion, batch.challenger) == ("variants", expected, 1, None)
    alone = request("one", 1)
    alone["inputs"].append(
        {"name": "customer", "shape": [1], "datatype": "BYTES", "data": [customers[expected.index(2)]]}
    )
    answer = await inference.client.post("/v2/models/late/infer", json=alone)
    assert (answer.json()["model_version"], "deprecation" in answer.headers) == ("2", False)

    assert await inference.end(signal.SIGTERM) == 0
    usage = await used(inference.bootstrap)
    assert usage.rows["2"] == {"ann": expected.count(2) + 1}
    assert usage.rows["1"]["ann"] >= expected.count(1) + 4


async def test_the_protocols_routes_and_errors(inference: Inference) -> None:
    first, second = await model(inference, 1), await model(inference, 2)
    await inference.shift(shifted(1, first, second, 0.5))
    await eventually(inference.swaps)

    described = (await inference.client.get("/v2/models/late")).json()
    assert (described["versions"], [one["name"] for one in described["inputs"]]) == (["1", "2"], list(INPUTS))
    assert (await inference.client.get("/v2/models/late/versions/2/ready")).json() == {"name": "late", "ready": True}
    answer = await inference.infer("pinned", rows=20, path="/v2/models/late/versions/2/infer")
    assert (answer.status_code, answer.json()["model_version"]) == (200, "2")
    batch = (await logged(inference.bootstrap, ["pinned"]))["pinned"]
    assert (batch.revision, batch.mode, set(batch.served)) == (0, "champion", {2})

    # A logistic regression has no answer for a missing value; the log says so, and what is left of its rows is a count.
    body = request("unanswered", 2)
    body["inputs"][0]["data"][4] = None
    unanswered = await inference.client.post("/v2/models/late/versions/1/infer", json=body)
    assert (unanswered.status_code, "late failed" in unanswered.json()["error"]) == (500, True)
    batch = (await logged(inference.bootstrap, ["unanswered"]))["unanswered"]
    assert (batch.errors, batch.keys, batch.served, batch.outputs) == ({"1": 2}, [], [], {})

    async with httpx.AsyncClient(base_url=inference.url, trust_env=False) as stranger:
        errors = [
            (401, await stranger.get("/v2/models/late")),
            (413, await inference.client.post("/v2/models/late/infer", content=b" " * (17 * 1024 * 1024))),
            (400, await inference.client.post("/v2/models/late/infer", content=b"{")),
            (404, await inference.client.get("/v2/models/late/versions/9")),
            (404, await inference.client.get("/v2/nothing")),
            (405, await inference.client.delete("/v2/models/late")),
        ]
    for status, answer in errors:
        assert (answer.status_code, bool(answer.json()["error"])) == (status, True)
    assert errors[0][1].json()["error"] == errors[0][1].json()["detail"]
